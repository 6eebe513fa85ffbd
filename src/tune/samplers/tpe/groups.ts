// Which trials are good and which are not, and how much each counts.
// Sources: Watanabe (arXiv 2304.11127); the weights by age are Bergstra, Yamins, Cox, ICML
// 2013, those by rank are ours.

import type { Evidence } from '../evidence.js';

export interface Group {
  points: Float64Array[];
  /** Mean 1. */
  weights: number[];
}

/** Observations of full weight, the latest ones. */
const FULL_WEIGHT = 25;

/** How many of n observations are good: a tenth, at most 25. */
export function goodCount(n: number): number {
  return Math.min(Math.ceil(0.1 * n), 25);
}

/**
 * The best observations, weighted by rank; and the rest, older ones weighted less, together with failures (they
 * are worse than any value) and running trials (a pessimistic guess that keeps workers apart: the constant liar).
 */
export function split({ observations, failures, running }: Evidence): { good: Group; bad: Group } {
  const n = observations.length;
  const count = goodCount(n);
  const order = Array.from(observations.keys()).sort(
    (i, j) => observations[i]!.value - observations[j]!.value,
  );
  const best = order.slice(0, count);
  const rest = order.slice(count).sort((i, j) => i - j);
  const points = (of: number[]) => of.map((i) => observations[i]!.x);

  const byRank = best.map((_, rank) => (Math.log((count + 0.5) / (rank + 1)) + 0.1) ** 2);
  const mean = byRank.reduce((a, b) => a + b, 0) / count;
  const old = rest.length - FULL_WEIGHT;
  const byAge = rest.map((_, age) =>
    age >= old ? 1 : 1 / rest.length + ((1 - 1 / rest.length) * age) / Math.max(1, old - 1),
  );
  const others = [...failures, ...running];
  return {
    good: { points: points(best), weights: byRank.map((w) => w / mean) },
    bad: { points: [...points(rest), ...others], weights: [...byAge, ...others.map(() => 1)] },
  };
}
