// What a user believes about good values (`prior` of a parameter): a normal density around a center on numeric axes,
// half of the probability for one of the choices. Samplers draw from it at first and give it less weight as trials come in.
// Source: Hvarfner, Stoll, Souza, Lindauer, Hutter, Nardi, piBO: Augmenting acquisition functions with user beliefs,
// ICLR 2022 (arXiv 2204.11051).

import { toUnit } from '../distributions.js';
import { normalCdf, normalQuantile } from '../math/normal.js';
import type { Axis } from './axes.js';
import type { Acquisition } from './gp/acquisition.js';

/** A prior in coordinates: of a categorical axis, `center` is an index and `width` is not used. */
export interface Belief {
  center: number;
  width: number;
}

/** With n trials, the acquisition is multiplied by the prior to the power STRENGTH / n (their beta). */
const STRENGTH = 10;

export function beliefOf({ distribution, kind }: Pick<Axis, 'distribution' | 'kind'>): Belief | null {
  if (!distribution.prior) return null;
  const { center, width = 1 } = distribution.prior;
  if (distribution.kind === 'categorical' && kind === 'categorical')
    return { center: distribution.choices.indexOf(center), width: 1 };
  return { center: toUnit(distribution, center), width };
}

/** The point with the same fixed value in every inactive coordinate: what a model sees. */
export function filled(axes: readonly Axis[], x: Float64Array): Float64Array {
  if (!axes.some((axis) => axis.isActive)) return x;
  const fixed = (axis: Axis) => beliefOf(axis)?.center ?? (axis.kind === 'categorical' ? 0 : 0.5);
  return x.map((u, j) => (Number.isNaN(u) ? fixed(axes[j]!) : u));
}

/** The u in [0, 1] whose cell a draw from the prior falls in, for a uniform u. */
export function believed(axis: Axis, u: number): number {
  const belief = beliefOf(axis);
  if (belief === null) return u;
  const { center, width } = belief;
  if (axis.kind === 'categorical') return u < 0.5 ? (center + 0.5) / axis.values.length : 2 * u - 1;
  const from = normalCdf(-center / width);
  const to = normalCdf((1 - center) / width);
  return Math.min(1, Math.max(0, center + width * normalQuantile(from + u * (to - from))));
}

/** ln of the prior's density at a point, up to a constant, for a study of n trials; null without any prior. */
export function logBelief(axes: readonly Axis[], n: number): Acquisition | null {
  const beliefs = axes.map(beliefOf);
  if (beliefs.every((belief) => belief === null)) return null;
  const power = STRENGTH / Math.max(1, n);
  const d = axes.length;
  const one = (x: Float64Array, offset: number, gradient: Float64Array | null) => {
    let sum = 0;
    gradient?.fill(0);
    for (const [j, belief] of beliefs.entries()) {
      if (belief === null) continue;
      const { center, width } = belief;
      const u = x[offset + j]!;
      if (axes[j]!.kind === 'categorical') {
        // Probabilities 1/2 + 1/2K and 1/2K.
        if (u !== center) sum -= power * Math.log(axes[j]!.values.length + 1);
        continue;
      }
      const z = (u - center) / width;
      sum -= 0.5 * power * z * z;
      if (gradient) gradient[j] = (-power * z) / width;
    }
    return sum;
  };
  return {
    many: (points, count) => Float64Array.from({ length: count }, (_, i) => one(points, i * d, null)),
    one: (x, gradient) => one(x, 0, gradient),
  };
}
