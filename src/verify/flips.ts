// Flips: what rounding alone may do to a parameter. Two places of the optimizer turn on the sign of a number, whatever
// its size, so two correct backends part there when the number is next to zero:
//
// - Muon's cautious decay takes lr wd W where the update and W agree in sign. Where the update is nearly zero its
//   rounding decides, and W differs by lr wd |W| from then on. Updates carry relative errors of 1e-5 to 1e-4 (Polar
//   Express amplifies what gradients carry), so that about one element in 10^4 is this close to zero at each step; on
//   recorded runs 1 of 36,864 flipped.
// - AdamW's first step is lr g / |g|. Where g is nearly zero a step goes the other way, and W differs by 2 lr.
//
// A difference is put down to flips only where it is no larger than they can make it, and only for a share of the elements
// that they can have; everything else is held to the tolerance.

import { muonLrScale } from '../optim/muon.js';
import type { Optimizer, ScheduledStep } from '../optim/optimizer.js';

/** Share of a parameter's elements that may flip at a step, ten times what is expected; one element always may. */
const SHARE = 1e-3;

/** How far flips may have moved each element of a parameter so far. */
export interface FlipReach {
  /** Sum of lr wd: times |W|. */
  decay: number;
  /** Sum of 2 lr: where the gradient is nearly zero. */
  sign: number;
  /** Elements that may have flipped, as a function of the parameter's size. */
  limit(size: number): number;
}

/** Reaches by parameter after the steps that `optimizer` took with these schedules. */
export function flipReach(
  optimizer: Optimizer,
  schedules: readonly Pick<ScheduledStep, 'lrMultiplier' | 'muonWeightDecay'>[],
): Map<string, FlipReach> {
  const limit = (size: number) => schedules.length * Math.max(1, SHARE * size);
  const reaches = new Map<string, FlipReach>();
  for (const group of optimizer.groups) {
    let [decay, sign] = [0, 0];
    for (const { lrMultiplier, muonWeightDecay } of schedules) {
      const lr = group.initialLr * lrMultiplier;
      if (group.kind === 'muon') decay += lr * muonLrScale(...group.shape) * muonWeightDecay;
      else sign += 2 * lr;
    }
    for (const name of group.params) reaches.set(name, { decay, sign, limit });
  }
  return reaches;
}

/**
 * The largest difference between two arrays relative to the largest magnitude of `want`, flips left out: elements beyond
 * `tolerance` that `reach(i)` explains, unless they are more than `limit`.
 * @returns the error (infinite when sizes differ or a value is not finite) and the number of flips left out
 */
export function errorBesidesFlips(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  reach: (i: number) => number,
  limit: number,
): { error: number; flips: number } {
  if (got.length !== want.length) return { error: Infinity, flips: 0 };
  let magnitude = Number.MIN_VALUE;
  for (let i = 0; i < want.length; i++) magnitude = Math.max(magnitude, Math.abs(want[i]!));
  const allowed = tolerance * magnitude;
  let [all, rest, flips] = [0, 0, 0];
  for (let i = 0; i < want.length; i++) {
    const delta = Math.abs(got[i]! - want[i]!);
    if (!(delta < Infinity)) return { error: Infinity, flips: 0 };
    all = Math.max(all, delta);
    // The flip itself and the rounding that every element may have.
    if (delta > allowed && delta <= reach(i) + allowed) flips++;
    else rest = Math.max(rest, delta);
  }
  return flips <= limit ? { error: rest / magnitude, flips } : { error: all / magnitude, flips: 0 };
}
