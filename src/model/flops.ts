// Parameter counts and the FLOPs of a training token. Source: num_scaling_params and estimate_flops of the
// reference's class GPT.

import { type ModelConfig, parameterShapes, windowSizes } from './config.js';

/** Parameters by role, as the reference counts them. */
export type ParameterCounts = {
  wte: number;
  value_embeds: number;
  lm_head: number;
  transformer_matrices: number;
  scalars: number;
  total: number;
};

/** Counts parameters by role. */
export function countParameters(config: ModelConfig): ParameterCounts {
  const counts = { wte: 0, value_embeds: 0, lm_head: 0, transformer_matrices: 0, scalars: 0, total: 0 };
  for (const { name, shape } of parameterShapes(config)) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (name.startsWith('transformer.wte')) counts.wte += size;
    else if (name.startsWith('value_embeds')) counts.value_embeds += size;
    else if (name.startsWith('lm_head')) counts.lm_head += size;
    else if (name.startsWith('transformer.h')) counts.transformer_matrices += size;
    else counts.scalars += size;
    counts.total += size;
  }
  return counts;
}

/**
 * FLOPs of one trained token, forward and backward: 6 a matrix weight, 12 H D window for attention.
 */
export function flopsPerToken(config: ModelConfig): number {
  const { transformer_matrices, lm_head } = countParameters(config);
  let attention = 0;
  for (const window of windowSizes(config)) attention += 12 * config.width * Math.min(window, config.seqLen);
  return 6 * (transformer_matrices + lm_head) + attention;
}
