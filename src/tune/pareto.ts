// Several objectives: which trials no other dominates, in what layers the others lie, and how much a front covers.
// Source: Deb, Pratap, Agarwal, Meyarivan, NSGA-II, IEEE Transactions on Evolutionary Computation 6, 2002.
//
// Points are losses, smaller is better in each objective.

import { signOf } from './best.js';
import { isFeasible } from './constraints.js';
import type { Direction, Trial } from './types.js';

/** One loss an objective. */
export type Losses = readonly number[];

/** The losses of a complete trial; null where it has none for each objective. */
export function lossesOf({ state, value, values }: Trial, directions: readonly Direction[]): Losses | null {
  const all = directions.length === 1 && value !== null ? [value] : (values ?? []);
  if (state !== 'complete' || all.length !== directions.length || all.some(Number.isNaN)) return null;
  return all.map((v, k) => signOf(directions[k]!) * v);
}

/** Whether `a` is at least as good as `b` in all objectives and better in one. */
export const dominates = (a: Losses, b: Losses): boolean =>
  a.every((v, k) => v <= b[k]!) && a.some((v, k) => v < b[k]!);

/**
 * The complete, feasible trials that no other one dominates, by number: Optuna's `best_trials`. Equal ones are all in it.
 */
export function paretoFront<T extends Trial>(trials: readonly T[], directions: readonly Direction[]): T[] {
  const points = trials.flatMap((trial) => {
    const losses = isFeasible(trial) ? lossesOf(trial, directions) : null;
    return losses ? [{ trial, losses }] : [];
  });
  // Sorted, a point can only be dominated by those before it; of two objectives the latest has the lowest second loss.
  const front: typeof points = [];
  for (const point of points.toSorted((a, b) => compareLosses(a.losses, b.losses)))
    if (!front.findLast(({ losses }) => dominates(losses, point.losses))) front.push(point);
  const inFront = new Set(front);
  return points.filter((point) => inFront.has(point)).map(({ trial }) => trial);
}

/** The layer of each point: 0 on the front, 1 on the front of the others, and so on. */
export function dominationRanks(points: readonly Losses[]): number[] {
  // Sorted, a point can only be dominated by those before it; by one of a layer only if by one of each layer before.
  const order = Array.from(points.keys()).sort((i, j) => compareLosses(points[i]!, points[j]!));
  const layers: Losses[][] = [];
  const ranks = new Array<number>(points.length).fill(0);
  let before: number | undefined;
  for (const i of order) {
    const point = points[i]!;
    const isSame = before !== undefined && compareLosses(points[before]!, point) === 0;
    let rank = isSame ? ranks[before!]! : 0;
    for (let end = isSame ? rank : layers.length; rank < end; ) {
      const middle = (rank + end) >> 1;
      // Of two objectives, the latest of a layer has the lowest second loss.
      if (layers[middle]!.findLast((other) => dominates(other, point))) rank = middle + 1;
      else end = middle;
    }
    if (!isSame) (layers[rank] ??= []).push(point);
    ranks[i] = rank;
    before = i;
  }
  return ranks;
}

/** By the first loss, then the second. */
function compareLosses(a: Losses, b: Losses): number {
  for (const [k, v] of a.entries()) if (v !== b[k]) return v < b[k]! ? -1 : 1;
  return 0;
}

/** The points that no other dominates, each once, by the first loss. */
export function frontOf(points: readonly Losses[]): Losses[] {
  const front: Losses[] = [];
  for (const point of [...points].sort(compareLosses))
    if (!front.some((other) => dominates(other, point) || compareLosses(other, point) === 0))
      front.push(point);
  return front;
}

/** The area that points of two objectives dominate within a reference point. */
export function hypervolume(points: readonly Losses[], reference: Losses): number {
  const [right, top] = [reference[0]!, reference[1]!];
  const inside = frontOf(points).filter(([a, b]) => a! < right && b! < top);
  return inside.reduce((area, [a, b], i) => area + (right - a!) * ((inside[i - 1]?.[1] ?? top) - b!), 0);
}

/**
 * Crowding distances: the sum over the objectives of the distance between a point's two neighbors, relative to the
 * range; infinite at the ends. Infinite losses count as ends.
 */
export function crowdingDistances(points: readonly Losses[]): number[] {
  const distances = new Array<number>(points.length).fill(0);
  for (const k of points[0]?.keys() ?? []) {
    const order = Array.from(points.keys()).sort((i, j) => compareLosses([points[i]![k]!], [points[j]![k]!]));
    const values = order.map((i) => points[i]![k]!);
    if (values[0] === values.at(-1)) continue;
    const finite = values.filter(Number.isFinite);
    const width = (finite.at(-1) ?? 0) - (finite[0] ?? 0);
    for (const [rank, i] of order.entries()) {
      const [below, above] = [values[rank - 1] ?? -Infinity, values[rank + 1] ?? Infinity];
      const gap = below === above ? 0 : above - below;
      distances[i]! += gap === Infinity ? Infinity : gap / (width > 0 ? width : 1);
    }
  }
  return distances;
}
