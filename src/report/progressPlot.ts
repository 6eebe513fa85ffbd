// The plot of a study's course, in the manner of karpathy/autoresearch's progress.png: each trial a dot, the running
// best a line of steps with its improvements labelled, failures as gaps marked below, a reference line.

import type { EChartsOption, SeriesOption } from 'echarts';
import { counted } from '../base/format.js';
import { bestSoFar } from '../tune/progress.js';
import { largestChanges } from './labels.js';
import { completeTrials, drawnRange, metricName, type ReportedStudy, usedSpace } from './study.js';
import { COLORS } from './svg.js';

/** Labelled improvements are at least this far apart, as a part of the range, unless it is the best. */
const LABEL_GAP = 0.035;
const LABEL_CHANGES = 2;

/** The chart of a study. */
export function progressOption(
  study: ReportedStudy,
  options: { reference?: number | undefined; title?: boolean } = {},
): EChartsOption {
  const { direction, trials } = study;
  const { reference } = options;
  const metric = metricName(study);
  const minimize = direction === 'minimize';
  const complete = completeTrials(study);
  const improvements = bestSoFar(complete, direction);
  const pruned = trials.filter((trial) => trial.state === 'pruned');
  const failed = trials.filter((trial) => trial.state === 'fail');
  const lastNumber = trials.at(-1)?.number ?? 0;
  const [low, high] =
    complete.length > 0
      ? drawnRange(
          complete.map((trial) => trial.value),
          reference === undefined ? [] : [reference],
          minimize,
        )
      : [0, 1];
  const outside = complete.filter(({ value }) => value < low || value > high).length;
  const counts = [
    counted(trials.length, 'trial'),
    `${Math.max(0, improvements.length - 1)} improvements`,
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
    ...(pruned.length > 0 ? [`${pruned.length} pruned`] : []),
    ...(outside > 0 ? [`${outside} beyond the axis`] : []),
  ];
  const series: SeriesOption[] = [
    {
      name: 'trial',
      type: 'scatter',
      symbolSize: 6,
      itemStyle: { color: COLORS.trial, opacity: 0.75 },
      data: complete.map(({ number, value }) => [number, value]),
      clip: true,
      ...(reference !== undefined && {
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: COLORS.reference, type: 'dashed', width: 1.5 },
          label: { formatter: `reference ${reference}`, position: 'insideEndTop', color: COLORS.reference },
          data: [{ yAxis: reference }],
        },
      }),
    },
    {
      name: 'running best',
      type: 'line',
      step: 'end',
      symbol: 'none',
      lineStyle: { color: COLORS.best, width: 2.5, opacity: 0.75 },
      itemStyle: { color: COLORS.best },
      data: runningBest(improvements, lastNumber),
      silent: true,
    },
    {
      name: 'improvement',
      type: 'scatter',
      symbolSize: 11,
      z: 5,
      itemStyle: { color: COLORS.best, borderColor: '#0b5d2f', borderWidth: 1 },
      label: { show: true, position: 'right', rotate: 28, offset: [2, -7], fontSize: 11, color: '#14693a' },
      data: labelled(study, improvements, high - low, lastNumber),
    },
    {
      name: 'failed',
      type: 'scatter',
      symbol: 'path://M0,0L10,10M10,0L0,10',
      symbolSize: 8,
      itemStyle: { color: 'transparent', borderColor: COLORS.fail, borderWidth: 1.6 },
      data: failed.map(({ number }) => [number, low + 0.02 * (high - low)]),
    },
  ];
  return {
    ...(options.title !== false && {
      title: {
        text: `${study.name}: ${counts.join(', ')}`,
        left: 'center',
        top: 8,
        textStyle: { fontSize: 17, fontWeight: 600, color: COLORS.text },
      },
    }),
    grid: { left: 78, right: 40, top: options.title === false ? 30 : 56, bottom: 56 },
    legend: {
      itemGap: 26,
      data: ['trial', 'improvement', 'running best', ...(failed.length > 0 ? ['failed'] : [])],
      right: 44,
      top: options.title === false ? 0 : 40,
    },
    tooltip: { trigger: 'item' },
    xAxis: axis('Trial', { min: -Math.max(1, lastNumber * 0.02), max: Math.max(4, lastNumber * 1.04 + 1) }),
    yAxis: axis(`${metric} (${minimize ? 'lower' : 'higher'} is better)`, { min: low, max: high }, 56),
    series,
  };
}

function axis(name: string, range: { min: number; max: number }, nameGap = 32) {
  return {
    type: 'value' as const,
    name,
    nameLocation: 'middle' as const,
    nameGap,
    ...range,
    nameTextStyle: { fontSize: 13, color: COLORS.text },
    axisLine: { show: true, onZero: false, lineStyle: { color: '#555' } },
    axisLabel: { showMinLabel: false, showMaxLabel: false, color: '#444' },
    splitLine: { lineStyle: { color: COLORS.grid } },
  };
}

function runningBest(improvements: ReturnType<typeof bestSoFar>, lastNumber: number): [number, number][] {
  const points = improvements.map(({ number, value }): [number, number] => [number, value]);
  const best = points.at(-1);
  return best ? [...points, [lastNumber, best[1]]] : [];
}

function labelled(
  study: ReportedStudy,
  improvements: ReturnType<typeof bestSoFar>,
  range: number,
  lastNumber: number,
) {
  const space = usedSpace(study);
  let shown: { number: number; value: number } | null = null;
  return improvements.map(({ number, value, trial }, i) => {
    const previous = improvements[i - 1];
    const last = i === improvements.length - 1;
    const far =
      !shown ||
      Math.abs(value - shown.value) > LABEL_GAP * range ||
      number - shown.number > LABEL_GAP * Math.max(20, lastNumber);
    const text = previous
      ? largestChanges(previous.trial.params, trial.params, space, LABEL_CHANGES).join(', ')
      : number === 0
        ? 'defaults'
        : 'first';
    const show = far || last;
    if (show) shown = { number, value };
    return { value: [number, value], name: `trial ${number}`, label: { show, formatter: text } };
  });
}
