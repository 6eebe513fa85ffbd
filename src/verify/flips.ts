// Flips: large differences between correct backends that rounding alone causes. In two places the optimizer depends on
// the sign of a number, regardless of its size, so two correct backends differ where that number is close to zero:
//
// - Muon's cautious decay subtracts lr wd W only where the update and W agree in sign. Where the update is nearly zero its
//   rounding decides, and W differs by lr wd |W| from then on. Updates carry relative errors of 1e-5 to 1e-4 (Polar
//   Express amplifies those of the gradients), so about one element in 10^4 to 10^5 is that close to zero at each step;
//   seen: 1 of 36,864.
// - AdamW's first step is lr g / |g|. Where g is nearly zero a step goes the other way, and W differs by 2 lr.
//
// A difference counts as a flip only if flips can be the cause of its size, and only for as many elements as may
// plausibly flip; everything else must be within the tolerance.

import { muonLrScale } from '../optim/muon.js';
import type { Optimizer, ScheduledStep } from '../optim/optimizer.js';

/** Share of a parameter's elements that may flip in a step, ten times the expected share; one element always may. */
const SHARE = 1e-3;

/** The largest difference that flips can have caused in an element of a parameter. */
export interface FlipReach {
  /** Sum of lr wd over the steps, to be multiplied by |W|. */
  decay: number;
  /** Sum of 2 lr over the steps, where the gradient is nearly zero. */
  sign: number;
  /** Number of elements that may have flipped, by the parameter's size. */
  limit(size: number): number;
}

/** Reach by parameter after the steps of `optimizer` with these schedules. */
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
 * The largest difference between two arrays relative to the largest magnitude of `want`, without flips: elements beyond
 * `tolerance` but within `reach(i)`, unless there are more than `limit` of them.
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
    // A flip comes on top of the rounding that every element may have.
    if (delta > allowed && delta <= reach(i) + allowed) flips++;
    else rest = Math.max(rest, delta);
  }
  return flips <= limit ? { error: rest / magnitude, flips } : { error: all / magnitude, flips: 0 };
}
