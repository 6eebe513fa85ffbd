// The plot of a study's progress, in the style of karpathy/autoresearch's progress.png: dots for trials, a step line
// for the running best with its improvements labeled, failures marked below, a reference line. Values beyond the
// axis, infinite ones included, are drawn as triangles at its edge.

import type { EChartsOption, SeriesOption } from 'echarts';
import { counted } from '../base/format.js';
import { isObject } from '../base/valid.js';
import { type CompleteTrial, completeTrials, improvements as improvementsOf } from '../tune/best.js';
import { knownImportances } from '../tune/importance.js';
import type { SearchSpace } from '../tune/types.js';
import { drawnRange, isBeyond, markBeyond, onAxis, type Range, valueAxis } from './axes.js';
import { changedParams, describeChange, shortNumber } from './labels.js';
import { metricName, type ReportedStudy, usedSpace } from './study.js';
import { COLORS } from './svg.js';

/** Labelled improvements are at least this far apart, as a part of the range, unless it is the best. */
const LABEL_GAP = 0.035;
const LABEL_CHANGES = 2;

export type ProgressOptions = {
  /** A value to draw as a line. */
  reference?: number | undefined;
  /** Whether the chart has a title; true unless set. */
  title?: boolean;
  /** Importances that are known, which labels go by; worked out unless given. */
  weights?: Readonly<Record<string, number>>;
};

/** The chart of a study, an option of ECharts. */
export function progressOption(study: ReportedStudy, options: ProgressOptions = {}): EChartsOption {
  const { direction, trials } = study;
  const { reference, weights = knownImportances(trials, direction) } = options;
  const metric = metricName(study);
  const complete = completeTrials(trials);
  const improvements = improvementsOf(trials, direction);
  const pruned = trials.filter((trial) => trial.state === 'pruned');
  const failed = trials.filter((trial) => trial.state === 'fail');
  const lastNumber = trials.at(-1)?.number ?? 0;
  const range = drawnRange(
    complete.map((trial) => trial.value),
    reference === undefined ? [] : [reference],
    direction,
  );
  const [low, high] = range;
  const outside = complete.filter(({ value }) => isBeyond(value, range)).length;
  const counts = [
    counted(trials.length, 'trial'),
    counted(Math.max(0, improvements.length - 1), 'improvement'),
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
      data: complete.map(({ number, value }) => ({
        value: [number, onAxis(value, range)],
        ...markBeyond(value, range),
      })),
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
      data: runningBest(improvements, lastNumber, range),
      silent: true,
    },
    {
      name: 'improvement',
      type: 'scatter',
      symbolSize: 11,
      z: 5,
      itemStyle: { color: COLORS.best, borderColor: '#0b5d2f', borderWidth: 1 },
      label: { show: true, position: 'right', rotate: 28, offset: [2, -7], fontSize: 11, color: '#14693a' },
      data: labelled(study, improvements, range, weights),
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
    xAxis: valueAxis('Trial', [-Math.max(1, lastNumber * 0.02), Math.max(4, lastNumber * 1.04 + 1)]),
    yAxis: valueAxis(`${metric} (${direction === 'minimize' ? 'lower' : 'higher'} is better)`, range, 56),
    series,
  };
}

function runningBest(
  improvements: readonly CompleteTrial[],
  lastNumber: number,
  range: Range,
): [number, number][] {
  const points = improvements.map(({ number, value }): [number, number] => [number, onAxis(value, range)]);
  const best = points.at(-1);
  return best ? [...points, [lastNumber, best[1]]] : [];
}

function labelled(
  study: ReportedStudy,
  improvements: readonly CompleteTrial[],
  range: Range,
  weights: Readonly<Record<string, number>>,
) {
  const lastNumber = study.trials.at(-1)?.number ?? 0;
  const space = usedSpace(study);
  const gap = LABEL_GAP * (range[1] - range[0]);
  let shown: { number: number; value: number } | null = null;
  return improvements.map((trial, i) => {
    const { number } = trial;
    const value = onAxis(trial.value, range);
    const far =
      !shown ||
      Math.abs(value - shown.value) > gap ||
      number - shown.number > LABEL_GAP * Math.max(20, lastNumber);
    const show = far || i === improvements.length - 1;
    if (show) shown = { number, value };
    const formatter = labelOf(study.userAttrs.defaults, space, improvements[i - 1], trial, weights);
    return {
      value: [number, value],
      name: `trial ${number}`,
      label: { show, formatter },
      ...markBeyond(trial.value, range),
    };
  });
}

/**
 * What an improvement is labelled with: the largest changes among the parameters whose influence is known, or the one
 * change there was; its value where neither says what made it better.
 */
function labelOf(
  defaults: unknown,
  space: SearchSpace,
  previous: CompleteTrial | undefined,
  trial: CompleteTrial,
  weights: Readonly<Record<string, number>>,
): string {
  if (!previous)
    return isObject(defaults) && changedParams(defaults, trial.params, space).length === 0
      ? 'defaults'
      : shortNumber(trial.value, 5);
  const changed = changedParams(previous.params, trial.params, space);
  const known = changed.length === 1 ? changed : changed.filter((name) => Object.hasOwn(weights, name));
  const label = known
    .slice(0, LABEL_CHANGES)
    .map((name) => describeChange(name, previous.params, trial.params));
  return label.join(', ') || shortNumber(trial.value, 5);
}
