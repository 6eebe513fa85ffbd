// Charts that compare: the learning curves of trials, and the running best of studies.

import { completeTrials, improvements } from '../tune/best.js';
import { drawnRange, fitted, improvementRange, onAxis, type Range, roomFor, valueAxis } from './axes.js';
import type { Curve } from './curves.js';
import { metricName, type ReportedStudy } from './study.js';
import type { Drawing, Frame } from './theme.js';

const GRID = { left: 58, right: 96, top: 12, bottom: 42 };
/** The name of a line at its end, moved by `dy` pixels: no legend to look up. */
const endLabel = (name: string, color: string, room: number, dy = 0) => ({
  show: true,
  formatter: name.replace(/[{}]/g, ''),
  color,
  width: room,
  overflow: 'truncate' as const,
  offset: [0, dy],
});
const NAME_HEIGHT = 15;

/** How many pixels the names of two lines move, so that they do not stand on one another (ECharts moves no end labels). */
export function apart(ends: readonly (number | undefined)[], [low, high]: Range, height: number): number[] {
  const [a, b] = ends.map((value) => value !== undefined && ((high - value) / (high - low)) * height);
  if (typeof a !== 'number' || typeof b !== 'number' || Math.abs(a - b) >= NAME_HEIGHT) return [0, 0];
  const half = (NAME_HEIGHT - Math.abs(a - b)) / 2;
  return a <= b ? [-half, half] : [half, -half];
}

/** Learning curves of a few trials, each named at its end. */
export function trialsChart(curves: readonly Curve[], { theme }: Frame): Drawing | null {
  if (curves.length === 0) return null;
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const range = drawnRange(values, [], 'minimize');
  const lines = curves.map(({ points }) =>
    points.filter(([, value]) => !Number.isNaN(value)).map(([x, value]) => [x, onAxis(value, range)]),
  );
  const height = 260;
  const moves = apart(
    lines.map((line) => line.at(-1)?.[1]),
    range,
    height - GRID.top - GRID.bottom,
  );
  return {
    height,
    option: () => ({
      grid: { ...GRID, left: roomFor(range, GRID.left) },
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
        endLabel: endLabel(`trial ${trial.number}`, theme.series[i]!, GRID.right - 12, moves[i]),
        data: lines[i]!,
      })),
    }),
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
  const height = 280;
  const left = roomFor(range, GRID.left);
  const ends = lines.map((line) => line.at(-1)).map((best) => best && onAxis(best.value, range));
  const moves = apart(ends, range, height - GRID.top - GRID.bottom);
  return {
    height,
    option: () => ({
      grid: { ...GRID, left, right: 130 },
      xAxis: valueAxis(theme, 'Trial', [0, Math.max(1, last)], 26),
      yAxis: valueAxis(theme, fitted(metricName(studies[0]!), 220), range, left - 16),
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
          endLabel: endLabel(name, theme.series[i]!, 118, moves[i]),
          data: points.length > 0 ? [...points, [trials.length - 1, points.at(-1)![1]]] : [],
        };
      }),
    }),
  };
}
