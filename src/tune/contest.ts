// A contest: several samplers under equal budgets and seeds, the noise of the default configuration from repeats, and
// each winner rerun on fresh seeds, since the best of many noisy values looks too good (selection bias). Running the
// studies is left to the caller; this file has the statistics.

import { bestTrial, compareValues, completeTrials, isBetter, signOf } from './best.js';
import { isFinished } from './journal/records.js';
import { mean, median } from './math/order.js';
import { countsAsEvaluated } from './starting.js';
import type { Direction, Params, Trial } from './types.js';

/** One study of a contest. */
export type Race = { sampler: string; seed: number; trials: readonly Trial[] };

/** One sampler's row of the table. */
export type Standing = {
  sampler: string;
  /** Best value of each seed. */
  best: number[];
  median: number;
  /** 95% interval of the mean over seeds (Student's t); null for fewer than three seeds. */
  interval: [number, number] | null;
  /** Median improvement over the mean of the defaults, in percent. */
  improvementPercent: number;
  /** Evaluated trials over all seeds: complete, pruned and failed. */
  runs: number;
  failed: number;
  /** Complete trials better than the reference value. */
  betterThanReference: number | null;
  /** The winner's parameters, its value in the contest, and its values on fresh seeds. */
  winner: { seed: number; number: number; params: Params; value: number; again: number[] } | null;
};

/** Mean and standard deviation (n - 1) of values; deviation null for fewer than two. */
export type Spread = { mean: number; deviation: number | null; values: number[] };

/** The outcome of a contest. */
export type ContestTable = {
  standings: Standing[];
  defaults: Spread;
  reference: number | null;
  direction: Direction;
};

/**
 * Works out the table, best median first.
 * @param defaults values of the default configuration on fresh seeds
 * @param again sampler -> values of its winner on fresh seeds
 */
export function contestTable(
  races: readonly Race[],
  defaults: readonly number[],
  again: ReadonlyMap<string, readonly number[]>,
  options: { direction?: Direction; reference?: number | undefined } = {},
): ContestTable {
  const { direction = 'minimize', reference } = options;
  const baseline = spread(defaults);
  const standings = [...new Set(races.map((race) => race.sampler))].map((sampler): Standing => {
    const own = races.filter((race) => race.sampler === sampler);
    const best = own.flatMap((race) => bestTrial(race.trials, direction)?.value ?? []);
    const all = own.flatMap((race) =>
      race.trials.filter((trial) => countsAsEvaluated(trial) && isFinished(trial.state)),
    );
    const isBest = ({ value }: { value: number }) => isBetter(value, reference!, direction);
    return {
      sampler,
      best,
      median: median(best),
      interval: meanInterval(best),
      improvementPercent:
        (100 * signOf(direction) * (baseline.mean - median(best))) / Math.abs(baseline.mean),
      runs: all.length,
      failed: all.filter((trial) => trial.state === 'fail').length,
      betterThanReference: reference === undefined ? null : completeTrials(all).filter(isBest).length,
      winner: winnerOf(own, direction, [...(again.get(sampler) ?? [])]),
    };
  });
  const compare = compareValues(direction);
  standings.sort((a, b) => compare(a.median, b.median));
  return { standings, defaults: baseline, reference: reference ?? null, direction };
}

/** The best trial of several races, the first of equal ones. */
export function winnerOf(races: readonly Race[], direction: Direction, again: number[]): Standing['winner'] {
  const best = bestTrial(
    races.flatMap((race) => race.trials),
    direction,
  );
  if (!best) return null;
  const { number, params, value } = best;
  const { seed } = races.find((race) => race.trials.includes(best))!;
  return { seed, number, params, value, again };
}

/** Mean and sample standard deviation. */
export function spread(values: readonly number[]): Spread {
  const average = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
  const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null;
  return { mean: average, deviation, values: [...values] };
}

/** Two-sided 95% quantiles of Student's t for 1 to 30 degrees of freedom; 1.96 beyond. */
const STUDENT_T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/**
 * 95% confidence interval of the mean; null for fewer than three values, of which two say next to nothing (t = 12.7),
 * and where one is infinite.
 */
export function meanInterval(values: readonly number[]): [number, number] | null {
  const { mean, deviation } = spread(values);
  if (deviation === null || values.length < 3 || !Number.isFinite(deviation)) return null;
  const half = ((STUDENT_T[values.length - 2] ?? 1.96) * deviation) / Math.sqrt(values.length);
  return [mean - half, mean + half];
}
