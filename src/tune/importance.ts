// Parameter importances by PED-ANOVA: how far the distribution of a parameter among the best tenth of the
// trials departs from its distribution among all of them.
// Source: Watanabe, Bansal, Hutter, PED-ANOVA, IJCAI 2023 (arXiv 2304.10255), in the form that Optuna computes,
// conditional parameters included (condPED-ANOVA, arXiv 2601.20800).
//
// G grid points of a parameter; counts (G) how many trials fell on each.

import { randomStream } from '../base/random.js';
import { completeTrials, signOf } from './best.js';
import { toInternal } from './distributions.js';
import { normalCdf } from './math/normal.js';
import { own } from './objects.js';
import type { Choice, Direction, Distribution, Trial } from './types.js';

const TOP = 0.1;
const GRID = 50;
const PRIOR_WEIGHT = 1;
/** Added to each mass, so that ratios stay finite. */
const FLOOR = 1e-12;
/** 1.64 standard deviations (90%) of the narrowest kernel fit into its grid cell. */
const NARROWEST = 0.5 / 1.64;

/** Random tenths that a parameter's importance must exceed to be known: by chance one in forty does. */
const RANDOM_TENTHS = 39;

/**
 * Importances of all parameters that any complete trial has, most important first; they sum to 1.
 * Only complete trials with finite values count. Parameters that never varied get 0; where nothing can be told
 * (fewer than two trials, or all values equal) all parameters share equally. Empty without complete trials.
 */
export function importances(trials: readonly Trial[], direction: Direction): Record<string, number> {
  const complete = completeTrials(trials);
  const names = [...new Set(complete.flatMap((trial) => Object.keys(trial.distributions)))];
  const { all, top } = bestTenth(trials, direction);
  const raw = names.map((name): [string, number] => [
    name,
    all.length > 1 ? importance(regimesOf(name, all), all, top) : 0,
  ]);
  const sum = raw.reduce((total, [, value]) => total + value, 0);
  return Object.fromEntries(
    raw
      .map(([name, value]): [string, number] => [name, sum > 0 ? value / sum : 1 / names.length])
      .sort((a, b) => b[1] - a[1]),
  );
}

/**
 * The importances that are known: those by which the best tenth of the trials differs more than each of 39 random tenths
 * does. Takes about 20 trials; none before.
 */
export function knownImportances(trials: readonly Trial[], direction: Direction): Record<string, number> {
  const { all, top } = bestTenth(trials, direction);
  const random = randomStream(0, 'importances');
  const tenths = Array.from({ length: RANDOM_TENTHS }, () => {
    const pool = [...all];
    for (let i = 0; i < top.size; i++) {
      const other = i + random.int(pool.length - i);
      [pool[i], pool[other]] = [pool[other]!, pool[i]!];
    }
    return new Set(pool.slice(0, top.size));
  });
  const isKnown = (name: string) => {
    const regimes = regimesOf(name, all);
    const found = importance(regimes, all, top);
    return tenths.every((tenth) => importance(regimes, all, tenth) < found);
  };
  return Object.fromEntries(
    Object.entries(importances(trials, direction)).filter(([name]) => all.length > 1 && isKnown(name)),
  );
}

/** The complete trials with finite values, and the best tenth of them. */
function bestTenth(trials: readonly Trial[], direction: Direction): { all: Trial[]; top: Set<Trial> } {
  const all = completeTrials(trials).filter(({ value }) => Number.isFinite(value));
  const losses = all.map(({ value }) => signOf(direction) * value);
  const cutoff = losses.toSorted((a, b) => a - b)[Math.ceil(TOP * all.length) - 1] ?? Number.NaN;
  return { all, top: new Set(all.filter((_, i) => losses[i]! <= cutoff)) };
}

/** The trials that had a parameter under one distribution, and its density among them, (G). */
type Regime = {
  distribution: Distribution;
  trials: Trial[];
  pAll: Float64Array;
  valuesOf: (trials: readonly Trial[]) => Choice[];
};

function regimesOf(name: string, all: readonly Trial[]): Regime[] {
  const byDistribution = new Map<string, Trial[]>();
  const keys = new Map<Distribution, string>(); // trials of a journal share their distributions
  for (const trial of all) {
    const distribution = own(trial.distributions, name);
    if (!distribution || !varies(distribution)) continue;
    const key = keys.get(distribution) ?? JSON.stringify(distribution);
    keys.set(distribution, key);
    const regime = byDistribution.get(key);
    regime ? regime.push(trial) : byDistribution.set(key, [trial]);
  }
  return [...byDistribution.values()]
    .filter((trials) => trials.length >= 2)
    .map((trials) => {
      const distribution = trials[0]!.distributions[name]!;
      const valuesOf = (of: readonly Trial[]) => of.map((trial) => trial.params[name]!);
      return { distribution, trials, pAll: density(distribution, valuesOf(trials)), valuesOf };
    });
}

/** Unnormalized importance of one parameter, summed over the distributions that it had. */
function importance(regimes: readonly Regime[], all: readonly Trial[], top: ReadonlySet<Trial>): number {
  let total = 0;
  for (const { distribution, trials, pAll, valuesOf } of regimes) {
    const best = trials.filter((trial) => top.has(trial));
    if (best.length === 0) continue;
    const pTop = density(distribution, valuesOf(best));
    let divergence = 0; // Pearson's: sum_x p_all (p_top / p_all - 1)^2
    for (let g = 0; g < pAll.length; g++) divergence += pAll[g]! * (pTop[g]! / pAll[g]! - 1) ** 2;
    const shareOfTop = best.length / top.size;
    const shareOfAll = trials.length / all.length;
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
