// The best trial, and comparison by direction: infinite values count, NaN does not. A trial that violates a constraint
// is never the best.

import { isFeasible } from './constraints.js';
import type { Direction, Trial } from './types.js';

/** A complete trial. */
export type CompleteTrial<T extends Trial = Trial> = T & { state: 'complete'; value: number };

/** Whether `a` is strictly better than `b`. */
export const isBetter = (a: number, b: number, direction: Direction): boolean =>
  direction === 'minimize' ? a < b : a > b;

/** 1 to minimize, -1 to maximize: a value times this is a loss. */
export const signOf = (direction: Direction): 1 | -1 => (direction === 'minimize' ? 1 : -1);

/** For sorting values, best first; equal infinities are equal. */
export const compareValues = (direction: Direction) => (a: number, b: number) =>
  isBetter(a, b, direction) ? -1 : isBetter(b, a, direction) ? 1 : 0;

/** The complete trials, in order. */
export const completeTrials = <T extends Trial>(trials: readonly T[]): CompleteTrial<T>[] =>
  trials.filter((trial): trial is CompleteTrial<T> => trial.state === 'complete' && trial.value !== null);

/** The complete, feasible trials, best first; of equal ones the earlier. */
export function rankedTrials<T extends Trial>(
  trials: readonly T[],
  direction: Direction,
): CompleteTrial<T>[] {
  const compare = compareValues(direction);
  return completeTrials(trials)
    .filter(isFeasible)
    .sort((a, b) => compare(a.value, b.value) || a.number - b.number);
}

/** The best complete trial that satisfies its constraints, the first of equal ones; null where there is none. */
export function bestTrial<T extends Trial>(
  trials: readonly T[],
  direction: Direction,
): CompleteTrial<T> | null {
  return improvements(trials, direction).at(-1) ?? null;
}

/** The complete, feasible trials that were better than all before them, in order; the last is the best. */
export function improvements<T extends Trial>(
  trials: readonly T[],
  direction: Direction,
): CompleteTrial<T>[] {
  const found: CompleteTrial<T>[] = [];
  for (const trial of completeTrials(trials).filter(isFeasible)) {
    const best = found.at(-1);
    if (!best || isBetter(trial.value, best.value, direction)) found.push(trial);
  }
  return found;
}
