// Choosing the next id from logits: temperature, top-k and nucleus (Holtzman et al. 2020).

import { expect } from '../base/errors.js';
import type { Random } from '../base/random.js';

/** How to choose. */
export interface SamplingOptions {
  /** 0 takes the most likely id. Default 0.8. */
  temperature?: number;
  /** Keep this many of the most likely ids; 0 keeps all. Default 0. */
  topK?: number;
  /** Keep the fewest ids whose probability sums to this. Default 1. */
  topP?: number;
  /** Ids never chosen. */
  banned?: readonly number[];
}

/** @throws UsageError naming the option */
export function validateSampling({ temperature = 0.8, topK = 0, topP = 1 }: SamplingOptions): void {
  expect(
    temperature >= 0 && temperature < Infinity,
    () => `Expected the temperature to be >= 0, got ${temperature}; set --temperature`,
  );
  expect(
    Number.isInteger(topK) && topK >= 0,
    () => `Expected top-k to be an integer >= 0, got ${topK}; set --top-k`,
  );
  expect(topP > 0 && topP <= 1, () => `Expected top-p in (0, 1], got ${topP}; set --top-p`);
}

/**
 * Draws an id.
 * @param logits [V], left unchanged
 */
export function sampleId(logits: ArrayLike<number>, options: SamplingOptions, random: Random): number {
  const { temperature = 0.8, topK = 0, topP = 1, banned = [] } = options;
  const ids = Array.from({ length: logits.length }, (_, id) => id).filter((id) => !banned.includes(id));
  ids.sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (temperature === 0) return ids[0]!;
  const kept = topK > 0 ? ids.slice(0, topK) : ids;
  const top = logits[kept[0]!]!;
  const weights = kept.map((id) => Math.exp((logits[id]! - top) / temperature));
  let total = weights.reduce((a, b) => a + b, 0);
  let count = kept.length;
  if (topP < 1) {
    let sum = 0;
    count = weights.findIndex((weight) => (sum += weight) >= topP * total) + 1 || kept.length;
    total = sum;
  }
  let left = random.uniform() * total;
  for (let i = 0; i < count; i++) {
    left -= weights[i]!;
    if (left < 0) return kept[i]!;
  }
  return kept[count - 1]!;
}
