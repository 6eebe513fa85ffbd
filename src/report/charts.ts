// The charts of report.html except the progress plot: importances, slices, parallel coordinates, learning curves and
// the timeline. Each is a plain ECharts option (JSON), drawn in the reader's browser.

import type { EChartsOption } from 'echarts';
import { bestTrial, compareValues, completeTrials } from '../tune/best.js';
import { lastStep } from '../tune/pruners/steps.js';
import type { SearchSpace, Trial } from '../tune/types.js';
import { axisValue, BEYOND_NOTE, drawnRange, markBeyond, onAxis, parameterAxis, valueAxis } from './axes.js';
import { describeParam, failReason, secondsOf, shortNumber } from './labels.js';
import { metricName, type ReportedStudy, usedSpace } from './study.js';
import { COLORS } from './svg.js';

/** A chart with its heading and height in pixels. */
export type Panel = { id: string; title: string; note: string; height: number; option: EChartsOption };

/** Best to worst. */
const VALUE_COLORS = ['#0b5d2f', '#1a9850', '#91cf60', '#d9ef8b', '#fee08b', '#fc8d59', '#d0d3da'];
const SLICE_COLUMNS = 4;
const MOST_CURVES = 200;

/** Importances as bars; none where none is known. */
export function importancePanel(weights: Readonly<Record<string, number>>): Panel | null {
  const entries = Object.entries(weights).sort(([, a], [, b]) => a - b);
  if (entries.length === 0) return null;
  return {
    id: 'importances',
    title: 'Parameter importances',
    note: 'PED-ANOVA: how far the best tenth of the trials differs from all, for each parameter where it does so more than random tenths.',
    height: 60 + 24 * entries.length,
    option: {
      grid: { left: 190, right: 60, top: 10, bottom: 30 },
      tooltip: {},
      xAxis: valueAxis(''),
      yAxis: { type: 'category', data: entries.map(([name]) => name) },
      series: [
        {
          type: 'bar',
          barMaxWidth: 16,
          itemStyle: { color: COLORS.reference },
          label: { show: true, position: 'right', formatter: '{c}' },
          data: entries.map(([, weight]) => Number(weight.toFixed(3))),
        },
      ],
    },
  };
}

/** Value against each parameter, a small plot each. */
export function slicePanel(study: ReportedStudy): Panel | null {
  const complete = completeTrials(study.trials);
  const space = usedSpace(study);
  const names = Object.keys(space);
  if (complete.length < 2 || names.length === 0) return null;
  const range = rangeOf(study);
  const rows = Math.ceil(names.length / SLICE_COLUMNS);
  const columns = Math.min(SLICE_COLUMNS, names.length);
  const place = (i: number) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [width, height] = [100 / columns, 100 / rows];
    return {
      left: `${column * width + 3.5}%`,
      top: `${row * height + 2}%`,
      width: `${width - 5}%`,
      height: `${height - (rows > 3 ? 11 : 9)}%`,
    };
  };
  return {
    id: 'slices',
    title: 'Slices',
    note: `${metricName(study)} against each parameter; later trials are darker. ${BEYOND_NOTE}`,
    height: 190 * rows + 20,
    option: {
      tooltip: { trigger: 'item' },
      visualMap: {
        show: false,
        dimension: 2,
        min: complete[0]!.number,
        max: complete.at(-1)!.number,
        inRange: { color: ['#c9d6e8', '#4a6fa5', '#14315c'] },
      },
      grid: names.map((_, i) => place(i)),
      xAxis: names.map((name, i) => ({
        ...valueAxis(name, [], 22),
        ...parameterAxis(space[name]!),
        gridIndex: i,
        nameTextStyle: { fontSize: 11 },
        axisLabel: { fontSize: 10, hideOverlap: true },
        splitLine: { show: false },
      })),
      yAxis: names.map((_, i) => ({
        ...valueAxis('', range),
        gridIndex: i,
        axisLabel: { show: i % columns === 0, showMinLabel: false, showMaxLabel: false, fontSize: 10 },
      })),
      series: names.map((name, i) => ({
        type: 'scatter' as const,
        xAxisIndex: i,
        yAxisIndex: i,
        symbolSize: 6,
        data: complete
          .filter((trial) => Object.hasOwn(trial.params, name))
          .map((trial) => ({
            name: `trial ${trial.number}`,
            value: [axisValue(trial.params[name]), onAxis(trial.value, range), trial.number] as never,
            ...markBeyond(trial.value, range),
          })),
      })),
    },
  };
}

const rangeOf = ({ trials, direction }: ReportedStudy) =>
  drawnRange(
    completeTrials(trials).map(({ value }) => value),
    [],
    direction,
  );

/** All parameters of each trial as one line. */
export function parallelPanel(study: ReportedStudy): Panel | null {
  const complete = completeTrials(study.trials);
  const space = usedSpace(study);
  const names = Object.keys(space).filter((name) =>
    complete.every((trial) => Object.hasOwn(trial.params, name)),
  );
  if (complete.length < 2 || names.length < 2) return null;
  const range = rangeOf(study);
  const [low, high] = range;
  const compare = compareValues(study.direction);
  return {
    id: 'parallel',
    title: 'Parallel coordinates',
    note: 'One line per trial, the best ones green; values beyond the axis end at its edge. Drag along an axis to filter; click it to undo.',
    height: 420,
    option: {
      visualMap: {
        show: false,
        dimension: names.length,
        min: low,
        max: high,
        inRange: { color: study.direction === 'minimize' ? VALUE_COLORS : [...VALUE_COLORS].reverse() },
      },
      parallel: {
        left: 60,
        right: 80,
        top: 70,
        bottom: 30,
        parallelAxisDefault: { nameRotate: 25, nameTruncate: { maxWidth: 180 } } as never,
      },
      parallelAxis: [
        ...names.map((name, dim) => ({ dim, name, ...parameterAxis(space[name]!) })),
        {
          dim: names.length,
          name: metricName(study),
          type: 'value' as const,
          min: Number(low.toPrecision(4)),
          max: Number(high.toPrecision(4)),
        },
      ],
      series: [
        {
          type: 'parallel',
          smooth: true,
          lineStyle: { width: 1.4, opacity: 0.6 },
          // The best are drawn last, on top.
          data: [...complete]
            .sort((a, b) => compare(b.value, a.value))
            .map((trial) => [
              ...names.map((name) => axisValue(trial.params[name])),
              onAxis(trial.value, range),
            ]) as never,
        },
      ],
    },
  };
}

/** Intermediate values over the course of each trial. */
export function curvesPanel(study: ReportedStudy): Panel | null {
  const reported = study.trials.filter((trial) => trial.intermediate.size > 0);
  if (reported.length === 0) return null;
  const best = bestTrial(study.trials, study.direction);
  const kept = reported.slice(-MOST_CURVES);
  const range = drawnRange(
    kept.flatMap((trial) => [...trial.intermediate.values()]),
    [],
    study.direction,
  );
  const color = (trial: Trial) =>
    trial === best
      ? COLORS.best
      : ({ pruned: COLORS.pruned, fail: COLORS.fail }[trial.state as string] ?? COLORS.trial);
  return {
    id: 'curves',
    title: 'Learning curves',
    note: `Intermediate values${reported.length > MOST_CURVES ? ` of the last ${MOST_CURVES} trials` : ''}; pruned trials are amber, the best is green. ${BEYOND_NOTE}`,
    height: 360,
    option: {
      grid: { left: 70, right: 30, top: 20, bottom: 50 },
      tooltip: { trigger: 'item' },
      xAxis: valueAxis('step'),
      yAxis: valueAxis('', range),
      series: kept.map((trial) => ({
        name: `trial ${trial.number}`,
        type: 'line' as const,
        symbolSize: 4,
        z: trial === best ? 5 : 2,
        lineStyle: { width: trial === best ? 3 : 1.2, color: color(trial), opacity: 0.8 },
        itemStyle: { color: color(trial) },
        data: [...trial.intermediate]
          .filter(([, value]) => !Number.isNaN(value))
          .sort(([a], [b]) => a - b)
          .map(([step, value]) => ({ value: [step, onAxis(value, range)], ...markBeyond(value, range) })),
      })),
    },
  };
}

/** When each trial ran. */
export function timelinePanel(study: ReportedStudy): Panel | null {
  const ran = study.trials.filter((trial) => secondsOf(trial) !== null);
  if (ran.length < 2) return null;
  const begin = ran.reduce((first, trial) => Math.min(first, trial.start!), Infinity);
  const groups: [string, string, (trial: Trial) => boolean][] = [
    ['complete', COLORS.best, (trial) => trial.state === 'complete'],
    ['pruned', COLORS.pruned, (trial) => trial.state === 'pruned'],
    ['failed', COLORS.fail, (trial) => trial.state === 'fail'],
  ];
  const minutes = (time: number) => Number(((time - begin) / 60_000).toFixed(4));
  return {
    id: 'timeline',
    title: 'Timeline',
    note: 'When each trial ran, in minutes from the first; trials of several workers overlap in time.',
    height: Math.min(520, 120 + 8 * ran.length),
    option: {
      grid: { left: 60, right: 30, top: 40, bottom: 50 },
      legend: { top: 5, right: 30 },
      tooltip: { trigger: 'item' },
      xAxis: valueAxis('minutes'),
      yAxis: { ...valueAxis('trial', [-1, study.trials.length]), inverse: true },
      series: groups.map(([name, color, is]) => ({
        name,
        type: 'line' as const,
        itemStyle: { color },
        lineStyle: { color, width: 4, cap: 'round' as const },
        symbolSize: 5,
        connectNulls: false,
        data: ran
          .filter(is)
          .flatMap((trial) => [
            { name: `trial ${trial.number}`, value: [minutes(trial.start!), trial.number] },
            { name: `trial ${trial.number}`, value: [minutes(trial.end!), trial.number] },
            [null, null] as never,
          ]),
      })),
    },
  };
}

/** Rows of the trial table: number, state, value, seconds, then the parameters. */
export function tableRows(study: ReportedStudy): { head: string[]; rows: (string | number)[][] } {
  const space: SearchSpace = usedSpace(study);
  const names = Object.keys(space);
  const head = [
    'trial',
    'state',
    metricName(study),
    'seconds',
    ...names.map((name) => describeParam(name, 0)[0]),
  ];
  const rows = study.trials.map((trial) => [
    trial.number,
    trial.state === 'fail'
      ? failReason(trial)
      : trial.state === 'pruned'
        ? `pruned at ${lastStep(trial) ?? '-'}`
        : trial.state,
    // A pruned trial has only its last intermediate value, which is no result to compare with.
    trial.state === 'complete' ? Number(trial.value!.toFixed(6)) : '',
    Number((secondsOf(trial) ?? 0).toFixed(1)),
    ...names.map((name) =>
      Object.hasOwn(trial.params, name) ? describeParam(name, trial.params[name])[1] : '',
    ),
  ]);
  return {
    head,
    rows: rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell : shortNumber(cell)))),
  };
}
