// Reads numbers from a program's output, line by line: the value of a trial, and intermediate values for pruners.

import { messageOf, UsageError } from '../../base/errors.js';
import { parseJson } from '../../base/json.js';
import { isObject } from '../../base/valid.js';

/** What a line says: a number (NaN included), a text that is none, or null where it says nothing. */
type Reading = number | string | null;

/** Finds a metric in a line. */
export type MetricReader = (line: string) => Reading;

const NUMBER = /[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?\binf(?:inity)?\b|\bnan\b/gi;

/** The number that a text is, with Python's and JavaScript's words for infinity and NaN; null for another. */
function numberOf(text: string): number | null {
  const trimmed = text.trim().toLowerCase();
  if (/^[+-]?nan$/.test(trimmed)) return Number.NaN;
  const [, sign, isInfinite] = /^([+-]?)(inf(?:inity)?)?/.exec(trimmed)!;
  if (isInfinite && /^[+-]?inf(?:inity)?$/.test(trimmed)) return sign === '-' ? -Infinity : Infinity;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(trimmed) ? Number(trimmed) : null;
}

/** `val_bpb`, `eval/loss`, `recall@5`, `val loss`: as an expression it would match nothing but itself. */
export const isMetricName = (metric: string): boolean =>
  /^[\p{L}_](?:[\p{L}\p{N}_./@%-]*|[\p{L}\p{N}_/@% -]*)$/u.test(metric);

/**
 * A reader for a metric: a name is a key of a JSON line (`val_bpb`, `eval.loss`) or the label of a line
 * `name: value` or `name value`; anything else is a regular expression whose group `value`, or first group, or last number counts, of its
 * last match in the line.
 * @throws UsageError for an invalid regular expression
 */
export function metricReader(metric: string | RegExp): MetricReader {
  if (typeof metric === 'string' && isMetricName(metric)) return namedMetric(metric);
  const pattern = patternOf(metric, '--metric');
  const every = new RegExp(pattern.source, `${pattern.flags}g`);
  return (line) => {
    const matches = [...line.matchAll(every)];
    const found = matches.findLast(([text]) => text !== '') ?? matches.at(-1);
    if (!found) return null;
    const text = found.groups?.value ?? found[1];
    if (text !== undefined) return numberOf(text) ?? text;
    const last = found[0].match(NUMBER)?.at(-1);
    return last === undefined ? found[0] : (numberOf(last.replaceAll('_', '')) ?? last);
  };
}

function namedMetric(name: string): MetricReader {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const label = new RegExp(`^\\s*${escaped}(\\s*[:=]\\s*|\\s+)(\\S+)\\s*$`);
  return (line) => {
    const [, separator, text] = label.exec(line) ?? [];
    const number = text === undefined ? null : numberOf(text);
    if (number !== null) return number;
    if (separator?.trim()) return text!; // without a sign between them two words may mean anything
    if (!line.includes('{')) return null;
    try {
      const value = valueAt(parseJson(line.trim()), name);
      return value === undefined
        ? null
        : value === null
          ? Number.NaN
          : typeof value === 'number'
            ? value
            : (numberOf(String(value)) ?? String(value));
    } catch {
      return null; // no JSON
    }
  };
}

function valueAt(object: unknown, path: string): unknown {
  if (!isObject(object)) return undefined;
  if (Object.hasOwn(object, path)) return object[path];
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const inner = Object.hasOwn(object, path.slice(0, dot)) ? object[path.slice(0, dot)] : undefined;
    const value = valueAt(inner, path.slice(dot + 1));
    if (value !== undefined) return value;
  }
  return undefined;
}

function patternOf(pattern: string | RegExp, option: string): RegExp {
  try {
    return typeof pattern === 'string'
      ? new RegExp(pattern.replaceAll('(?P<', '(?<')) // Python's named groups
      : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  } catch (error) {
    throw new UsageError(
      `Expected ${option} to be a name or a regular expression, got ${pattern}: ${messageOf(error)}`,
    );
  }
}

/** Reads the step and the value of an intermediate result. */
export type StepReader = (line: string) => { step: number; value: number } | null;

/**
 * A reader of intermediate values: a regular expression with the groups `step` and `value`, or the step and the value as
 * its first two groups, or the value alone, which is counted. Steps of more than two significant digits are left out: each
 * one is a record of the study on disk, and trials must report the same steps to be compared.
 * @throws UsageError for an invalid regular expression
 */
export function stepReader(pattern: string | RegExp): StepReader {
  const regex = patternOf(pattern, '--intermediate');
  let count = 0;
  return (line) => {
    const found = regex.exec(line);
    if (!found) return null;
    const { step: named, value: valued } = found.groups ?? {};
    const texts = found.slice(1).filter((text) => text !== undefined);
    const hasStep = named !== undefined || (valued === undefined && texts.length > 1);
    const value = numberOf(valued ?? texts[hasStep ? 1 : 0] ?? found[0].match(NUMBER)?.at(-1) ?? '');
    const step = hasStep ? Math.floor(numberOf(named ?? texts[0]!) ?? -1) : count++;
    if (value === null || !Number.isSafeInteger(step) || step < 0) return null;
    return Number(step.toPrecision(2)) === step ? { step, value } : null;
  };
}
