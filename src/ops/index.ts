// Differentiable operations of the GPT on tf.Tensor, and gradients with a small memory peak: `tinygpt/ops`.

export type { AttentionShape } from '../backend/contract.js';
export { hasKernel, runFused } from '../backend/fused.js';
export { accumulate, accumulateGrads } from './accumulate.js';
export { gelu, swiglu } from './activations.js';
export { attentionFootprint, causalAttention } from './attention.js';
export { differentiable, type Forward } from './differentiable.js';
export { add, reluSquared, residualMix, residualMixNorm, scale } from './elementwise.js';
export { embedding } from './embedding.js';
export {
  type LeanGrads,
  type LeanGradsOptions,
  leanGrads,
  type Parameters,
  recomputed,
} from './leanGrads.js';
export { linear } from './linear.js';
export {
  type CrossEntropyOptions,
  lmHeadCrossEntropy,
  lmHeadLogits,
  logitsRows,
  MAX_LOGITS_BYTES,
} from './lmHead.js';
export { reluSquaredMlp } from './mlp.js';
export { RMS_EPSILON, rmsNorm } from './norm.js';
export { repeatedGrads } from './repeatedGrads.js';
export { rotary, rotaryQkNorm } from './rotary.js';
export { type AttentionInput, attentionHeads, type Heads, selfAttention } from './selfAttention.js';
export { gatedValueEmbedding } from './valueEmbedding.js';
