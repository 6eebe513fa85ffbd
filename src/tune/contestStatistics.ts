// What a contest's table says beside the medians: paired tests between samplers, time to reach a value, time spent on
// asking and on failures.

import { isBetter, signOf } from './best.js';
import { isFeasible } from './constraints.js';
import type { Race } from './contest.js';
import { WORKER } from './liveness.js';
import { mean } from './math/order.js';
import { signedRankP } from './pruners/wilcoxon.js';
import type { Direction, Trial } from './types.js';

/** Two samplers compared by their best values, seed by seed. */
export type PairedTest = {
  /** The better one by the mean difference comes first. */
  samplers: [string, string];
  /** Seeds that both have. */
  pairs: number;
  /** Mean advantage of the first. */
  difference: number;
  /** Two-sided, Wilcoxon's signed-rank test. */
  p: number;
  /** After Holm's correction for all pairs of the contest. */
  corrected: number;
};

/** Compares all pairs of samplers that share two seeds or more. @param best sampler -> best value by seed */
export function pairedTests(
  best: ReadonlyMap<string, ReadonlyMap<number, number>>,
  direction: Direction,
): PairedTest[] {
  const names = [...best.keys()];
  const tests = names.flatMap((a, i) =>
    names.slice(i + 1).flatMap((b): PairedTest[] => {
      const gains = [...best.get(a)!].flatMap(([seed, value]) => {
        const other = best.get(b)!.get(seed);
        const gain = other === undefined ? Number.NaN : signOf(direction) * (other - value);
        return Number.isFinite(gain) ? [gain] : [];
      });
      if (gains.length < 2) return [];
      const difference = mean(gains);
      const p = Math.min(1, 2 * Math.min(signedRankP(gains), signedRankP(gains.map((gain) => -gain))));
      const samplers: [string, string] = difference >= 0 ? [a, b] : [b, a];
      return [{ samplers, pairs: gains.length, difference: Math.abs(difference), p, corrected: p }];
    }),
  );
  return holm(tests);
}

/** Holm's step-down correction: the smallest p times the number of tests, and so on, never decreasing. */
function holm(tests: PairedTest[]): PairedTest[] {
  let most = 0;
  const sorted = [...tests].sort((a, b) => a.p - b.p);
  for (const [i, test] of sorted.entries()) {
    most = Math.min(1, Math.max(most, test.p * (tests.length - i)));
    test.corrected = most;
  }
  return tests;
}

/** The smallest two-sided p that so many pairs can give. */
export const smallestP = (pairs: number): number => 2 ** (1 - pairs);

/** Time of a race at the end of each trial, as far as its process ran: trials, and what it took to ask for them. */
export type Clock = {
  /** Seconds since the race began, by trial; null while a trial is unfinished. */
  ends: (number | null)[];
  /** Seconds between trials: the sampler's, and the journal's. */
  asking: number;
  /** Seconds of failed trials. */
  failing: number;
  total: number;
};

/**
 * Reads a race's clock from its trials. The time between two trials counts where the same process ran both; the pause of a
 * study that was stopped and resumed does not.
 */
export function clockOf(trials: readonly Trial[]): Clock {
  const clock: Clock = { ends: [], asking: 0, failing: 0, total: 0 };
  let previous: Trial | null = null;
  for (const trial of trials) {
    if (trial.start === null || trial.end === null) {
      clock.ends.push(null);
      continue;
    }
    const gap = previous && sameProcess(previous, trial) ? (trial.start - previous.end!) / 1000 : 0;
    const own = Math.max(0, trial.end - trial.start) / 1000;
    clock.asking += Math.max(0, gap);
    clock.total += Math.max(0, gap) + own;
    if (trial.state === 'fail') clock.failing += own;
    clock.ends.push(clock.total);
    previous = trial;
  }
  return clock;
}

const sameProcess = (a: Trial, b: Trial): boolean => {
  const [one, other] = [a, b].map(({ systemAttrs }) => JSON.stringify(systemAttrs[WORKER] ?? null));
  return one === other && one !== 'null';
};

/** How long a sampler takes until half of its races have reached a value; null where fewer do. */
export type Reached = { seconds: number | null; trials: number | null; races: number };

export function timeToReach(races: readonly Race[], level: number, direction: Direction): Reached {
  const reached = races.map(({ trials }) => {
    const at = trials.findIndex(
      (trial) =>
        trial.state === 'complete' &&
        trial.value !== null &&
        isFeasible(trial) &&
        !isBetter(level, trial.value, direction),
    );
    return at < 0 ? null : { seconds: clockOf(trials).ends[at]!, trials: at + 1 };
  });
  const known = reached.filter((entry) => entry !== null);
  const half = Math.ceil(races.length / 2);
  /** When half of the races are there; those that never get there come last. */
  const middle = (values: number[]) => [...values].sort((a, b) => a - b)[half - 1] ?? null;
  return {
    seconds: middle(known.map(({ seconds }) => seconds)),
    trials: middle(known.map(({ trials }) => trials)),
    races: known.length,
  };
}
