// The kernels of this folder by the names that tfjs and src/ops know them under.

import type { FusedTable } from '../../contract.js';
import type { StockTable } from '../../register.js';
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
import type { NativeContext } from './kernel.js';
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

/** All kernels of the contract. */
export const FUSED: Required<FusedTable<NativeContext>> = {
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

/** Kernels in place of tfjs's own. */
export const STOCK: StockTable<NativeContext> = {
  Add: add,
  BatchMatMul: batchMatMul,
  Max: max,
  Mean: mean,
  Multiply: mul,
  RealDiv: div,
  Sub: sub,
  Sum: sum,
  Tanh: tanh,
};
