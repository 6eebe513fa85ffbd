// The study as the report sees it.

import type { Attributes, Direction, SearchSpace, Trial } from '../tune/types.js';

/** Any journal's study: ours, or one that Optuna wrote. */
export type ReportedStudy = {
  readonly name: string;
  readonly direction: Direction;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  readonly systemAttrs?: Attributes;
};

/** What the value is called. */
export function metricName(study: ReportedStudy): string {
  const names = study.systemAttrs?.['study:metric_names'];
  if (Array.isArray(names) && typeof names[0] === 'string') return names[0];
  const { objective } = study.userAttrs;
  return typeof objective === 'object' && objective !== null && 'eval_tokens' in objective
    ? 'val_bpb'
    : 'value';
}

/** Every parameter that a trial used, with its distribution as last used. */
export function usedSpace(study: ReportedStudy): SearchSpace {
  let space: SearchSpace = {};
  for (const trial of study.trials) space = { ...space, ...trial.distributions };
  return space;
}

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

/** The range of finite values with a margin on both sides. */
export function widened(values: readonly number[], share = 0.06): Range {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  const margin = share * (high - low || 1);
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

/** What a chart's note says about them. */
export const BEYOND_NOTE = 'Values beyond the axis, infinite ones included, are triangles at its edge.';
