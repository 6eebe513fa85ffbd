// How the value depends on the parameters: importances, slices, parallel coordinates. Charts are plain ECharts options,
// drawn in the reader's browser; the last dimension of a point, or its `trial`, is the number of its trial.

import type { EChartsOption } from 'echarts';
import { type CompleteTrial, compareValues, completeTrials } from '../tune/best.js';
import { isNumeric } from '../tune/distributions.js';
import type { Distribution, SearchSpace, Trial } from '../tune/types.js';
import {
  axisLook,
  axisValue,
  drawnRange,
  fitted,
  isBeyond,
  onAxis,
  parameterAxis,
  parameterTicks,
  type Range,
  ticksIn,
  valueAxis,
} from './axes.js';
import { metricName, type ReportedStudy, usedSpace } from './study.js';
import type { Drawing, Frame } from './theme.js';

/** Trials in slices and parallel coordinates: more would be one blot, and slow. */
export const MOST_SLICED = 2000;
const MOST_LINES = 600;
const SLICE_HEIGHT = 178;
/** Choices that are named along an axis of parallel coordinates. */
const MOST_TICKS = 18;
/** Pixels of a name above its axis. */
const LONGEST_NAME = 130;

/** Importances as bars; null where none is known. */
export function importanceChart(
  weights: Readonly<Record<string, number>>,
  { theme, width }: Frame,
): Drawing | null {
  const entries = Object.entries(weights).sort(([, a], [, b]) => a - b);
  if (entries.length === 0) return null;
  const room = Math.min(width * 0.45, 16 + 7.6 * Math.max(...entries.map(([name]) => name.length)));
  return {
    height: 34 + 24 * entries.length,
    option: () => ({
      grid: { left: room, right: 52, top: 4, bottom: 26 },
      xAxis: valueAxis(theme, ''),
      yAxis: {
        type: 'category',
        data: entries.map(([name]) => name),
        ...axisLook(theme),
        axisTick: { show: false },
        axisLabel: { color: theme.text, width: room - 10, overflow: 'truncate', interval: 0 },
        splitLine: { show: false },
      },
      series: [
        {
          type: 'bar',
          silent: true,
          barMaxWidth: 14,
          itemStyle: { color: theme.reference, borderRadius: [0, 2, 2, 0] },
          label: { show: true, position: 'right', formatter: '{c}', color: theme.muted },
          data: entries.map(([, weight]) => Number(weight.toFixed(3))),
        },
      ],
    }),
  };
}

const rangeOf = ({ trials, direction }: ReportedStudy): Range =>
  drawnRange(
    completeTrials(trials).map(({ value }) => value),
    [],
    direction,
  );

/** At most so many trials: the best ones, and others evenly over the study. */
function someTrials(study: ReportedStudy, most: number): CompleteTrial[] {
  const complete = completeTrials(study.trials);
  if (complete.length <= most) return complete;
  const compare = compareValues(study.direction);
  const best = new Set([...complete].sort((a, b) => compare(a.value, b.value)).slice(0, most / 4));
  const every = complete.length / (most - best.size);
  return complete.filter(
    (trial, i) => best.has(trial) || Math.floor(i / every) !== Math.floor((i - 1) / every),
  );
}

/** Value against each parameter, a small plot each; null for less than two trials. */
export function sliceChart(study: ReportedStudy, frame: Frame): Drawing | null {
  const space = usedSpace(study);
  const count = Object.keys(space).length;
  if (completeTrials(study.trials).length < 2 || count === 0) return null;
  const columns = Math.min(count, Math.max(2, Math.floor(frame.width / 215)));
  const rows = Math.ceil(count / columns);
  return {
    height: SLICE_HEIGHT * rows + 6,
    option: () => sliceOption(study, space, columns, frame),
  };
}

function sliceOption(
  study: ReportedStudy,
  space: SearchSpace,
  columns: number,
  { theme, width }: Frame,
): EChartsOption {
  const shown = someTrials(study, MOST_SLICED);
  const names = Object.keys(space);
  const range = rangeOf(study);
  const [first, last] = [shown[0]!.number, shown.at(-1)!.number];
  const cell = { width: (width - 46) / columns, height: SLICE_HEIGHT };
  const column = (i: number) => i % columns;
  return {
    grid: names.map((_, i) => ({
      left: 46 + column(i) * cell.width + 6,
      top: Math.floor(i / columns) * cell.height + 10,
      width: cell.width - 18,
      height: cell.height - 58,
    })),
    xAxis: names.map((name, i) => ({
      ...axisLook(theme),
      ...parameterAxis(space[name]!),
      gridIndex: i,
      name: fitted(name, cell.width - 20),
      nameLocation: 'middle' as const,
      nameGap: 22,
      nameTextStyle: { fontSize: 11, color: theme.text },
      splitNumber: 3,
      axisLabel: {
        fontSize: 10,
        hideOverlap: true,
        color: theme.muted,
        formatter: parameterTicks(space[name]!, (cell.width - 18) / choicesOf(space[name]!)),
        ...(isNumeric(space[name]!)
          ? ({ alignMinLabel: 'left', alignMaxLabel: 'right' } as const)
          : { interval: 0 }),
      },
      splitLine: { show: false },
    })),
    yAxis: names.map((_, i) => ({
      ...valueAxis(theme, '', range),
      gridIndex: i,
      axisLabel: {
        show: column(i) === 0,
        showMinLabel: false,
        showMaxLabel: false,
        fontSize: 10,
        color: theme.muted,
        formatter: ticksIn(range),
      },
    })),
    series: names.flatMap((name, i) => {
      const own = shown.filter((trial) => Object.hasOwn(trial.params, name));
      const series = (color: string, symbol: string, trials: readonly CompleteTrial[]) => ({
        type: 'scatter' as const,
        large: true,
        largeThreshold: 200,
        xAxisIndex: i,
        yAxisIndex: i,
        symbol,
        symbolSize: shown.length > 500 ? 3 : 5,
        itemStyle: { color, opacity: 0.85 },
        data: trials.map((trial) => [
          axisValue(space[name]!, trial.params[name]!),
          onAxis(trial.value, range),
          trial.number,
        ]) as never,
      });
      // Thirds of the study by age, drawn as one path each; what lies beyond the axis apart.
      const isOfAge = (trial: Trial, age: number) =>
        Math.min(2, Math.floor((3 * (trial.number - first)) / (last - first + 1))) === age;
      const inside = own.filter(({ value }) => !isBeyond(value, range));
      const outside = own.filter(({ value }) => isBeyond(value, range));
      return [
        series(theme.trial, 'triangle', outside),
        ...theme.ages.map((color, age) =>
          series(
            color,
            'circle',
            inside.filter((trial) => isOfAge(trial, age)),
          ),
        ),
      ];
    }),
  };
}

const choicesOf = (distribution: Distribution): number =>
  isNumeric(distribution) ? 1 : distribution.choices.length;

/**
 * All parameters of each trial as one line, the best on top; a line passes over parameters that its trial does not have.
 * Null for less than two trials or parameters.
 */
export function parallelChart(study: ReportedStudy, frame: Frame): Drawing | null {
  const space = usedSpace(study);
  if (completeTrials(study.trials).length < 2 || Object.keys(space).length < 2) return null;
  return { height: 380, option: () => parallelOption(study, space, frame) };
}

function parallelOption(study: ReportedStudy, space: SearchSpace, { theme, width }: Frame): EChartsOption {
  const shown = someTrials(study, MOST_LINES);
  const names = Object.keys(space);
  const range = rangeOf(study);
  const [low, high] = range;
  const compare = compareValues(study.direction);
  const minimize = study.direction === 'minimize';
  const line = { lineStyle: { color: theme.trial } };
  const metric = fitted(metricName(study), LONGEST_NAME);
  const ticks = ticksIn(range);
  const margin = {
    left: 34,
    right: Math.max(74, 6 * metric.length, ...range.map((end) => 14 + 6 * ticks(end).length)),
  };
  const axis = (dim: number, name: string) => ({
    dim,
    name: fitted(name, LONGEST_NAME),
    nameTextStyle: {
      color: theme.text,
      fontSize: 11,
      align: 'left' as const,
      padding: [0, 0, 0, -6] as never,
    },
    axisLine: line,
    axisTick: line,
    axisLabel: {
      color: theme.muted,
      fontSize: 10,
      showMinLabel: true,
      showMaxLabel: true,
      // Lines pass below.
      textBorderColor: theme.surface,
      textBorderWidth: 2,
    },
  });
  const between = (width - margin.left - margin.right) / names.length;
  const parameter = (dim: number, name: string) => {
    const own = axis(dim, name);
    const formatter = parameterTicks(space[name]!, between - 8);
    // ECharts would write all of many choices on one another.
    const interval = isNumeric(space[name]!)
      ? {}
      : { interval: Math.ceil(choicesOf(space[name]!) / MOST_TICKS) - 1 };
    return {
      ...own,
      ...parameterAxis(space[name]!),
      axisLabel: { ...own.axisLabel, formatter, ...interval },
    };
  };
  const value = axis(names.length, metric);
  return {
    visualMap: {
      show: false,
      dimension: names.length,
      min: low,
      max: high,
      inRange: { color: minimize ? [...theme.ramp] : [...theme.ramp].reverse() },
    },
    parallel: {
      ...margin,
      top: width < 900 ? 84 : 74,
      bottom: 16,
      parallelAxisDefault: {
        nameRotate: 28,
        nameTruncate: { maxWidth: 150 },
        areaSelectStyle: { width: 16, color: theme.reference },
      } as never,
    },
    parallelAxis: [
      ...names.map((name, dim) => parameter(dim, name)),
      {
        ...value,
        axisLabel: { ...value.axisLabel, formatter: ticks },
        type: 'value' as const,
        min: low,
        max: high,
        inverse: minimize, // the best on top
        nameLocation: minimize ? 'start' : 'end',
      },
    ],
    series: [
      {
        type: 'parallel',
        smooth: 0.25,
        lineStyle: { width: 1.3, opacity: shown.length > 200 ? 0.4 : 0.65 },
        emphasis: { lineStyle: { width: 3, opacity: 1 } },
        data: [...shown]
          .sort((a, b) => compare(b.value, a.value))
          .map((trial) => ({
            value: [
              ...names.map((name) =>
                Object.hasOwn(trial.params, name) ? axisValue(space[name]!, trial.params[name]!) : null,
              ),
              onAxis(trial.value, range),
            ],
            trial: trial.number,
          })) as never,
      },
    ],
  };
}
