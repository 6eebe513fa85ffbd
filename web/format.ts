// Numbers, durations and changes as the page writes them.

import { duration } from '../src/base/format.js';
import { isObject } from '../src/base/valid.js';
import { changedParams, describeChange, failReason, secondsOf, shortNumber } from '../src/report/labels.js';
import type { PageTrial } from '../src/report/pageData.js';
import { lastStep } from '../src/tune/pruners/steps.js';
import type { Params } from '../src/tune/types.js';
import type { ShownStudy } from './store.js';

/** A value in six significant digits, its places aligned for values of one size. */
export const valueText = (value: number | null): string =>
  value === null ? '–' : Number.isFinite(value) ? fixed(value) : String(value);

/** The values of a trial's objectives; empty for a trial without. */
export const valuesText = (values: readonly (number | null)[]): string => values.map(valueText).join(', ');

const fixed = (value: number): string =>
  Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential(4)
    : value.toFixed(6);

/** What became of a trial. */
export function stateText(trial: PageTrial): string {
  if (trial.state === 'fail') return failReason(trial);
  if (trial.state === 'pruned') return `pruned at ${lastStep(trial) ?? '–'}`;
  return trial.state;
}

export const secondsText = (trial: PageTrial): string => {
  const seconds = secondsOf(trial);
  return seconds === null ? '–' : seconds < 10 ? `${seconds.toFixed(1)}s` : duration(seconds);
};

/** A point in time, as this reader writes it. */
export const timeText = (time: number | null): string =>
  time === null || !Number.isFinite(time)
    ? '–'
    : new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** The best complete trial before this one; null where there is none. */
export function bestBefore(improvements: readonly PageTrial[], number: number): PageTrial | null {
  return improvements.findLast((trial) => trial.number < number) ?? null;
}

/** `lr 0.04→0.071` for the largest changes, and how many more there are. */
export function changesText(study: ShownStudy, from: Params, to: Params, most: number): string[] {
  const changed = changedParams(from, to, study.head.space);
  const shown = changed.slice(0, most).map((name) => describeChange(name, from, to));
  return changed.length > most ? [...shown, `and ${changed.length - most} more`] : shown;
}

/** `−0.0123 (1.2% better) than trial 3`; empty where there is nothing to subtract. */
export function comparedText(value: number, other: PageTrial, study: ShownStudy): string {
  const difference = differenceText(value, other.value!, study);
  return difference && `${difference} ${difference === EQUAL ? 'to' : 'than'} trial ${other.number}`;
}

const EQUAL = 'equal';

/** The difference to another value: `−0.0123 (1.2% better)`. */
export function differenceText(value: number, other: number, study: ShownStudy): string {
  const difference = value - other;
  if (!Number.isFinite(difference)) return '';
  if (difference === 0) return EQUAL;
  const better = study.direction === 'minimize' ? difference < 0 : difference > 0;
  const percent =
    other === 0
      ? ''
      : ` (${Math.abs((100 * difference) / other).toFixed(2)}% ${better ? 'better' : 'worse'})`;
  return `${difference > 0 ? '+' : '−'}${shortNumber(Math.abs(difference), 3)}${percent}`;
}

/** Any attribute as text. */
export const attributeText = (value: unknown): string =>
  typeof value === 'number'
    ? Number.isInteger(value)
      ? value.toLocaleString('en-US')
      : shortNumber(value, 6)
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);

/** The default configuration, where the study recorded one. */
export const defaultsOf = (study: ShownStudy): Params | null =>
  isObject(study.userAttrs.defaults) ? (study.userAttrs.defaults as Params) : null;
