// Learning curves on top of each other.

import { bestTrial } from '../tune/best.js';
import type { Trial } from '../tune/types.js';
import { drawnRange, fitted, markBeyond, onAxis, roomFor, valueAxis } from './axes.js';
import type { Point } from './pageData.js';
import type { ReportedStudy } from './study.js';
import type { Drawing, Frame } from './theme.js';

/** Curves that are drawn at most, besides the best trial's. */
export const MOST_CURVES = 150;

/** A trial's learning curve: (x, value) in order. */
export type Curve = { trial: Trial; points: readonly (readonly [number, number])[] };

/** Training loss over the percentage of the budget used, from its share. */
export const lossPoints = (points: readonly Point[]) =>
  points.map(([x, value]) => [100 * x, value ?? Number.NaN] as const);

/** Intermediate values over the course of each trial. */
export const intermediateCurves = (trials: readonly Trial[]): Curve[] =>
  trials
    .map((trial) => ({ trial, points: [...trial.intermediate].sort(([a], [b]) => a - b) }))
    .filter(({ points }) => points.some(([, value]) => !Number.isNaN(value)));

/** Curves on top of each other: the last trials' and the best one's. */
export function curvesChart(
  curves: readonly Curve[],
  names: { x: string; y: string },
  study: ReportedStudy,
  { theme, width }: Frame,
): Drawing | null {
  if (curves.length === 0) return null;
  const best = bestTrial(study.trials, study.direction);
  const kept = curves.filter(({ trial }, i) => trial === best || i >= curves.length - MOST_CURVES);
  const range = drawnRange(
    kept.flatMap(({ points }) => points.map(([, value]) => value)),
    [],
    study.direction,
  );
  const color = (trial: Trial) =>
    trial === best
      ? theme.best
      : ({ pruned: theme.pruned, fail: theme.fail, running: theme.reference }[trial.state as string] ??
        theme.trial);
  const dash = ({ state }: Trial) =>
    state === 'pruned' || state === 'fail' ? ('dashed' as const) : ('solid' as const);
  const left = roomFor(range, 54);
  return {
    height: 300,
    option: () => ({
      grid: { left, right: 14, top: 10, bottom: 42 },
      xAxis: valueAxis(theme, names.x, [], 26),
      yAxis: { ...valueAxis(theme, fitted(names.y, 240), range, left - 14) },
      series: kept.map(({ trial, points }) => ({
        id: `trial ${trial.number}`,
        type: 'line' as const,
        showSymbol: points.length === 1,
        triggerLineEvent: true,
        symbolSize: 4,
        z: trial === best ? 5 : trial.state === 'running' ? 4 : 2,
        lineStyle: {
          width: trial === best || trial.state === 'running' ? 2.4 : 1.1,
          color: color(trial),
          type: dash(trial),
          opacity: trial === best || trial.state === 'running' ? 1 : width < 560 ? 0.45 : 0.6,
        },
        itemStyle: { color: color(trial) },
        data: points
          .filter(([, value]) => !Number.isNaN(value))
          .map(([step, value]) => ({ value: [step, onAxis(value, range)], ...markBeyond(value, range) })),
      })),
    }),
  };
}
