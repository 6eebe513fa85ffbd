// Parameter counts and the FLOPs of a training token. Source: num_scaling_params and estimate_flops of the
// reference's class GPT.

import { type ModelConfig, type ParameterRole, parameterShapes, windowSizes } from './config.js';

/** Number of values in the parameters of each kind, and in total. */
export type ParameterCounts = {
  embedding: number;
  valueEmbedding: number;
  head: number;
  /** Matrices of the blocks, gates included. */
  matrices: number;
  scalars: number;
  total: number;
};

const COUNTED_AS: Record<ParameterRole, keyof ParameterCounts> = {
  embedding: 'embedding',
  ngramEmbedding: 'embedding',
  valueEmbedding: 'valueEmbedding',
  head: 'head',
  matrix: 'matrices',
  projection: 'matrices',
  gate: 'matrices',
  residScalar: 'scalars',
  x0Scalar: 'scalars',
};

/** Counts parameters by role. */
export function countParameters(config: ModelConfig): ParameterCounts {
  const counts = { embedding: 0, valueEmbedding: 0, head: 0, matrices: 0, scalars: 0, total: 0 };
  for (const { role, size } of parameterShapes(config)) {
    counts[COUNTED_AS[role]] += size;
    counts.total += size;
  }
  return counts;
}

/**
 * FLOPs of one trained token, forward and backward: 6 a matrix weight, 12 H D window for attention.
 */
export function flopsPerToken(config: ModelConfig): number {
  const { matrices } = countParameters(config);
  const head = config.vocabSize * config.width; // a tied head multiplies, too
  let attention = 0;
  for (const window of windowSizes(config)) attention += 12 * config.width * Math.min(window, config.seqLen);
  return 6 * (matrices + head) + attention;
}
