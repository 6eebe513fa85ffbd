// The maximum of the acquisition function over the mixed space: many scattered and local candidates, gradient
// ascent over the continuous coordinates from the most promising, and exhaustive steps along each discrete one,
// in turns. Every point that comes out lies on the grid of the space.

import type { Random } from '../../../base/random.js';
import { fromUnit, nearest, toUnit } from '../../distributions.js';
import { minimize } from '../../math/lbfgsb.js';
import { sobol } from '../../math/sobol.js';
import { type Axis, snap } from '../axes.js';
import type { Acquisition } from './acquisition.js';

/** Candidates over the whole space, and about the anchors. */
const WIDE = 256;
const LOCAL = 192;

/** Candidates that are climbed from. */
const STARTS = 5;

/** Iterations of a climb, and candidates that get discrete steps, while predictions are cheap and later. */
const THOROUGH = { iterations: 30, polished: 3 };
const BRIEF = { iterations: 15, polished: 2 };

export interface Candidate {
  x: Float64Array;
  value: number;
}

export interface SearchOptions {
  axes: readonly Axis[];
  /** Good points known so far, best first: local candidates and starts. */
  anchors: readonly Float64Array[];
  /** [D] typical distance over which the model changes. */
  lengths: Float64Array;
  random: Random;
  /** Whether predictions are cheap. */
  thorough: boolean;
  seed: number | string;
  purpose: string;
}

/** Candidates, the best first; at least the polished ones and every scattered one. */
export function search(target: Acquisition, options: SearchOptions): Candidate[] {
  const { axes, anchors, random } = options;
  const d = axes.length;
  const points = scatter(options);
  const values = target.many(points, points.length / d);
  const candidates: Candidate[] = Array.from(values, (value, i) => ({
    x: points.slice(i * d, (i + 1) * d),
    value: Number.isNaN(value) ? -Infinity : value,
  })).sort((a, b) => b.value - a.value);

  const starts: Float64Array[] = [candidates[0]!.x, ...anchors.slice(0, 2)];
  // The rest in proportion to exp(value), so that separate peaks are visited.
  const weights = candidates.map((c) => Math.exp(c.value - candidates[0]!.value));
  const total = weights.reduce((sum, w) => sum + w, 0);
  while (starts.length < STARTS) {
    let u = random.uniform() * total;
    let i = 0;
    while (i < weights.length - 1 && (u -= weights[i]!) > 0) i++;
    starts.push(candidates[i]!.x);
  }
  const smooth = axes.flatMap((axis, j) => (axis.kind === 'continuous' || axis.kind === 'fine' ? [j] : []));
  const discrete = axes.flatMap((axis, j) => (axis.kind === 'continuous' ? [] : [j]));
  const climbed = starts.map((x) => ascend(target, x, smooth, options)).sort((a, b) => b.value - a.value);
  // Discrete steps cost many evaluations: for the best only, in turns with the ascent until neither helps.
  const polished = climbed.slice(0, (options.thorough ? THOROUGH : BRIEF).polished).map((candidate) => {
    let current = candidate;
    for (let round = 0; round < 3 && discrete.length; round++) {
      const before = current.value;
      current = stepThrough(target, current, discrete, axes);
      if (!(current.value > before + 1e-3)) break;
      const again = ascend(target, current.x, smooth, options);
      if (again.value > current.value) current = again;
    }
    return current;
  });
  return [...polished, ...climbed, ...candidates].sort((a, b) => b.value - a.value);
}

/** [count, D]: scrambled Sobol points over the whole space, then perturbations of the anchors. */
function scatter({ axes, anchors, random, seed, purpose, lengths }: SearchOptions): Float64Array {
  const d = axes.length;
  const local = anchors.length ? LOCAL : 0;
  const points = new Float64Array((WIDE + local) * d);
  const uniform = sobol(d, WIDE, seed, purpose);
  for (let i = 0; i < WIDE * d; i++) points[i] = snap(axes[i % d]!, uniform[i]!);
  for (let c = 0; c < local; c++) {
    const anchor = anchors[c % anchors.length]!;
    // A few coordinates at a time: in many dimensions moving all leaves the neighbourhood (Regis & Shoemaker 2013).
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
      points[(WIDE + c) * d + j] = u;
    }
  }
  return points;
}

/** Gradient ascent over the coordinates in `smooth`, rounded to the grid at the end; the start counts too. */
function ascend(
  target: Acquisition,
  start: Float64Array,
  smooth: readonly number[],
  { axes, lengths, thorough }: SearchOptions,
): Candidate {
  const d = axes.length;
  const origin = { x: start, value: target.many(start, 1)[0]! };
  if (smooth.length === 0) return origin;
  const x = start.slice();
  const full = new Float64Array(d);
  const scale = smooth.map((j) => Math.min(1, lengths[j]!));
  const place = (v: Float64Array) => {
    for (const [i, j] of smooth.entries()) x[j] = v[i]! * scale[i]!;
  };
  const result = minimize(
    (v, gradient) => {
      place(v);
      const value = target.one(x, full);
      for (const [i, j] of smooth.entries()) gradient[i] = -full[j]! * scale[i]!;
      return -value;
    },
    Float64Array.from(smooth, (j, i) => start[j]! / scale[i]!),
    {
      lower: new Float64Array(smooth.length),
      upper: Float64Array.from(scale, (s) => 1 / s),
      tolerance: 1e-3,
      improvement: 1e-4,
      maxIterations: (thorough ? THOROUGH : BRIEF).iterations,
      maxEvaluations: 1.5 * (thorough ? THOROUGH : BRIEF).iterations,
      firstStep: 0.1,
    },
  );
  place(result.x);
  for (const j of smooth) x[j] = snap(axes[j]!, x[j]!);
  const value = target.many(x, 1)[0]!;
  return value > origin.value ? { x, value } : origin;
}

/** The best value along each discrete coordinate in turn, all others held. */
function stepThrough(
  target: Acquisition,
  start: Candidate,
  discrete: readonly number[],
  axes: readonly Axis[],
): Candidate {
  const d = axes.length;
  const x = start.x.slice();
  let value = start.value;
  for (const j of discrete) {
    const options = alternatives(axes[j]!, x[j]!);
    const points = new Float64Array(options.length * d);
    options.forEach((u, i) => {
      points.set(x, i * d);
      points[i * d + j] = u;
    });
    const values = target.many(points, options.length);
    for (let i = 0; i < options.length; i++)
      if (values[i]! > value) {
        value = values[i]!;
        x[j] = options[i]!;
      }
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
