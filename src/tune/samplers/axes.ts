// The search space as coordinates, one for each parameter that can vary: numeric parameters in [0, 1] (log scales and
// half-step widening as in ../distributions), categorical ones as the index of their choice. The coordinate of an
// inactive parameter (see ../conditions) is NaN.

import { activeParams, isActive } from '../conditions.js';
import { cardinality, fromUnit, nearest, toUnit } from '../distributions.js';
import { own, setOwn } from '../objects.js';
import type { Choice, Distribution, Params, SearchSpace } from '../types.js';

/** Grids with at most this many values are searched value by value, finer ones as if continuous. */
const SMALL_GRID = 16;

/** Coordinates from here on are none. */
const FARTHEST = 1e100;

export interface Axis {
  name: string;
  distribution: Distribution;
  /** `grid`: few values, unordered or not; `fine`: a grid searched as continuous, then rounded. */
  kind: 'continuous' | 'fine' | 'grid' | 'categorical';
  /** Coordinates of every value of a small grid or of a categorical; else empty. */
  values: Float64Array;
  /** Whether a configuration has the parameter; absent where all do. */
  isActive?: (params: Params) => boolean;
}

/**
 * Axes of the parameters with more than one value: numeric before categorical, by name within, so that the order
 * of the user's file changes nothing.
 */
export function axesOf(space: SearchSpace): Axis[] {
  const rank = (name: string) => (space[name]!.kind === 'categorical' ? 1 : 0);
  return Object.keys(space)
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .filter((name) => cardinality(space[name]!) > 1)
    .map((name) => {
      const distribution = space[name]!;
      const axis = axisOf(name, distribution);
      return distribution.when ? { ...axis, isActive: (params) => isActive(space, name, params) } : axis;
    });
}

function axisOf(name: string, distribution: Distribution): Axis {
  const count = cardinality(distribution);
  if (distribution.kind === 'categorical')
    return {
      name,
      distribution,
      kind: 'categorical',
      values: Float64Array.from({ length: count }, (_, i) => i),
    };
  if (count === Infinity) return { name, distribution, kind: 'continuous', values: new Float64Array() };
  if (count > SMALL_GRID) return { name, distribution, kind: 'fine', values: new Float64Array() };
  const step = distribution.step ?? 1;
  const values = Float64Array.from({ length: count }, (_, i) =>
    toUnit(distribution, nearest(distribution, distribution.low + i * step)),
  );
  return { name, distribution, kind: 'grid', values };
}

/**
 * Coordinates of a configuration, NaN for inactive parameters; null where a parameter is missing or its value no longer
 * in the space.
 */
export function encode(axes: readonly Axis[], params: Params): Float64Array | null {
  const x = new Float64Array(axes.length);
  for (let j = 0; j < axes.length; j++) {
    const { name, distribution, isActive = () => true } = axes[j]!;
    const value = own(params, name);
    if (!isActive(params)) {
      x[j] = NaN;
      continue;
    }
    if (value === undefined) return null;
    if (distribution.kind === 'categorical') x[j] = distribution.choices.indexOf(value);
    else x[j] = typeof value === 'number' ? toUnit(distribution, value) : NaN;
    // Points outside a range that was narrowed since still inform the model, up to where squares of distances overflow.
    if (!(x[j]! >= (distribution.kind === 'categorical' ? 0 : -1) && x[j]! < FARTHEST)) return null;
  }
  return x;
}

/** Coordinates of a configuration that has a value for every parameter, inactive ones included. */
export function encodeAll(axes: readonly Axis[], params: Params): Float64Array | null {
  const always = axes.map(({ isActive, ...axis }) => axis);
  return encode(always, params);
}

/** The configuration at the coordinates without inactive parameters; those of a single value are filled in. */
export function decode(space: SearchSpace, axes: readonly Axis[], x: ArrayLike<number>): Params {
  const byName = new Map(axes.map((axis, j) => [axis.name, j]));
  const params: Params = {};
  for (const [name, distribution] of Object.entries(space)) {
    const j = byName.get(name);
    if (j === undefined) setOwn(params, name, fromUnit(distribution, 0.5));
    else if (!Number.isNaN(x[j]!)) setOwn(params, name, valueAt(distribution, x[j]!));
  }
  return activeParams(space, params);
}

/** The point with NaN in its inactive coordinates. */
export function settle(axes: readonly Axis[], space: SearchSpace, x: Float64Array): Float64Array {
  return axes.some((axis) => axis.isActive) ? encode(axes, decode(space, axes, x))! : x;
}

function valueAt(distribution: Distribution, x: number): Choice {
  return distribution.kind === 'categorical' ? distribution.choices[x]! : fromUnit(distribution, x);
}

/** Moves a coordinate to the nearest value of its axis; `u` in [0, 1] (a categorical's cell is chosen by u). */
export function snap(axis: Axis, u: number): number {
  if (axis.kind === 'continuous') return Math.min(1, Math.max(0, u));
  if (axis.kind === 'categorical')
    return Math.min(axis.values.length - 1, Math.floor(u * axis.values.length));
  return toUnit(axis.distribution, fromUnit(axis.distribution, u));
}
