// When a run of CMA-ES has converged or stagnated.
// Sources: Hansen's tutorial (arXiv 1604.00772), and for stagnation Hansen, Benchmarking a
// BI-population CMA-ES, BBOB 2009.

import type { Gaussian } from './gaussian.js';

/** Values of one generation. */
export interface Generation {
  best: number;
  median: number;
  worst: number;
}

/**
 * The rule that ends the run, or null.
 * @param sigma0 step size at the start of the run
 * @param lambda population
 * @param history by generation; values of generations without a success are Infinity
 */
export function stopReason(
  state: Gaussian,
  sigma0: number,
  lambda: number,
  history: readonly Generation[],
): string | null {
  const { mean, sigma, c, b, d, pC } = state;
  const n = mean.length;

  const span = 10 + Math.ceil((30 * n) / lambda);
  if (history.length >= span) {
    const recent = history.slice(-span);
    const range = Math.max(...recent.map((g) => g.worst)) - Math.min(...recent.map((g) => g.best));
    if (range < 1e-12) return 'value range';
  }
  if (hasStagnated(history, 120 + (30 * n) / lambda)) return 'stagnation';
  if (n === 0) return null;

  const deviation = Float64Array.from({ length: n }, (_, i) => sigma * Math.sqrt(c[i * n + i]!));
  const tiny = 1e-12 * sigma0;
  if (deviation.every((s) => s < tiny) && pC.every((p) => sigma * Math.abs(p) < tiny)) return 'step size';
  if ((Math.max(...d) / Math.min(...d)) ** 2 > 1e14) return 'condition';
  if (deviation.some((s, i) => mean[i]! === mean[i]! + 0.2 * s)) return 'no effect in a coordinate';
  const axis = state.generation % n;
  const step = 0.1 * sigma * d[axis]!;
  if (mean.every((m, i) => m === m + step * b[i * n + axis]!)) return 'no effect in an axis';
  return null;
}

/** Over the last 20% of the generations, at least `least`: neither the best nor the median got better. */
function hasStagnated(history: readonly Generation[], least: number): boolean {
  const span = Math.ceil(Math.min(20_000, Math.max(least, 0.2 * history.length)));
  if (history.length < span) return false;
  const recent = history.slice(-span);
  const part = Math.ceil(0.3 * span);
  const middle = (values: number[]) => values.sort((x, y) => x - y)[values.length >> 1]!;
  return (['best', 'median'] as const).every(
    (key) =>
      middle(recent.slice(-part).map((g) => g[key])) >= middle(recent.slice(0, part).map((g) => g[key])),
  );
}
