// How long to train: seconds of training (the first steps not counted, as in the reference), or tokens,
// steps or FLOPs, which give the same bits every time.

import { expect } from '../base/errors.js';

/** Exactly one limit. Seconds count training steps only. */
export type Budget = { seconds: number } | { tokens: number } | { steps: number } | { flops: number };

/** @throws UsageError unless there is exactly one limit above zero */
export function validateBudget(budget: Budget): void {
  const entries = Object.entries(budget ?? {});
  const known = entries.every(([name]) => ['seconds', 'tokens', 'steps', 'flops'].includes(name));
  expect(
    entries.length === 1 && known,
    () => `Expected one budget of seconds, tokens, steps or flops, got ${JSON.stringify(budget)}`,
  );
  const [name, value] = entries[0]!;
  expect(
    typeof value === 'number' && value > 0 && Number.isFinite(value),
    () => `Expected the budget's ${name} to be > 0, got ${value} (${typeof value}); set --${name}`,
  );
}

/** Tracks how much of a budget is used. */
export interface BudgetMeter extends Readonly<MeterState> {
  /** Fraction used, 0 to 1; the schedules follow it. */
  readonly progress: number;
  readonly done: boolean;
  /** Seconds in which the machine stood still, which do not count. */
  readonly disturbedSeconds: number;
  /**
   * Records a finished step. One that took far longer than those before it (a suspended machine, a stopped process)
   * counts as long as these did: for what was trained in it.
   */
  add(seconds: number, tokens: number): void;
}

/** Steps whose median is the usual length of one. Of a machine that stays slow, more than half of them are slow soon. */
const RECENT_STEPS = 9;
/** A step counts as disturbed if it took this many times the usual plus a second. */
const DISTURBED = 3;

/** A meter's counts, to resume it: seconds that the budget counts, and the tokens trained within them. */
export type MeterState = { steps: number; tokens: number; trainingSeconds: number; timedTokens: number };

/** Whether a run at `state` has used its whole budget. */
export const isUsedUp = (budget: Budget, state: MeterState, flopsPerToken: number): boolean =>
  meterBudget(budget, { untimedSteps: 0, flopsPerToken, resume: state }).done;

/**
 * @param budget a valid one
 * @param untimedSteps number of first steps whose seconds do not count
 * @param flopsPerToken for a budget in FLOPs
 */
export function meterBudget(
  budget: Budget,
  options: { untimedSteps: number; flopsPerToken: number; resume?: MeterState },
): BudgetMeter {
  const resumed: Partial<MeterState> = options.resume ?? {};
  let { steps = 0, tokens = 0, trainingSeconds = 0, timedTokens = 0 } = resumed;
  let disturbedSeconds = 0;
  const recent: number[] = [];
  /** The seconds of a step without those in which the machine stood still. */
  const undisturbed = (seconds: number): number => {
    const usual = recent.toSorted((a, b) => a - b)[recent.length >> 1] ?? seconds;
    const isDisturbed = recent.length >= 3 && seconds > DISTURBED * usual && seconds > usual + 1;
    recent.push(seconds);
    if (recent.length > RECENT_STEPS) recent.shift();
    return isDisturbed ? usual : seconds;
  };
  const firstTimed = steps + (options.resume ? Math.min(1, options.untimedSteps) : options.untimedSteps);
  const used = () => {
    if ('seconds' in budget) return trainingSeconds / budget.seconds;
    if ('tokens' in budget) return tokens / budget.tokens;
    if ('steps' in budget) return steps / budget.steps;
    return (tokens * options.flopsPerToken) / budget.flops;
  };
  return {
    get progress() {
      return Math.min(used(), 1);
    },
    get done() {
      return used() >= 1;
    },
    get steps() {
      return steps;
    },
    get tokens() {
      return tokens;
    },
    get trainingSeconds() {
      return trainingSeconds;
    },
    get timedTokens() {
      return timedTokens;
    },
    get disturbedSeconds() {
      return disturbedSeconds;
    },
    add(seconds, count) {
      const counted = undisturbed(seconds);
      disturbedSeconds += seconds - counted;
      if (steps >= firstTimed) {
        trainingSeconds += counted;
        timedTokens += count;
      }
      steps++;
      tokens += count;
    },
  };
}
