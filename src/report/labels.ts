// Labels and numbers of the report.

import { isObject } from '../base/valid.js';
import type { CompleteTrial } from '../tune/best.js';
import { contains, toUnit } from '../tune/distributions.js';
import { own } from '../tune/objects.js';
import type { Attributes, Params, SearchSpace, Trial } from '../tune/types.js';
import { type ReportedStudy, usedSpace } from './study.js';

/** A value in at most `digits` significant digits; large and small ones stay readable. */
export function shortNumber(value: unknown, digits = 3): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/** A value with so many decimals, or with an exponent where these would show nothing of it; `-` for none. */
export const valueText = (value: number | null, decimals: number): string =>
  value === null
    ? '-'
    : value !== 0 && Math.abs(value) < 10 ** -decimals
      ? value.toExponential(2)
      : value.toFixed(decimals);

/** A parameter as its setting: log2_X = 11 reads `X 2048`. */
export function describeParam(name: string, value: unknown): [string, string] {
  const setting = name.replace(/^log2_/, '');
  return [setting, shortNumber(setting !== name && typeof value === 'number' ? 2 ** value : value)];
}

/** The parameters that differ between two configurations, the largest change first, measured in the space. */
export function changedParams(from: Attributes, to: Params, space: SearchSpace): string[] {
  const distance = (name: string): number => {
    const [distribution, a, b] = [own(space, name), own(from, name), own(to, name)];
    if (!distribution || b === undefined || a === b || !contains(distribution, a)) return 0;
    if (distribution.kind === 'categorical') return 1;
    return Math.abs(toUnit(distribution, a as number) - toUnit(distribution, b));
  };
  return Object.keys(to)
    .map((name) => ({ name, size: distance(name) }))
    .filter(({ size }) => size > 0)
    .sort((a, b) => b.size - a.size)
    .map(({ name }) => name);
}

/** `matrixLr 0.04→0.071`. */
export function describeChange(name: string, from: Params, to: Params): string {
  const [setting, after] = describeParam(name, to[name]);
  return `${setting} ${describeParam(name, from[name])[1]}→${after}`;
}

/** Parameters that a label names at most. */
const LABEL_CHANGES = 2;

/**
 * What each improvement is labelled with: the largest changes among the parameters whose influence is known, or the one
 * change there was; its value where neither says what made it better.
 * @param longest characters of a label
 */
export function improvementLabels(
  study: ReportedStudy,
  improvements: readonly CompleteTrial[],
  weights: Readonly<Record<string, number>>,
  longest: number,
): string[] {
  const { defaults } = study.userAttrs;
  const space = usedSpace(study);
  return improvements.map((trial, i) => {
    const previous = improvements[i - 1];
    if (!previous)
      return isObject(defaults) && changedParams(defaults, trial.params, space).length === 0
        ? 'defaults'
        : shortNumber(trial.value, 5);
    const changed = changedParams(previous.params, trial.params, space);
    const known = changed.length === 1 ? changed : changed.filter((name) => Object.hasOwn(weights, name));
    const [first = shortNumber(trial.value, 5), ...others] = known
      .slice(0, LABEL_CHANGES)
      .map((name) => describeChange(name, previous.params, trial.params));
    // A change is named whole or not at all, except the only one.
    return others.reduce(
      (label, change) => (label.length + 2 + change.length > longest ? label : `${label}, ${change}`),
      shortened(first, longest),
    );
  });
}

const shortened = (text: string, longest: number): string =>
  text.length > longest ? `${text.slice(0, longest - 1)}…` : text;

/** A state as people say it. */
export const stateName = (state: string): string => (state === 'fail' ? 'failed' : state);

/** Failed trials by reason, in the order in which the reasons first occurred. */
export function failuresByReason<T extends Trial>(trials: readonly T[]): Map<string, T[]> {
  const reasons = new Map<string, T[]>();
  for (const trial of trials) {
    if (trial.state !== 'fail') continue;
    const reason = failReason(trial);
    const group = reasons.get(reason);
    group ? group.push(trial) : reasons.set(reason, [trial]);
  }
  return reasons;
}

/** Why a trial failed. */
export function failReason({ userAttrs: { fail_reason: reason } }: Trial): string {
  return typeof reason === 'string' ? reason : 'failed';
}

/**
 * Seconds that a trial took; null where it was never started.
 * @param now milliseconds, until which a running trial ran; null for it unless given
 */
export function secondsOf({ start, end, state }: Trial, now?: number): number | null {
  const until = end ?? (state === 'running' ? now : undefined);
  return start !== null && until !== undefined ? Math.max(0, until - start) / 1000 : null;
}

/** Text safe within HTML and attributes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
