// A Parzen mixture over the mixed space: one product kernel per observation, all axes together (multivariate TPE),
// and a broad prior kernel. Numeric axes carry normals truncated to the unit interval, which is the widened range;
// grids the masses of their cells; categorical axes smoothed one-hot vectors.
// Source: Watanabe, Tree-Structured Parzen Estimator: Understanding Its Algorithm Components and Their Roles for
// Better Empirical Performance (arXiv 2304.11127).
//
// A kernel whose observation lacks a parameter has the prior's line on its axis; a point that lacks one is compared on
// the others.
//
// N kernels, the prior last; D axes; b bandwidth of a kernel on an axis.

import type { Random } from '../../../base/random.js';
import { LOG_SQRT_2PI, normalCdf, normalLogCdf, normalQuantile } from '../../math/normal.js';
import { type Axis, snap } from '../axes.js';
import { cellOf, isGrid } from '../cmaes/margin.js';
import type { Belief } from '../prior.js';

/** Kernels along one axis. */
type Line =
  | {
      kind: 'numeric';
      /** (N) centers, bandwidths, and what a log density starts from: -ln(b sqrt(2 pi) mass in [0, 1]). */
      mu: Float64Array;
      b: Float64Array;
      base: Float64Array;
    }
  /** (N, K) log probabilities. */
  | { kind: 'categorical'; logP: Float64Array };

export interface Mixture {
  readonly axes: readonly Axis[];
  /** (N) logarithms of the weights, which sum to 1. */
  readonly logWeights: Float64Array;
  readonly lines: readonly Line[];
}

/** Weight of the prior kernel, beside 1 for an observation of mean weight. */
const PRIOR_WEIGHT = 1;

/**
 * @param points (N - 1, D) coordinates of axes.ts
 * @param weights (N - 1) positive, mean 1
 * @param narrowest lower bound of bandwidths, relative to the range
 * @param beliefs by axis, which the prior kernel follows; broad without
 */
export function mixture(
  axes: readonly Axis[],
  points: readonly ArrayLike<number>[],
  weights: readonly number[],
  narrowest: number,
  beliefs: readonly (Belief | null)[] = [],
): Mixture {
  const all = [...weights, PRIOR_WEIGHT];
  const total = all.reduce((a, b) => a + b, 0);
  return {
    axes,
    logWeights: Float64Array.from(all, (w) => Math.log(w / total)),
    lines: axes.map((axis, i) => {
      const values = Float64Array.from(points, (x) => x[i]!);
      return axis.kind === 'categorical'
        ? categoricalLine(values, axis.values.length, beliefs[i])
        : numericLine(values, narrowest, beliefs[i]);
    }),
  };
}

function numericLine(values: Float64Array, narrowest: number, belief?: Belief | null): Line {
  const n = values.length;
  const mu = new Float64Array(n + 1).fill(0.5);
  const b = new Float64Array(n + 1).fill(1);
  const present = Array.from(values.keys()).filter((k) => !Number.isNaN(values[k]!));
  const widths = bandwidths(Float64Array.from(present, (k) => values[k]!));
  for (const [i, k] of present.entries()) {
    mu[k] = values[k]!;
    b[k] = Math.min(1, Math.max(narrowest, widths[i]!));
  }
  if (belief) [mu[n], b[n]] = [belief.center, belief.width];
  const base = mu.map(
    (m, k) => -Math.log(b[k]! * (normalCdf((1 - m) / b[k]!) - normalCdf(-m / b[k]!))) - LOG_SQRT_2PI,
  );
  return { kind: 'numeric', mu, b, base };
}

/** The larger gap to the neighbors on the axis; at the ends the gap to the only neighbor. */
function bandwidths(values: Float64Array): Float64Array {
  const n = values.length;
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!);
  const result = new Float64Array(n);
  order.forEach((at, rank) => {
    const here = values[at]!;
    const below = rank > 0 ? here - values[order[rank - 1]!]! : n > 1 ? 0 : here;
    const above = rank < n - 1 ? values[order[rank + 1]!]! - here : n > 1 ? 0 : 1 - here;
    result[at] = Math.max(below, above);
  });
  return result;
}

function categoricalLine(values: Float64Array, choices: number, belief?: Belief | null): Line {
  const n = values.length + 1;
  const logP = new Float64Array(n * choices).fill(-Math.log(choices));
  const spread = PRIOR_WEIGHT / n;
  for (let k = 0; k < n - 1; k++)
    for (let c = 0; c < choices && !Number.isNaN(values[k]!); c++)
      logP[k * choices + c] = Math.log(((values[k] === c ? 1 : 0) + spread) / (1 + choices * spread));
  for (let c = 0; belief && c < choices; c++)
    logP[(n - 1) * choices + c] = Math.log((c === belief.center ? 0.5 : 0) + 0.5 / choices);
  return { kind: 'categorical', logP };
}

/** Draws a point; grid coordinates are snapped to their values. */
export function sample({ axes, logWeights, lines }: Mixture, random: Random): Float64Array {
  let u = random.uniform();
  let kernel = 0;
  while (kernel < logWeights.length - 1 && (u -= Math.exp(logWeights[kernel]!)) >= 0) kernel++;
  return Float64Array.from(lines, (line, i) => {
    const axis = axes[i]!;
    let v = random.uniform();
    if (line.kind === 'categorical') {
      const choices = axis.values.length;
      let choice = 0;
      while (choice < choices - 1 && (v -= Math.exp(line.logP[kernel * choices + choice]!)) >= 0) choice++;
      return choice;
    }
    const m = line.mu[kernel]!;
    const b = line.b[kernel]!;
    const from = normalCdf(-m / b);
    return snap(axis, m + b * normalQuantile(from + v * (normalCdf((1 - m) / b) - from)));
  });
}

/** Log densities (masses on grids) of the points, log sum over kernels of weight times product over axes. */
export function logDensities(
  { axes, logWeights, lines }: Mixture,
  points: readonly Float64Array[],
): Float64Array {
  const n = logWeights.length;
  const sums = points.map(() => logWeights.slice());
  lines.forEach((line, i) => {
    const axis = axes[i]!;
    const masses = new Map<number, Float64Array>();
    points.forEach((point, p) => {
      const x = point[i]!;
      const sum = sums[p]!;
      if (Number.isNaN(x)) return;
      if (line.kind === 'categorical') {
        const choices = axis.values.length;
        for (let k = 0; k < n; k++) sum[k]! += line.logP[k * choices + x]!;
      } else if (isGrid(axis)) {
        let logMass = masses.get(x);
        if (!logMass) masses.set(x, (logMass = cellMasses(axis, x, line)));
        for (let k = 0; k < n; k++) sum[k]! += logMass[k]!;
      } else {
        const { mu, b, base } = line;
        for (let k = 0; k < n; k++) {
          const z = (x - mu[k]!) / b[k]!;
          sum[k]! += base[k]! - 0.5 * z * z;
        }
      }
    });
  });
  return Float64Array.from(sums, logSumExp);
}

/** (N) log mass of the cell of a grid that holds x. */
function cellMasses(axis: Axis, x: number, { mu, b, base }: Line & { kind: 'numeric' }): Float64Array {
  const { low, high } = cellOf(axis, x);
  return mu.map((m, k) => {
    const width = b[k]!;
    const mass = logMass(((low ?? 0) - m) / width, ((high ?? 1) - m) / width);
    return mass + base[k]! + Math.log(width) + LOG_SQRT_2PI;
  });
}

/** ln P(a < Z <= b), in whichever tail keeps digits. */
export function logMass(a: number, b: number): number {
  if (a > 0) return logMass(-b, -a);
  const upper = normalLogCdf(b);
  return upper + Math.log1p(-Math.exp(normalLogCdf(a) - upper));
}

function logSumExp(values: Float64Array): number {
  let max = -Infinity;
  for (const v of values) if (v > max) max = v;
  let sum = 0;
  for (const v of values) sum += Math.exp(v - max);
  return max + Math.log(sum);
}
