// Observed values as targets of the model, warped to look normal: soft-capped, standardized, transformed by
// Yeo-Johnson (as in HEBO: Cowen-Rivers et al., JAIR 74, 2022), standardized again.

import { fitYeoJohnson, yeoJohnson } from '../../math/yeoJohnson.js';
import type { Observation } from '../evidence.js';
import { moments, softCap } from '../softCap.js';

/**
 * Range of the power. Below 0 the best few values are pulled so far apart that the search settles around the first
 * good point (measured on multimodal and categorical functions).
 */
const POWERS = [0, 2] as const;

/** Observations that the unit of the soft cap is kept from. */
const EARLY = 16;

/**
 * Warped targets, mean 0 and variance 1, and the variance of each one's own uncertainty.
 * @param observations in the order in which they were made
 */
export function warp(observations: readonly Observation[]): { y: Float64Array; extra: Float64Array } {
  const values = observations.map((o) => o.value);
  const cap = softCap(values, values.slice(0, EARLY));
  const capped = values.map(cap);
  const { mean: center, deviation: scale } = moments(capped);
  if (!(scale > 0)) return { y: new Float64Array(values.length), extra: new Float64Array(values.length) };
  const power = fitYeoJohnson(
    capped.map((v) => (v - center) / scale),
    ...POWERS,
  );
  const bend = (value: number) => yeoJohnson((cap(value) - center) / scale, power);
  const bent = values.map(bend);
  const { mean, deviation } = moments(bent);
  const extra = observations.map(({ value, spread }) =>
    spread > 0 ? ((bend(value + spread) - bend(value - spread)) / (2 * deviation)) ** 2 : 0,
  );
  return {
    y: Float64Array.from(bent, (v) => (v - mean) / (deviation || 1)),
    extra: Float64Array.from(extra),
  };
}
