// Charts that compare: the learning curves of trials, and the running best of studies.

import { completeTrials, improvements } from '../tune/best.js';
import { drawnRange, improvementRange, onAxis, valueAxis } from './axes.js';
import type { Curve } from './curves.js';
import { metricName, type ReportedStudy } from './study.js';
import type { Drawing, Frame } from './theme.js';

const GRID = { left: 58, right: 96, top: 12, bottom: 42 };
/** The name of a line at its end: no legend to look up. */
const endLabel = (name: string, color: string, room: number) => ({
  show: true,
  formatter: name.replace(/[{}]/g, ''),
  color,
  width: room,
  overflow: 'truncate' as const,
});
/** Names that would stand on one another move apart. */
const apart = { moveOverlap: 'shiftY' as const };

/** Learning curves of a few trials, each named at its end. */
export function trialsChart(curves: readonly Curve[], { theme }: Frame): Drawing | null {
  if (curves.length === 0) return null;
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const range = drawnRange(values, [], 'minimize');
  return {
    height: 260,
    option: {
      grid: GRID,
      xAxis: valueAxis(theme, 'step, or % of the budget', [], 26),
      yAxis: valueAxis(theme, '', range),
      series: curves.map(({ trial, points }, i) => ({
        type: 'line' as const,
        showSymbol: points.length === 1,
        lineStyle: {
          color: theme.series[i]!,
          width: 2,
          type: i === 0 ? ('solid' as const) : ('dashed' as const),
        },
        itemStyle: { color: theme.series[i]! },
        labelLayout: apart,
        endLabel: endLabel(`trial ${trial.number}`, theme.series[i]!, GRID.right - 12),
        data: points
          .filter(([, value]) => !Number.isNaN(value))
          .map(([x, value]) => [x, onAxis(value, range)]),
      })),
    },
  };
}

/** The running best of studies over their trials. */
export function studiesChart(studies: readonly ReportedStudy[], { theme }: Frame): Drawing | null {
  const lines = studies.map((study) => improvements(study.trials, study.direction));
  if (lines.every((line) => line.length === 0)) return null;
  const { direction } = studies[0]!;
  const ranges = studies.map(({ trials }) =>
    improvementRange(
      completeTrials(trials).map(({ value }) => value),
      [],
      direction,
    ),
  );
  const range = [
    Math.min(...ranges.map(([low]) => low)),
    Math.max(...ranges.map(([, high]) => high)),
  ] as const;
  const last = Math.max(...studies.map(({ trials }) => trials.length - 1));
  return {
    height: 280,
    option: {
      grid: { ...GRID, right: 130 },
      xAxis: valueAxis(theme, 'Trial', [0, Math.max(1, last)], 26),
      yAxis: valueAxis(theme, metricName(studies[0]!), range, 42),
      series: studies.map(({ name, trials }, i) => {
        const points = lines[i]!.map(({ number, value }) => [number, onAxis(value, range)]);
        return {
          type: 'line' as const,
          step: 'end' as const,
          symbol: 'none',
          lineStyle: {
            color: theme.series[i]!,
            width: 2.2,
            type: i === 0 ? ('solid' as const) : ('dashed' as const),
          },
          itemStyle: { color: theme.series[i]! },
          labelLayout: apart,
          endLabel: endLabel(name, theme.series[i]!, 118),
          data: points.length > 0 ? [...points, [trials.length - 1, points.at(-1)![1]]] : [],
        };
      }),
    },
  };
}
