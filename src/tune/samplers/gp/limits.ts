// Constraints on what trials measure: a Gaussian process of each one's violation says how probable it is that a point
// satisfies it (Gardner, Kusner, Xu, Weinberger & Cunningham, ICML 2014). Violations are bent by the bilog transform,
// which keeps what matters, the surroundings of 0, apart (Eriksson & Poloczek, SCBO, AISTATS 2021), and capped.

import { median } from '../../math/order.js';
import type { Axis } from '../axes.js';
import type { Evidence } from '../evidence.js';
import { moments } from '../softCap.js';
import { type Acquisition, logProbability } from './acquisition.js';
import { type Data, representative } from './likelihood.js';
import { CONDITIONED, stack } from './models.js';
import { condition } from './posterior.js';

/** What is known of one constraint. */
export interface Limit {
  data: Data;
  /** It holds where the modeled value is below this. */
  threshold: number;
}

/** The violations of constraint `k`, bent and standardized; null where they are unknown or all equal. */
export function limitOf(axes: readonly Axis[], { observations }: Evidence, k: number): Limit | null {
  const known = observations.filter(({ violations }) => violations?.[k] !== undefined);
  const values = known.map(({ violations }) => violations![k]!);
  const scale = median(values.map(Math.abs).filter((v) => v > 0 && v < Infinity)) || 1;
  const bent = values.map((v) => Math.sign(v) * capped(Math.log1p(Math.abs(v) / scale)));
  if (bent.every((v) => v === bent[0])) return null;
  const { mean, deviation } = moments(bent);
  const shape = stack(
    axes,
    known.map(({ x }) => x),
  );
  const y = Float64Array.from(bent, (v) => (v - mean) / deviation);
  return { data: { ...shape, y, extra: new Float64Array(shape.n) }, threshold: -mean / deviation };
}

/** Beyond 20 times the typical violation, more of it says no more: bounded, whatever was measured. */
const capped = (v: number): number => (v > 3 ? 4 - 1 / (v - 2) : v);

/** ln of the probability that the constraint holds. */
export function logHolds({ data, threshold }: Limit, hyper: Float64Array): Acquisition {
  const posterior = condition(representative(data, CONDITIONED), hyper);
  return logProbability(data.d, posterior, { side: -1, threshold, weight: 1 });
}
