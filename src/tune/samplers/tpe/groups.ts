// Which trials are good and which are not, and how much each counts.
// Sources: Watanabe (arXiv 2304.11127); the weights by age are Bergstra, Yamins, Cox, ICML
// 2013, those by rank are ours; of two objectives, Ozaki, Tanigaki, Watanabe, Onishi, Multiobjective TPE, GECCO 2020.
// Trials that violate a constraint are worse than all others, those that violate less before those that violate more,
// as in Optuna.

import { dominationRanks, hypervolume, type Losses } from '../../pareto.js';
import { type Evidence, excessOf, isFeasible } from '../evidence.js';
import { softCap } from '../softCap.js';

export interface Group {
  points: Float64Array[];
  /** Mean 1. */
  weights: number[];
}

/** Observations of full weight, the latest ones. */
const FULL_WEIGHT = 25;

/** How many of n observations are good: a tenth, at most 25. */
export function goodCount(n: number): number {
  return Math.min(Math.ceil(0.1 * n), 25);
}

/**
 * The best observations, weighted by rank; and the rest, older ones weighted less, together with failures (they
 * are worse than any value) and running trials (a pessimistic guess that keeps workers apart: the constant liar).
 */
export function split({ observations, failures, running }: Evidence): { good: Group; bad: Group } {
  const n = observations.length;
  const count = goodCount(n);
  const excess = observations.map(excessOf);
  const isPareto = observations[0]?.losses !== undefined;
  const rank = isPareto ? paretoOrder(observations, count) : observations.map(({ value }) => value);
  const order = Array.from(observations.keys()).sort(
    (i, j) => excess[i]! - excess[j]! || rank[i]! - rank[j]!,
  );
  const best = order.slice(0, count);
  const rest = order.slice(count).sort((i, j) => i - j);
  const points = (of: number[]) => of.map((i) => observations[i]!.x);

  const byRank = best.map((_, place) => (isPareto ? 1 : (Math.log((count + 0.5) / (place + 1)) + 0.1) ** 2));
  const mean = byRank.reduce((a, b) => a + b, 0) / count;
  const old = rest.length - FULL_WEIGHT;
  const byAge = rest.map((_, age) =>
    age >= old ? 1 : 1 / rest.length + ((1 - 1 / rest.length) * age) / Math.max(1, old - 1),
  );
  const others = [...failures, ...running];
  return {
    good: { points: points(best), weights: byRank.map((w) => w / mean) },
    bad: { points: [...points(rest), ...others], weights: [...byAge, ...others.map(() => 1)] },
  };
}

/**
 * The place of each observation among the feasible ones: by layer, and within the layer that the `count` best cut, those
 * first that together dominate the largest area.
 */
function paretoOrder(observations: Evidence['observations'], count: number): number[] {
  const feasible = Array.from(observations.keys()).filter((i) => isFeasible(observations[i]!));
  const place = new Array<number>(observations.length).fill(Infinity);
  const caps = [0, 1].map((k) => softCap(feasible.map((i) => observations[i]!.losses![k]!)));
  const points = feasible.map((i): Losses => caps.map((cap, k) => cap(observations[i]!.losses![k]!)));
  const layers = dominationRanks(points);
  let placed = 0;
  for (let layer = 0; placed < feasible.length; layer++) {
    const left = Array.from(feasible.keys()).filter((i) => layers[i] === layer);
    const cut = placed < count && placed + left.length > count;
    const reference = [0, 1].map((k) => Math.max(...left.map((i) => points[i]![k]!)) + 0.1);
    const chosen: Losses[] = [];
    while (left.length > 0) {
      let next = 0;
      if (cut && placed < count) {
        const areas = left.map((i) => hypervolume([...chosen, points[i]!], reference));
        next = areas.indexOf(Math.max(...areas));
      }
      const [i] = left.splice(next, 1);
      chosen.push(points[i!]!);
      place[feasible[i!]!] = placed++;
    }
  }
  return place;
}
