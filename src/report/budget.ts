// How much of its limits a study has used.

import { counted, duration, thousands } from '../base/format.js';

/** The limits of a run, and when it began, in milliseconds since the epoch. */
export type RunLimits = { trials: number | null; seconds: number | null; started: number };

/**
 * The larger share used, of trials or time, and both in words: `12 of 20 trials`, `1m of 5m`. Time passes only while
 * something runs.
 * @param evaluated trials that count against the limit
 * @param now milliseconds since the epoch
 */
export function budgetUsed(
  { trials, seconds, started }: RunLimits,
  evaluated: number,
  isRunning: boolean,
  now: number,
): { share: number; spent: number; texts: string[] } {
  const spent = Math.max(0, (now - started) / 1000);
  const shares = [trials ? evaluated / trials : 0, seconds && isRunning ? spent / seconds : 0];
  const texts = [
    trials ? `${thousands(evaluated)} of ${counted(trials, 'trial')}` : '',
    seconds && isRunning ? `${duration(Math.min(spent, seconds))} of ${duration(seconds)}` : '',
  ].filter(Boolean);
  return { share: Math.min(1, Math.max(...shares)), spent, texts };
}
