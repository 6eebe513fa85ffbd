// Words and numbers of the report.

import { toUnit } from '../tune/distributions.js';
import type { Params, SearchSpace, Trial } from '../tune/types.js';

/** A value in at most `digits` significant digits; large and small ones stay readable. */
export function shortNumber(value: unknown, digits = 3): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/** A parameter as its setting: log2_X = 11 reads `X 2048`. */
export function describeParam(name: string, value: unknown): [string, string] {
  const setting = name.replace(/^log2_/, '');
  return [setting, shortNumber(setting !== name && typeof value === 'number' ? 2 ** value : value)];
}

/** The `count` largest changes between two configurations, measured in the space: `matrixLr 0.04→0.071`. */
export function largestChanges(from: Params, to: Params, space: SearchSpace, count: number): string[] {
  const distance = (name: string): number => {
    const distribution = space[name];
    const [a, b] = [from[name], to[name]];
    if (!distribution || a === undefined || b === undefined || a === b) return 0;
    return distribution.kind === 'categorical'
      ? 1
      : Math.abs(toUnit(distribution, a) - toUnit(distribution, b));
  };
  return Object.keys(to)
    .map((name) => ({ name, size: distance(name) }))
    .filter(({ size }) => size > 0)
    .sort((a, b) => b.size - a.size)
    .slice(0, count)
    .map(({ name }) => {
      const [setting, after] = describeParam(name, to[name]);
      return `${setting} ${describeParam(name, from[name])[1]}→${after}`;
    });
}

/** Why a trial failed. */
export const failReason = (trial: Trial): string => String(trial.userAttrs.fail_reason ?? 'failed');

/** Seconds that a trial took; null while it runs or was never started. */
export const secondsOf = (trial: Trial): number | null =>
  trial.start !== null && trial.end !== null ? (trial.end - trial.start) / 1000 : null;

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
