// The kernels of this folder by the names that tfjs and src/ops know them under.

import type { FusedTable } from '../../contract.js';
import type { StockTable } from '../../register.js';
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
import type { WebGpuContext } from './kernel.js';
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

/** Those of the contract: all of them. */
export const FUSED: Required<FusedTable<WebGpuContext>> = {
  Accumulate: accumulate,
  AdamWStep: adamwStep,
  CausalAttention: causalAttention,
  CausalAttentionGrad: causalAttentionGrad,
  Embedding: embedding,
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
};

/** Those in place of tfjs's own. */
export const STOCK: StockTable<WebGpuContext> = {
  Cos: cos,
  Sin: sin,
  Tanh: tanh,
};
