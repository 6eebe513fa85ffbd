// Values that a model can use: bounded, regardless of what the objective returned. A loss that nearly diverged is
// hundreds of times a typical one; if it were standardized together with the others, the differences among good
// values would vanish. Values above a cap are compressed into a short interval, in order; infinite ones become its
// ends.

import { mean, median } from '../math/order.js';

/** Where compression starts, and how much room there is above it. */
const CAP = 8;
const ROOM = 1;

/**
 * A map of values (smaller is better) to their place relative to the median, in units of median - best: -1 is the
 * best finite one, those above 8 approach 9. Infinity is 9 and -Infinity -2. All 0 where all are equal.
 * @param early values whose median takes the place of a lower one in the unit: that of all sinks as a search converges, and
 *   what the early ones say about the slope would go above the cap; the best is then above -1
 */
export function softCap(values: readonly number[], early: readonly number[] = []): (value: number) => number {
  const quarter = (v: number) => v / 4; // differences of the largest numbers overflow otherwise
  const finite = values.filter(Number.isFinite).map(quarter);
  const middle = median(finite);
  const best = finite.reduce((a, b) => Math.min(a, b), Infinity);
  // Where half of the values are equally good, the median of the others takes its place.
  const now = (middle > best ? middle : median(finite.filter((v) => v > best))) - best;
  const then = median(early.filter(Number.isFinite).map(quarter)) - best;
  const width = Math.max(now, then || now); // `then` is NaN without early values
  return (value) => {
    if (value === -Infinity) return -2;
    const t = value < Infinity ? (width > 0 ? (quarter(value) - middle) / width : 0) : Infinity;
    if (!(t > CAP)) return t;
    return t < Infinity ? CAP + (ROOM * (t - CAP)) / (ROOM + t - CAP) : CAP + ROOM;
  };
}

/** Mean and population standard deviation. */
export function moments(values: readonly number[]): { mean: number; deviation: number } {
  const center = mean(values);
  return { mean: center, deviation: Math.sqrt(mean(values.map((v) => (v - center) ** 2))) };
}
