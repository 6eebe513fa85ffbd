// Integers in CMA-ES: each grid parameter keeps a minimum probability of leaving the cell of its mean, so that it
// does not freeze while the others still move. The Gaussian itself is not changed; a diagonal matrix A stretches its
// samples about the mean.
// Source: Hamano, Saito, Nomura, Shirakawa, CMA-ES with Margin, GECCO 2022 (arXiv 2205.13482).
//
// n dimension; alpha margin; s = sigma A sqrt(C_jj) standard deviation of coordinate j.

import { cardinality, fromUnit, toUnit } from '../../distributions.js';
import { normalCdf, normalQuantile } from '../../math/normal.js';
import type { Axis } from '../axes.js';
import type { Gaussian } from './gaussian.js';

/** Ends of the cell that holds u, as coordinates; null at an end of the range. */
export function cellOf({ distribution }: Axis, u: number): { low: number | null; high: number | null } {
  if (distribution.kind === 'categorical' || !distribution.step) return { low: null, high: null };
  const value = fromUnit(distribution, u) as number;
  const half = distribution.step / 2;
  return {
    low: value - half < distribution.low ? null : toUnit(distribution, value - half),
    high: value + half > distribution.high ? null : toUnit(distribution, value + half),
  };
}

/** Whether the axis is a grid. */
export function isGrid({ distribution }: Axis): boolean {
  return cardinality(distribution) < Infinity;
}

/**
 * The mean and the stretch after the margin correction of one generation.
 * @param stretch (n) diagonal of A
 * @param alpha probability kept outside the cell, 1 / (n lambda)
 */
export function correctMargin(
  axes: readonly Axis[],
  state: Gaussian,
  stretch: Float64Array,
  alpha: number,
): { mean: Float64Array; stretch: Float64Array } {
  const n = axes.length;
  const mean = state.mean.slice();
  const a = stretch.slice();
  for (let j = 0; j < n; j++) {
    if (!isGrid(axes[j]!)) continue;
    const m = mean[j]!;
    const { low, high } = cellOf(axes[j]!, m);
    const plain = state.sigma * Math.sqrt(state.c[j * n + j]!);
    const s = plain * a[j]!;
    if (low === null || high === null) {
      // A cell at the end: one threshold, which the mean moves towards until alpha lies beyond it.
      const threshold = (low ?? high)!;
      const reach = -normalQuantile(alpha) * s;
      if (Math.abs(m - threshold) > reach) mean[j] = threshold + (low === null ? -reach : reach);
      continue;
    }
    const below = normalCdf((low - m) / s);
    const above = normalCdf((m - high) / s);
    if (below >= alpha / 2 && above >= alpha / 2) continue;
    // Both sides are raised to at least alpha / 2 and the excess is taken from all in proportion; mean and spread follow.
    const raisedBelow = Math.max(below, alpha / 2);
    const raisedAbove = Math.max(above, alpha / 2);
    const inside = 1 - below - above;
    const sum = raisedBelow + raisedAbove + inside;
    const share = (1 - sum) / (sum - 1.5 * alpha);
    const quantile = (p: number) => -normalQuantile(Math.min(0.5 - 1e-10, Math.max(1e-10, p)));
    const zLow = quantile(raisedBelow + share * (raisedBelow - alpha / 2));
    const zHigh = quantile(raisedAbove + share * (raisedAbove - alpha / 2));
    mean[j] = (low * zHigh + high * zLow) / (zLow + zHigh);
    a[j] = (high - low) / ((zLow + zHigh) * plain);
  }
  return { mean, stretch: a };
}
