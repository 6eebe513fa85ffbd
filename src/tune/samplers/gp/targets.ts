// Observed values as targets of the model, warped to look normal: standardised, transformed by Yeo-Johnson (as HEBO
// does: Cowen-Rivers et al., JAIR 74, 2022), standardised again.

import { fitYeoJohnson, yeoJohnson } from '../../math/yeoJohnson.js';
import type { Observation } from '../evidence.js';

/**
 * Range of the power. Below 0 the best few values are pulled so far apart that the search settles around the first
 * good point (measured on multimodal and categorical functions).
 */
const POWERS = [0, 2] as const;

/** Warped targets, mean 0 and variance 1, and the variance of each one's own uncertainty. */
export function warp(observations: readonly Observation[]): { y: Float64Array; extra: Float64Array } {
  const values = observations.map((o) => o.value);
  const center = values.reduce((sum, v) => sum + v, 0) / values.length;
  const scale = Math.sqrt(values.reduce((sum, v) => sum + (v - center) ** 2, 0) / values.length);
  if (!(scale > 0)) return { y: new Float64Array(values.length), extra: new Float64Array(values.length) };
  const scaled = values.map((v) => (v - center) / scale);
  const power = fitYeoJohnson(scaled, POWERS[0], POWERS[1]);
  const bent = scaled.map((v) => yeoJohnson(v, power));
  const mean = bent.reduce((sum, v) => sum + v, 0) / bent.length;
  const sd = Math.sqrt(bent.reduce((sum, v) => sum + (v - mean) ** 2, 0) / bent.length) || 1;
  const extra = observations.map(({ spread }, i) => {
    const reach = spread / scale;
    return reach > 0
      ? ((yeoJohnson(scaled[i]! + reach, power) - yeoJohnson(scaled[i]! - reach, power)) / (2 * sd)) ** 2
      : 0;
  });
  return { y: Float64Array.from(bent, (v) => (v - mean) / sd), extra: Float64Array.from(extra) };
}
