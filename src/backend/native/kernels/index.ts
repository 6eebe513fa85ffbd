// The kernels of this folder by the names that tfjs and src/ops know them under.

import { causalAttention, causalAttentionGrad } from './attention.js';
import {
  accumulate,
  add,
  div,
  mul,
  reluSquared,
  reluSquaredGrad,
  residualMix,
  residualMixGrad,
  sub,
  tanh,
} from './elementwise.js';
import type { NativeKernel } from './kernel.js';
import { lmHeadCrossEntropy } from './lmHead.js';
import { adamwStep, muonStep } from './optimizers.js';
import { batchMatMul, linear, linearGrad } from './products.js';
import { max, mean, sum } from './reduce.js';
import {
  embedding,
  embeddingGrad,
  gatedValueEmbedding,
  gatedValueEmbeddingGrad,
  rmsNorm,
  rmsNormGrad,
  rotaryQkNorm,
  rotaryQkNormGrad,
} from './rows.js';

export const NATIVE_KERNELS: Record<string, NativeKernel> = {
  Accumulate: accumulate,
  Add: add,
  AdamWStep: adamwStep,
  BatchMatMul: batchMatMul,
  CausalAttention: causalAttention,
  CausalAttentionGrad: causalAttentionGrad,
  Embedding: embedding,
  EmbeddingGrad: embeddingGrad,
  GatedValueEmbedding: gatedValueEmbedding,
  GatedValueEmbeddingGrad: gatedValueEmbeddingGrad,
  Linear: linear,
  LinearGrad: linearGrad,
  LmHeadCrossEntropy: lmHeadCrossEntropy,
  Max: max,
  Mean: mean,
  MuonStep: muonStep,
  Multiply: mul,
  RealDiv: div,
  ReluSquared: reluSquared,
  ReluSquaredGrad: reluSquaredGrad,
  ResidualMix: residualMix,
  ResidualMixGrad: residualMixGrad,
  RmsNorm: rmsNorm,
  RmsNormGrad: rmsNormGrad,
  RotaryQkNorm: rotaryQkNorm,
  RotaryQkNormGrad: rotaryQkNormGrad,
  Sub: sub,
  Sum: sum,
  Tanh: tanh,
};
