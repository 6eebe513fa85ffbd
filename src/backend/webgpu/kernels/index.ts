// The backend's fused kernels by name.

import { causalAttention, causalAttentionGrad } from './attention.js';
import {
  accumulate,
  cos,
  embedding,
  embeddingGrad,
  reluSquared,
  reluSquaredGrad,
  residualMix,
  residualMixGrad,
  sin,
  tanh,
} from './elementwise.js';
import type { WebGpuKernel } from './kernel.js';
import { lmHeadCrossEntropy } from './lmHead.js';
import { linear, linearGrad } from './matmul.js';
import { adamwStep, muonStep } from './optimizers.js';
import {
  gatedValueEmbedding,
  gatedValueEmbeddingGrad,
  rmsNorm,
  rmsNormGrad,
  rotaryQkNorm,
  rotaryQkNormGrad,
} from './rows.js';

export const WEBGPU_KERNELS: Readonly<Record<string, WebGpuKernel>> = {
  Accumulate: accumulate,
  AdamWStep: adamwStep,
  CausalAttention: causalAttention,
  CausalAttentionGrad: causalAttentionGrad,
  Embedding: embedding,
  Cos: cos,
  EmbeddingGrad: embeddingGrad,
  GatedValueEmbedding: gatedValueEmbedding,
  GatedValueEmbeddingGrad: gatedValueEmbeddingGrad,
  Linear: linear,
  LinearGrad: linearGrad,
  LmHeadCrossEntropy: lmHeadCrossEntropy,
  MuonStep: muonStep,
  ReluSquared: reluSquared,
  ReluSquaredGrad: reluSquaredGrad,
  ResidualMix: residualMix,
  ResidualMixGrad: residualMixGrad,
  RmsNorm: rmsNorm,
  RmsNormGrad: rmsNormGrad,
  RotaryQkNorm: rotaryQkNorm,
  RotaryQkNormGrad: rotaryQkNormGrad,
  Sin: sin,
  Tanh: tanh,
};
