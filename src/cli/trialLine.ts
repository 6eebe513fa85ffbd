// One line a trial: number, what changed, bpb, best so far, time, status.

import type { Direction, Params, Trial } from '../tune/types.js';
import { duration } from './terminal.js';

/** A value short enough for a line: 4 significant digits. */
export const shortValue = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(4)))
    : String(value);

/** `name=value` of the parameters that differ from the defaults. */
export function changes(params: Params, defaults: Params): string {
  const changed = Object.entries(params).filter(([name, value]) => value !== defaults[name]);
  if (changed.length === 0) return 'defaults';
  return changed.map(([name, value]) => `${name}=${shortValue(value)}`).join(' ');
}

/** The best value of finished trials, null when there is none. */
export function bestValue(trials: readonly Trial[], direction: Direction): number | null {
  const values = trials.flatMap((trial) =>
    trial.state === 'complete' && trial.value !== null ? [trial.value] : [],
  );
  if (values.length === 0) return null;
  return direction === 'minimize' ? Math.min(...values) : Math.max(...values);
}

/** What became of a trial: `best`, `complete`, `pruned`, or the reason of its failure. */
export function statusOf(trial: Trial, best: number | null): string {
  if (trial.state === 'complete') return trial.value === best ? 'best' : 'complete';
  if (trial.state === 'fail') return String(trial.userAttrs.fail_reason ?? 'fail');
  return trial.state;
}

/** `  12  0.9876  best 0.9801  30s  complete   depth=6 matrixLr=0.051`. */
export function trialLine(trial: Trial, best: number | null, defaults: Params): string {
  const bpb = (value: number | null) => (value === null ? '-' : value.toFixed(4)).padStart(7);
  const seconds = trial.start !== null && trial.end !== null ? (trial.end - trial.start) / 1000 : 0;
  return [
    String(trial.number).padStart(4),
    bpb(trial.state === 'fail' ? null : trial.value),
    `best${bpb(best)}`,
    duration(seconds).padStart(6),
    statusOf(trial, best).padEnd(13),
    changes(trial.params, defaults),
  ].join('  ');
}
