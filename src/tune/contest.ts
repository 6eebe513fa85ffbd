// A contest: several samplers under equal budgets and seeds, the noise of the default configuration from repeats, and
// each winner rerun on fresh seeds, since the best of many noisy values looks too good (selection bias). Running the
// studies is left to the caller; this file has the statistics.

import { bestTrial, compareValues, completeTrials, isBetter, signOf } from './best.js';
import { isFeasible } from './constraints.js';
import {
  type Clock,
  clockOf,
  type PairedTest,
  pairedTests,
  type Reached,
  timeToReach,
} from './contestStatistics.js';
import { isFinished } from './journal/records.js';
import { mean, median } from './math/order.js';
import { countsAsEvaluated } from './starting.js';
import type { Direction, Params, Trial } from './types.js';

/** One study of a contest. */
export type Race = {
  sampler: string;
  seed: number;
  trials: readonly Trial[];
  imported?: Imported;
  costUsd?: number;
  /** Calls beside those, whose cost is unknown. */
  unknownCost?: number;
};

/** What is said about a run from elsewhere, such as an agent's. */
export type Imported = { hours: number };

/** A configuration of the best of a sampler, run again on fresh seeds. */
export type Again = { searched: number; values: number[]; test: number[] };

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
  /** The best configurations over all seeds on fresh seeds, the winner first. */
  top: Again[];
  /** Median seconds of a race, and the parts of all races' time that asking and failed trials took. */
  seconds: number;
  askShare: number;
  failedShare: number;
  imported: Imported | null;
  /** Of model calls, or of an agent's run; null where there are none. */
  costUsd: number | null;
  /** Calls whose cost is not in that, where there are any. */
  unknownCost?: number;
  /** Time to each of the table's levels. */
  reached: Reached[];
};

/** Mean and standard deviation (n - 1) of values; deviation null for fewer than two, or an infinite one. */
export type Spread = { mean: number; deviation: number | null; values: number[] };

/** The outcome of a contest. */
export type ContestTable = {
  standings: Standing[];
  defaults: Spread;
  /** Of the defaults, on held-out text. */
  defaultsTest: number[];
  /** Values to reach: the medians of the standings. */
  levels: number[];
  tests: PairedTest[];
  reference: number | null;
  direction: Direction;
  metric: string;
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
  options: {
    direction?: Direction;
    reference?: number | undefined;
    /** What the value is called; val_bpb unless set. */
    metric?: string;
    /** Sampler -> its best configurations on fresh seeds. */
    top?: ReadonlyMap<string, readonly Again[]>;
    /** Values of the defaults on held-out text. */
    defaultsTest?: readonly number[];
  } = {},
): ContestTable {
  const { direction = 'minimize', metric = 'val_bpb', reference, top, defaultsTest = [] } = options;
  const baseline = spread(defaults);
  const standings = [...new Set(races.map((race) => race.sampler))].map((sampler): Standing => {
    const own = races.filter((race) => race.sampler === sampler);
    // A race whose trials all violate a constraint is the worst there can be.
    const none = (trials: readonly Trial[]) =>
      completeTrials(trials).length > 0 ? [signOf(direction) * Infinity] : [];
    const best = own.flatMap(({ trials }) => bestTrial(trials, direction)?.value ?? none(trials));
    const all = own.flatMap((race) =>
      race.trials.filter((trial) => countsAsEvaluated(trial) && isFinished(trial.state)),
    );
    const clocks = own.map(({ trials }) => clockOf(trials));
    const sum = (part: (clock: Clock) => number) => clocks.reduce((total, clock) => total + part(clock), 0);
    const total = sum((clock) => clock.total);
    const isBest = ({ value }: { value: number }) => isBetter(value, reference!, direction);
    const unknownCost = own.reduce((calls, race) => calls + (race.unknownCost ?? 0), 0);
    return {
      sampler,
      best,
      median: median(best),
      interval: meanInterval(best),
      improvementPercent:
        (100 * signOf(direction) * (baseline.mean - median(best))) / Math.abs(baseline.mean),
      runs: all.length,
      failed: all.filter((trial) => trial.state === 'fail').length,
      betterThanReference:
        reference === undefined
          ? null
          : completeTrials(all).filter((trial) => isFeasible(trial) && isBest(trial)).length,
      winner: winnerOf(own, direction, [...(again.get(sampler) ?? [])]),
      top: [...(top?.get(sampler) ?? [])],
      seconds: median(clocks.map((clock) => clock.total)),
      askShare: total > 0 ? sum((clock) => clock.asking) / total : 0,
      failedShare: total > 0 ? sum((clock) => clock.failing) / total : 0,
      imported: own.find((race) => race.imported)?.imported ?? null,
      costUsd: own.some((race) => race.costUsd !== undefined)
        ? own.reduce((total, race) => total + (race.costUsd ?? 0), 0)
        : null,
      ...(unknownCost > 0 && { unknownCost }),
      reached: [],
    };
  });
  const compare = compareValues(direction);
  standings.sort((a, b) => compare(a.median, b.median));
  const levels = standings.map((row) => row.median).filter(Number.isFinite);
  for (const row of standings) {
    const own = races.filter((race) => race.sampler === row.sampler);
    row.reached = levels.map((level) => timeToReach(own, level, direction));
  }
  const best = new Map<string, Map<number, number>>();
  for (const { sampler, seed, trials, imported } of races) {
    const value = bestTrial(trials, direction)?.value;
    if (value === undefined || imported) continue;
    best.set(sampler, (best.get(sampler) ?? new Map<number, number>()).set(seed, value));
  }
  return {
    standings,
    defaults: baseline,
    defaultsTest: [...defaultsTest],
    levels,
    tests: pairedTests(best, direction),
    reference: reference ?? null,
    direction,
    metric,
  };
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
  const isKnown = values.length > 1 && Number.isFinite(squares);
  const deviation = isKnown ? Math.sqrt(squares / (values.length - 1)) : null;
  return { mean: average, deviation, values: [...values] };
}

/** Two-sided 95% quantiles of Student's t for 1 to 30 degrees of freedom. */
const STUDENT_T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The same for any number of them, from 31 on by the expansion around the normal quantile (Abramowitz & Stegun 26.7.5). */
const studentT = (degrees: number): number =>
  STUDENT_T[degrees - 1] ?? 1.959964 + 2.372254 / degrees + 2.822486 / degrees ** 2;

/**
 * 95% confidence interval of the mean; null for fewer than three values, of which two say next to nothing (t = 12.7),
 * and where one is infinite.
 */
export function meanInterval(values: readonly number[]): [number, number] | null {
  const { mean, deviation } = spread(values);
  if (deviation === null || values.length < 3) return null;
  const half = (studentT(values.length - 1) * deviation) / Math.sqrt(values.length);
  return [mean - half, mean + half];
}
