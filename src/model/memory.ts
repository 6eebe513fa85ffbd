// Estimates the memory of a training step: what the operations of ops/ keep for the backward pass, the parameters with
// their gradients and optimizer state, and the largest temporary tensors. test/model/memory.test.ts compares the estimate
// with measured peaks.
//
// B batch, T sequence, N = B * T tokens, C width, H query heads, G kv heads, D head width, V vocabulary.

import { capabilities, type ScratchBytes } from '../backend/capabilities.js';
import { attentionFootprint, hasKernel, logitsRows } from '../ops/index.js';
import {
  GATE_CHANNELS,
  hasValueEmbedding,
  headDim,
  isBlockMatrix,
  kvDim,
  type ModelConfig,
  mlpWidth,
  parameterShapes,
  windowSizes,
} from './config.js';
import { ngramTables } from './ngrams.js';

const FLOAT = 4;

/**
 * Floats a token that a layer keeps for the backward pass with the stock operations, as measured: in widths C (the
 * residual stream, norms, q, attention's result, the MLP's 4 C twice) and in kv widths (keys and values). A fused
 * squared ReLU keeps the MLP's 4 C once.
 */
const KEPT = { width: 13.1, kv: 2.1, valueEmbeddingKv: 1.1, gate: GATE_CHANNELS } as const;
/** The same outside the layers: embedding, its norm, the head's input and gradient. */
const KEPT_OUTSIDE = 4.1;
/** How much of that is the first embedding and the first layer's input, where the backend reads them from a table. */
const FROM_TABLE = 2;
/** How much less where the backend keeps the operands of matmuls as bfloat16: norms, q, attention, the MLP. */
const HALVED = { width: 4, kv: 1, outside: 0.5 } as const;
/** Widths C a token that a recording keeps of one layer's backward pass; as measured. */
const RECORDED_BACKWARD = { whole: 12, halved: 6 } as const;
/**
 * Matrices [N, width of the MLP] that the gradient of an activation of stock operations has alive at once beside those of
 * squared ReLU, and how many more where bfloat16 is widened for it.
 */
const ACTIVATION_AT_ONCE = { reluSquared: 0, gelu: 9, swiglu: 4 } as const;
const WIDENED = 2;
/** Matrices of logits alive at once in the cross-entropy. */
const LOGITS_AT_ONCE = 6.2;

/** Bytes by purpose, and the peak. */
export type MemoryEstimate = {
  parameters: number;
  gradients: number;
  optimizer: number;
  activations: number;
  transient: number;
  optimizerTransient: number;
  peakBytes: number;
};

/**
 * Estimates the bytes of a training step on the backend in use, including the scratch space that the backend reports
 * (cuda and TensorFlow on the CPU report all of it); within 25% of measured peaks.
 * @param options.batch B, rows of one pass; @param options.accumulation passes of one step;
 * @param options.recompute the backward pass recomputes the activations of each layer
 */
export function estimateMemory(
  config: ModelConfig,
  options: { batch: number; accumulation: number; recompute?: boolean },
): MemoryEstimate {
  const { depth: L, heads: H, kvHeads, width: C, vocabSize: V, seqLen: T } = config;
  const kv = kvDim(config);
  const N = options.batch * T;
  let count = 0;
  let moments = 0;
  const stacks = new Map<string, { count: number; rows: number; columns: number }>();
  for (const { shape, size, role } of parameterShapes(config)) {
    const muon = isBlockMatrix(role);
    count += size;
    moments += muon ? size : 2 * size; // Muon keeps one, AdamW two
    const [rows, columns] = shape as [number, number];
    const stack = stacks.get(`${shape}`);
    if (muon) stacks.set(`${shape}`, { count: (stack?.count ?? 0) + 1, rows, columns });
  }
  const windows = windowSizes(config);
  const attention = (window: number) => ({ batch: options.batch, seq: T, heads: H, kvHeads, window });
  const { stepScratch, bf16Activations = false, readsTable, recorder } = capabilities();
  const byId = readsTable?.(V, N) ?? false;
  const scratch: ScratchBytes = stepScratch?.({
    rows: N,
    width: C,
    vocab: V,
    attention: attention(Math.max(...windows)),
    matrices: [...stacks.values()],
  }) ?? { passes: 0, optimizer: 0 };
  const outside =
    KEPT_OUTSIDE -
    (bf16Activations ? HALVED.outside : 0) -
    (byId && ngramTables(config).length === 0 ? FROM_TABLE : 0);
  let kept = N * outside * C + V * C; // the head's gradient is made in the forward pass
  const width =
    KEPT.width -
    (config.activation === 'reluSquared' && hasKernel('ReluSquared') ? 4 : 0) -
    (bf16Activations ? HALVED.width : 0);
  const kvWidth = KEPT.kv - (bf16Activations ? HALVED.kv : 0);
  let scores = 0;
  /** The most that a layer keeps, beside its input. */
  let widest = 0;
  for (let layer = 0; layer < L; layer++) {
    let own = N * (width * C + kvWidth * kv);
    if (hasValueEmbedding(config, layer)) own += N * ((byId ? 0 : KEPT.valueEmbeddingKv * kv) + KEPT.gate);
    const { kept: probabilities, transient } = attentionFootprint(
      attention(windows[layer]!),
      headDim(config),
    );
    own += probabilities;
    widest = Math.max(widest, own);
    kept += options.recompute ? N * C : own;
    scores = Math.max(scores, transient);
  }
  if (options.recompute) kept += widest;
  const logits = hasKernel('LmHeadCrossEntropy') ? 0 : LOGITS_AT_ONCE * logitsRows(N, C, V) * V;
  const matrices = ACTIVATION_AT_ONCE[config.activation];
  const activation = matrices && (matrices + (bf16Activations ? WIDENED : 0)) * N * mlpWidth(config);
  const parts = {
    parameters: FLOAT * count,
    gradients: FLOAT * count * (options.accumulation > 1 ? 2 : 1),
    optimizer: FLOAT * moments,
    activations: FLOAT * kept,
    transient: FLOAT * Math.max(logits, scores, activation) + scratch.passes,
    optimizerTransient: scratch.optimizer,
  };
  const updating = parts.gradients + parts.optimizerTransient;
  const passing = parts.activations + parts.transient;
  // Gradients grow while activations are freed, so the two are not whole at the same time; a recorded step that keeps
  // its buffers keeps both, and what its backward pass works with.
  const together =
    recorder && !recorder.freesBuffers
      ? updating + passing + FLOAT * N * RECORDED_BACKWARD[bf16Activations ? 'halved' : 'whole'] * C
      : Math.max(updating, passing);
  return { ...parts, peakBytes: (scratch.held ?? 1) * (parts.parameters + parts.optimizer + together) };
}
