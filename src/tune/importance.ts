// Parameter importances by PED-ANOVA: how far the distribution of a parameter among the best tenth of the
// trials departs from its distribution among all of them.
// Source: Watanabe, Bansal, Hutter, PED-ANOVA, IJCAI 2023 (arXiv 2304.10255), in the form that Optuna computes,
// conditional parameters included (condPED-ANOVA, arXiv 2601.20800).
//
// G grid points of a parameter; counts (G) how many trials fell on each.

import { toInternal } from './distributions.js';
import { normalCdf } from './math/normal.js';
import type { Choice, Direction, Distribution, Trial } from './types.js';

const TOP = 0.1;
const GRID = 50;
const PRIOR_WEIGHT = 1;
/** Added to each mass, so that ratios stay finite. */
const FLOOR = 1e-12;
/** 1.64 standard deviations (90%) of the narrowest kernel fit into its grid cell. */
const NARROWEST = 0.5 / 1.64;

/**
 * Importances of all parameters that any complete trial has, most important first; they sum to 1.
 * Only complete trials with finite values count. Parameters that never varied get 0; where nothing can be told
 * (fewer than two trials, or all values equal) all parameters share equally. Empty without complete trials.
 */
export function importances(trials: readonly Trial[], direction: Direction): Record<string, number> {
  const complete = trials.filter((trial) => trial.state === 'complete');
  const names = [...new Set(complete.flatMap((trial) => Object.keys(trial.distributions)))];
  const sign = direction === 'minimize' ? 1 : -1;
  const all = complete.filter((trial) => trial.value !== null && Number.isFinite(trial.value));
  const losses = all.map((trial) => sign * trial.value!);

  const raw = new Map(names.map((name) => [name, 0]));
  if (all.length > 1) {
    const cutoff = losses.toSorted((a, b) => a - b)[Math.ceil(TOP * all.length) - 1]!;
    const top = new Set(all.filter((_, i) => losses[i]! <= cutoff));
    for (const name of names) raw.set(name, importance(name, all, top));
  }
  let sum = 0;
  for (const value of raw.values()) sum += value;
  return Object.fromEntries(
    [...raw]
      .map(([name, value]): [string, number] => [name, sum > 0 ? value / sum : 1 / names.length])
      .sort((a, b) => b[1] - a[1]),
  );
}

/** Unnormalised importance of one parameter, summed over the distributions that it had. */
function importance(name: string, all: readonly Trial[], top: ReadonlySet<Trial>): number {
  const regimes = new Map<string, Trial[]>();
  for (const trial of all) {
    const distribution = trial.distributions[name];
    if (!distribution) continue;
    const key = JSON.stringify(distribution);
    const regime = regimes.get(key);
    regime ? regime.push(trial) : regimes.set(key, [trial]);
  }
  let total = 0;
  for (const regime of regimes.values()) {
    const distribution = regime[0]!.distributions[name]!;
    const best = regime.filter((trial) => top.has(trial));
    if (regime.length < 2 || best.length === 0 || !varies(distribution)) continue;
    const values = (of: readonly Trial[]) => of.map((trial) => trial.params[name]!);
    const pTop = density(distribution, values(best));
    const pAll = density(distribution, values(regime));
    let divergence = 0; // Pearson's: sum_x p_all (p_top / p_all - 1)^2
    for (let g = 0; g < pAll.length; g++) divergence += pAll[g]! * (pTop[g]! / pAll[g]! - 1) ** 2;
    const shareOfTop = best.length / top.size;
    const shareOfAll = regime.length / all.length;
    total += (shareOfTop ** 2 / shareOfAll) * divergence;
  }
  return total;
}

function varies(distribution: Distribution): boolean {
  if (distribution.kind === 'categorical') return distribution.choices.length > 1;
  return distribution.high > distribution.low;
}

/** Kernel density of the values on the parameter's grid, (G). */
function density(distribution: Distribution, values: readonly Choice[]): Float64Array {
  const counts = countOnGrid(distribution, values);
  return distribution.kind === 'categorical' ? smoothCategories(counts) : smoothGrid(counts);
}

/** How many values fall nearest to each grid point; ties go to the lower one. */
function countOnGrid(distribution: Distribution, values: readonly Choice[]): Float64Array {
  if (distribution.kind === 'categorical') {
    const counts = new Float64Array(distribution.choices.length);
    for (const value of values) counts[toInternal(distribution, value)]! += 1;
    return counts;
  }
  const { kind, log, step } = distribution;
  const scale = (x: number) => (log ? Math.log(x) : x);
  const [low, high] = [scale(distribution.low), scale(distribution.high)];
  let size = GRID;
  if (kind === 'int' && log)
    size = Math.min(GRID, Math.ceil(Math.log2(distribution.high - distribution.low + 1)) + 1);
  else if (step !== null)
    size = Math.min(GRID, Math.round((distribution.high - distribution.low) / step) + 1);
  const width = (high - low) / (size - 1);
  const counts = new Float64Array(size);
  for (const value of values) {
    const at = Math.ceil((scale(value as number) - low) / width - 0.5);
    counts[Math.min(size - 1, Math.max(0, at))]! += 1;
  }
  return counts;
}

/** One kernel per observed category, weighted by its count, and a uniform prior kernel. */
function smoothCategories(counts: Float64Array): Float64Array {
  const size = counts.length;
  const { observed, total } = occupied(counts);
  const base = PRIOR_WEIGHT / (observed.length + 1);
  const p = new Float64Array(size).fill(FLOOR + PRIOR_WEIGHT / size / total);
  for (const at of observed)
    for (let g = 0; g < size; g++)
      p[g]! += ((counts[at]! / total) * (base + (g === at ? 1 : 0))) / (base * size + 1);
  return p;
}

/**
 * Truncated discretised Gaussian kernels on {0, ..., G - 1}, width by Scott's rule (Multivariate Density
 * Estimation, 1992) with the robust minimum of the standard deviation and IQR / 1.34; a wide prior kernel.
 */
function smoothGrid(counts: Float64Array): Float64Array {
  const size = counts.length;
  const { observed, total } = occupied(counts);
  const n = total - PRIOR_WEIGHT;
  let mean = 0;
  for (const at of observed) mean += (at * counts[at]!) / n;
  let square = 0;
  for (const at of observed) square += counts[at]! * (at - mean) ** 2;
  const deviation = Math.sqrt(square / Math.max(1, n - 1));
  const cumulative: number[] = [];
  for (const at of observed) cumulative.push((cumulative.at(-1) ?? 0) + counts[at]!);
  const first = cumulative.findIndex((c) => c >= Math.floor(n / 4));
  const third = cumulative.findIndex((c) => c > Math.floor((3 * n) / 4));
  const iqr = (third < 0 ? observed.at(-1)! : observed[third]!) - observed[first]!;
  const width = Math.max(NARROWEST, 1.059 * Math.min(iqr / 1.34, deviation) * n ** -0.2);

  const p = new Float64Array(size).fill(FLOOR);
  const addKernel = (mu: number, sigma: number, weight: number) => {
    const whole = mass((-0.5 - mu) / sigma, (size - 0.5 - mu) / sigma);
    for (let g = 0; g < size; g++)
      p[g]! += (weight * mass((g - 0.5 - mu) / sigma, (g + 0.5 - mu) / sigma)) / whole;
  };
  for (const at of observed) addKernel(at, width, counts[at]! / total);
  addKernel((size - 1) / 2, size, PRIOR_WEIGHT / total);
  return p;
}

/** Grid points that hold trials, and the weight of all kernels together. */
function occupied(counts: Float64Array): { observed: number[]; total: number } {
  const observed: number[] = [];
  let total = PRIOR_WEIGHT;
  for (let g = 0; g < counts.length; g++)
    if (counts[g]! > 0) {
      observed.push(g);
      total += counts[g]!;
    }
  return { observed, total };
}

/** P(a < Z <= b), without cancellation in the upper tail. */
function mass(a: number, b: number): number {
  return a > 0 ? normalCdf(-a) - normalCdf(-b) : normalCdf(b) - normalCdf(a);
}
