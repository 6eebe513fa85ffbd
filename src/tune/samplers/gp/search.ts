// The maximum of the acquisition function over the mixed space: many scattered and local candidates, gradient
// ascent over the continuous coordinates from the most promising, and exhaustive steps along each discrete one,
// in turns. Every point that comes out lies on the grid of the space.

import type { Random } from '../../../base/random.js';
import { fromUnit, nearest, toUnit } from '../../distributions.js';
import { minimize } from '../../math/lbfgsb.js';
import { sobol } from '../../math/sobol.js';
import { type Axis, snap } from '../axes.js';
import { filled } from '../prior.js';
import type { Acquisition } from './acquisition.js';

/** How many points are searched. */
interface Effort {
  /** Candidates over the whole space, and about the anchors. */
  wide: number;
  local: number;
  /** Candidates that gradient ascent starts from, and those that it is repeated on until nothing changes. */
  starts: number;
  polished: number;
  /** Iterations of a first ascent and of later ones. */
  first: number;
  climb: number;
}

/** With few trials, and with many. */
const THOROUGH: Effort = { wide: 256, local: 192, starts: 6, polished: 2, first: 7, climb: 15 };
const BRIEF: Effort = { wide: 128, local: 96, starts: 5, polished: 2, first: 6, climb: 10 };

export interface Candidate {
  x: Float64Array;
  value: number;
}

export interface SearchOptions {
  axes: readonly Axis[];
  /** Good points known so far, best first, for local candidates and starts. */
  anchors: readonly Float64Array[];
  /** [D] typical distance over which the model changes. */
  lengths: Float64Array;
  random: Random;
  /** Whether predictions are cheap. */
  thorough: boolean;
  seed: number | string;
  purpose: string;
  /** Whether a point may be proposed. */
  admits: (x: Float64Array) => boolean;
  /** The point with NaN in the coordinates of inactive parameters. */
  settle: (x: Float64Array) => Float64Array;
}

/** Candidates, the best first: the polished ones and every scattered one. Empty where none is admitted. */
export function search(target: Acquisition, options: SearchOptions): Candidate[] {
  const { axes, anchors, random, admits } = options;
  const effort = options.thorough ? THOROUGH : BRIEF;
  const d = axes.length;
  const points = scatter(options, effort);
  const values = target.many(points, points.length / d);
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i]!)) values[i] = -Infinity;
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[b]! - values[a]! || a - b);
  const candidates: Candidate[] = Array.from(order, (i) => ({
    x: points.subarray(i * d, (i + 1) * d),
    value: values[i]!,
  })).filter(({ x }) => admits(x));
  if (candidates.length === 0) return [];

  const starts: Float64Array[] = [candidates[0]!.x, ...anchors.slice(0, 2)];
  // The rest are drawn in proportion to exp(value), so that separate peaks are visited.
  const weights = candidates.map((c) => Math.exp(c.value - candidates[0]!.value));
  const total = weights.reduce((sum, w) => sum + w, 0);
  while (starts.length < effort.starts) {
    let u = random.uniform() * total;
    let i = 0;
    while (i < weights.length - 1 && (u -= weights[i]!) > 0) i++;
    starts.push(candidates[i]!.x);
  }
  const smooth = axes.flatMap((axis, j) => (axis.kind === 'continuous' || axis.kind === 'fine' ? [j] : []));
  const discrete = axes.flatMap((axis, j) => (axis.kind === 'continuous' ? [] : [j]));
  const climbed = starts
    .map((x) => ascend(target, x, smooth, effort.first, options))
    .sort((a, b) => b.value - a.value);
  // The best alternate between ascent and steps along the discrete coordinates until neither helps.
  const polished = climbed.slice(0, effort.polished).map((candidate) => {
    let current = candidate;
    for (let round = 0; round < 3; round++) {
      const before = current.value;
      if (discrete.length) current = stepThrough(target, current, discrete, options);
      if (round > 0 && !(current.value > before + 1e-2)) break;
      const again = ascend(target, current.x, smooth, effort.climb, options);
      if (again.value > current.value) current = again;
      if (!discrete.length) break;
    }
    return current;
  });
  // Anchors need not be admitted, nor ascents that stayed there.
  const found = [...polished, ...climbed].filter(({ x }) => admits(x));
  return [...found, ...candidates].sort((a, b) => b.value - a.value);
}

/** [count, D]: scrambled Sobol points over the whole space, then perturbations of the anchors. */
function scatter(
  { axes, anchors, random, seed, purpose, lengths, settle }: SearchOptions,
  effort: Effort,
): Float64Array {
  const canonical = (x: Float64Array) => filled(axes, settle(x));
  const d = axes.length;
  const local = anchors.length ? effort.local : 0;
  const points = new Float64Array((effort.wide + local) * d);
  const uniform = sobol(d, effort.wide, seed, purpose);
  for (let i = 0; i < effort.wide * d; i++) points[i] = snap(axes[i % d]!, uniform[i]!);
  for (let c = 0; c < local; c++) {
    const anchor = anchors[c % anchors.length]!;
    // A few coordinates at a time: in many dimensions moving all leaves the neighborhood (Regis & Shoemaker 2013).
    const chance = Math.max(Math.min(1, 4 / d), random.uniform() ** 2);
    const reach = 0.3 * 2 ** (-4 * random.uniform());
    const forced = random.int(d);
    for (let j = 0; j < d; j++) {
      const move = j === forced || random.uniform() < chance;
      const axis = axes[j]!;
      let u = anchor[j]!;
      if (move && axis.kind === 'categorical') u = snap(axis, random.uniform());
      else if (move) {
        u += random.normal() * reach * Math.min(1, lengths[j]!);
        u = snap(axis, u < 0 ? Math.min(1, -u) : u > 1 ? Math.max(0, 2 - u) : u);
      }
      points[(effort.wide + c) * d + j] = u;
    }
  }
  for (let i = 0; i < points.length; i += d) points.set(canonical(points.slice(i, i + d)), i);
  return points;
}

/** Gradient ascent over active ones of these coordinates, rounded to the grid at the end; the start counts too. */
function ascend(
  target: Acquisition,
  start: Float64Array,
  coordinates: readonly number[],
  iterations: number,
  { axes, lengths, admits, settle }: SearchOptions,
): Candidate {
  const d = axes.length;
  const x = start.slice();
  const settled = settle(start);
  const smooth = coordinates.filter((j) => !Number.isNaN(settled[j]!));
  const full = new Float64Array(d);
  const m = smooth.length;
  const scale = Float64Array.from(smooth, (j) => Math.min(1, lengths[j]!));
  const place = (v: Float64Array) => {
    for (let i = 0; i < m; i++) x[smooth[i]!] = v[i]! * scale[i]!;
  };
  let origin = NaN;
  const result = minimize(
    (v, gradient) => {
      place(v);
      const value = target.one(x, full);
      if (Number.isNaN(origin)) origin = value;
      for (let i = 0; i < m; i++) gradient[i] = -full[smooth[i]!]! * scale[i]!;
      return -value;
    },
    Float64Array.from(smooth, (j, i) => start[j]! / scale[i]!),
    {
      lower: new Float64Array(m),
      upper: scale.map((s) => 1 / s),
      tolerance: 1e-3,
      improvement: 1e-3,
      maxIterations: iterations,
      maxEvaluations: 1.5 * iterations,
      firstStep: 0.1,
    },
  );
  place(result.x);
  const end = x.slice();
  // An ascent that ends at a point not admitted is cut back to a half, a quarter, an eighth.
  for (let part = 1; part > 0.1; part /= 2) {
    let moved = part < 1;
    for (const j of smooth) {
      const at = start[j]! + part * (end[j]! - start[j]!);
      x[j] = snap(axes[j]!, part < 1 ? at : end[j]!);
      moved ||= x[j] !== end[j];
    }
    if (!admits(x)) continue;
    const at = filled(axes, settle(x));
    moved ||= at.some((u, j) => u !== x[j]);
    const value = moved ? target.one(at, full) : -result.value;
    return value > origin ? { x: at, value } : { x: start, value: origin };
  }
  return { x: start, value: origin };
}

/** The best value along each discrete coordinate in turn, all others held. */
function stepThrough(
  target: Acquisition,
  start: Candidate,
  discrete: readonly number[],
  { axes, admits, settle }: SearchOptions,
): Candidate {
  const d = axes.length;
  let { x, value } = start;
  for (const j of discrete) {
    const here = x;
    if (Number.isNaN(settle(here)[j]!)) continue;
    const others = alternatives(axes[j]!, here[j]!)
      .map((u) => filled(axes, settle(here.with(j, u))))
      .filter(admits);
    const points = new Float64Array(others.length * d);
    for (const [i, other] of others.entries()) points.set(other, i * d);
    const values = target.many(points, others.length);
    for (const [i, other] of others.entries()) if (values[i]! > value) [x, value] = [other, values[i]!];
  }
  return { x, value };
}

/** Other coordinates to try along a discrete axis: all of a small one, the near ones of a fine one. */
function alternatives(axis: Axis, u: number): number[] {
  if (axis.kind !== 'fine') return Array.from(axis.values).filter((v) => v !== u);
  const distribution = axis.distribution;
  if (distribution.kind === 'categorical') return [];
  const value = fromUnit(distribution, u) as number;
  const step = distribution.step ?? 1;
  return [-4, -2, -1, 1, 2, 4]
    .map((k) => nearest(distribution, value + k * step))
    .filter((v) => v !== value)
    .map((v) => toUnit(distribution, v));
}
