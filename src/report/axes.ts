// Axes of the charts: their range, how they look, and how values beyond them are drawn.

import { choiceIndex, isNumeric } from '../tune/distributions.js';
import type { Choice, Direction, Distribution } from '../tune/types.js';
import type { Theme } from './theme.js';

/** The range of a value axis, with a margin. */
export type Range = readonly [low: number, high: number];

/**
 * The range of values worth drawing: all finite ones that are not far worse than the middle ones.
 * @param include values that must be in it
 */
export function drawnRange(
  values: readonly number[],
  include: readonly number[],
  direction: Direction,
): Range {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return widened(include.length > 0 ? include : [0, 1]);
  const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
  const reach = 1.5 * (quantile(0.75) - quantile(0.25) || Math.abs(quantile(0.5)) * 0.01 || 1);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  return direction === 'minimize'
    ? widened([least, Math.min(most, quantile(0.75) + reach), ...include])
    : widened([Math.max(least, quantile(0.25) - reach), most, ...include]);
}

/**
 * The range in which a study improved: from its best value to the one it began with, or to where the better quarter of the
 * trials ends, whichever is worse; a first value that is far worse than most does not count. Values that never improved give
 * `drawnRange`.
 * @param values in order
 * @param include values that must be in it
 */
export function improvementRange(
  values: readonly number[],
  include: readonly number[],
  direction: Direction,
): Range {
  const finite = values.filter(Number.isFinite);
  const sign = direction === 'minimize' ? 1 : -1;
  const losses = Float64Array.from(finite, (value) => sign * value).sort();
  const usual = drawnRange(values, include, direction);
  if (losses.length < 2 || losses[0] === sign * finite[0]!) return usual;
  const quantile = (q: number) => losses[Math.floor(q * (losses.length - 1))]!;
  const reach = quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25));
  const first = sign * finite[0]!;
  const worst = losses.length < FEW ? first : Math.max(quantile(0.25), Math.min(first, reach));
  const ends = [losses[0]!, worst, ...include.map((value) => sign * value)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const span = Math.max(high - low, SHORTEST);
  // More room beyond the best, where the labels stand.
  const range = [sign * (low - 0.16 * span), sign * (high + 0.08 * span)];
  return sign === 1 ? [range[0]!, range[1]!] : [range[1]!, range[0]!];
}

/** So few values have no quartiles to speak of. */
const FEW = 8;

/** The shortest axis: ECharts rounds ticks to 20 decimals and fails on axes that are shorter. */
const SHORTEST = 1e-17;

/** The range of finite values with a margin on both sides. */
export function widened(values: readonly number[], share = 0.06): Range {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  const margin = Math.max(share * (high - low || 1), SHORTEST);
  return [low - margin, high + margin];
}

/** A value at its place on an axis: what lies beyond, infinite values included, at the edge. */
export const onAxis = (value: number, [low, high]: Range): number => Math.min(high, Math.max(low, value));

/** Whether a value is drawn at the edge of its axis, as a triangle that points outwards. */
export const isBeyond = (value: number, [low, high]: Range): boolean => value < low || value > high;

/** How a point beyond the axis looks; nothing for others. */
export const markBeyond = (value: number, range: Range) =>
  isBeyond(value, range)
    ? { symbol: 'triangle', symbolSize: 8, symbolRotate: value < range[0] ? 180 : 0 }
    : {};

/** Digits that ticks in a range need at most. */
const tickDigits = ([low, high]: Range): number => {
  const digits = Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low))) + 3;
  return Number.isFinite(digits) ? Math.min(15, Math.max(4, digits)) : 4;
};

/** Writes ticks with as many digits as tell them apart, large and small ones as powers. */
export function ticksIn(range: Range): (value: number) => string {
  const digits = tickDigits(range);
  return (value) => {
    const rounded = Number(value.toPrecision(digits));
    const size = Math.abs(rounded);
    return size !== 0 && (size < 1e-3 || size >= 1e5)
      ? rounded.toExponential().replace('e+', 'e')
      : String(rounded);
  };
}

const inOneLine = (text: string): string => text.replace(/\s+/g, ' ');

/** A text in one line, cut to a width in pixels. */
export const fitted = (text: string, pixels: number): string => {
  const letters = Math.max(4, Math.floor(pixels / 6.2));
  const line = inOneLine(text);
  return line.length > letters ? `${line.slice(0, letters - 1)}…` : line;
};

/** Whether ticks are written as powers: they would not fit beside an axis. */
const hasPowers = ([low, high]: Range): boolean => {
  const size = Math.max(Math.abs(low), Math.abs(high));
  return size >= 1e6 || size < 1e-5;
};

/** Room on the left of an axis for its ticks and its name, in pixels. */
export function roomFor(range: Range, least: number): number {
  const digits = tickDigits(range) - 2; // nice numbers
  const texts = range.map((value) =>
    hasPowers(range)
      ? ticksIn(range)(value)
      : Number(value.toPrecision(digits)).toLocaleString('en-US', { maximumFractionDigits: 20 }),
  );
  return Math.max(least, 36 + 7 * Math.max(...texts.map(({ length }) => length)));
}

/** A numeric axis with its name along it. */
export const valueAxis = (
  theme: Theme,
  name: string,
  [min, max]: readonly [number?, number?] = [],
  nameGap = 30,
) => ({
  type: 'value' as const,
  name,
  nameLocation: 'middle' as const,
  nameGap,
  ...(min !== undefined && { min, max }),
  ...axisLook(theme),
  axisLabel: {
    color: theme.muted,
    hideOverlap: true,
    ...(min !== undefined && { showMinLabel: false, showMaxLabel: false }),
    ...(min !== undefined &&
      max !== undefined &&
      hasPowers([min, max]) && { formatter: ticksIn([min, max]) }),
  },
});

/** Lines at values: drawn where those are, which ECharts would round to two decimals. */
export const LEVELS = { silent: true, symbol: 'none', precision: -1 } as const;

/** Lines and names of any axis. */
export const axisLook = (theme: Theme) => ({
  nameTextStyle: { color: theme.muted },
  axisLine: { show: true, onZero: false, lineStyle: { color: theme.trial } },
  axisTick: { lineStyle: { color: theme.trial } },
  axisLabel: { color: theme.muted, hideOverlap: true },
  splitLine: { lineStyle: { color: theme.grid } },
});

/** An axis with the values of a parameter. */
export function parameterAxis(distribution: Distribution) {
  if (!isNumeric(distribution)) return { type: 'category' as const, data: distribution.choices.map(String) };
  const { low, high, log, kind } = distribution;
  const type = log ? ('log' as const) : ('value' as const);
  const max = log ? high : Math.max(high, low + SHORTEST);
  return { type, min: low, max, ...(kind === 'int' && !log && { minInterval: 1 }) };
}

/** Writes ticks of a parameter: numbers, or choices cut to a width in pixels. */
export function parameterTicks(distribution: Distribution, pixels: number) {
  if (!isNumeric(distribution)) return (choice: number | string) => fitted(String(choice), pixels);
  const write = ticksIn([distribution.low, distribution.high]);
  return (value: number | string) => write(Number(value));
}

/** A parameter's value on its axis: a number is the index of a choice there, also of one that is itself a number. */
export const axisValue = (distribution: Distribution, value: Choice): number =>
  isNumeric(distribution) ? (value as number) : choiceIndex(distribution, value);
