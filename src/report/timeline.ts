// When each trial ran, and what ran it.

import type { CustomSeriesOption } from 'echarts';
import { isObject } from '../base/valid.js';
import type { Trial } from '../tune/types.js';
import { axisLook, valueAxis } from './axes.js';
import { secondsOf } from './labels.js';
import type { ReportedStudy } from './study.js';
import type { Drawing, Frame } from './theme.js';

const MOST_BARS = 4000;
/** With more workers than this, trials share rows. */
const MOST_WORKERS = 40;
/** Height of all rows in pixels at most. */
const TALLEST = 900;

/** What runs a trial: `4711 on host`; null where the study does not say. */
export function workerOf({ systemAttrs }: Trial): string | null {
  const worker = systemAttrs['tinygpt:worker'];
  if (typeof worker === 'string') return worker; // as the page has it
  if (!isObject(worker)) return null;
  const { pid, host } = worker;
  return typeof pid === 'number' && typeof host === 'string' ? `${pid} on ${host}`.slice(0, 100) : null;
}

/** The trials that the timeline shows. */
const shownOf = (trials: readonly Trial[], now: number): Trial[] =>
  trials.filter((trial) => secondsOf(trial, now) !== null).slice(-MOST_BARS);

/** Whether each worker has a row: not where none is known, or too many are. */
export function isByWorker(trials: readonly Trial[], now: number): boolean {
  const workers = new Set(shownOf(trials, now).flatMap((trial) => workerOf(trial) ?? []));
  return workers.size > 0 && workers.size <= MOST_WORKERS;
}

/** When each trial ran, a row for each worker, or as many rows as ran at once. */
export function timelineChart(study: ReportedStudy, now: number, { theme }: Frame): Drawing | null {
  const ran = shownOf(study.trials, now);
  if (ran.length < 2) return null;
  const begin = ran.reduce((first, trial) => Math.min(first, trial.start!), Infinity);
  const end = ran.reduce((last, trial) => Math.max(last, trial.end ?? now), begin);
  const [unit, size] =
    end - begin > 7_200_000
      ? ['hours', 3_600_000]
      : end - begin > 120_000
        ? ['minutes', 60_000]
        : ['seconds', 1000];
  const rows: string[] = [];
  const byWorker = isByWorker(ran, now);
  const busyUntil: number[] = [];
  const rowOf = (trial: Trial): number => {
    const worker = byWorker ? workerOf(trial) : null;
    const known = worker === null ? -1 : rows.indexOf(worker);
    if (known >= 0) return known;
    const free = worker === null ? busyUntil.findIndex((until) => until <= trial.start!) : -1;
    const row = free >= 0 ? free : rows.length;
    rows[row] = worker ?? `${row + 1}`;
    busyUntil[row] = trial.end ?? now;
    return row;
  };
  const colors: Record<string, string> = {
    complete: theme.best,
    pruned: theme.pruned,
    fail: theme.fail,
    running: theme.reference,
  };
  const data = [...ran]
    .sort((a, b) => a.start! - b.start!)
    .map((trial) => ({
      value: [(trial.start! - begin) / size, rowOf(trial), ((trial.end ?? now) - begin) / size, trial.number],
      itemStyle: { color: colors[trial.state] ?? theme.trial },
      trial: trial.number,
    }));
  const renderItem: CustomSeriesOption['renderItem'] = (_, api) => {
    const [x, y] = api.coord([api.value(0), api.value(1)]) as [number, number];
    const [until] = api.coord([api.value(2), api.value(1)]) as [number, number];
    const height = Math.min(14, (api.size!([0, 1]) as number[])[1]! * 0.7);
    return {
      type: 'rect',
      shape: { x, y: y - height / 2, width: Math.max(1, until - x - (until - x > 4 ? 1 : 0)), height, r: 1 },
      style: { fill: api.visual('color') as string },
    };
  };
  const height = Math.min(20, TALLEST / rows.length);
  const named = rows.some((name) => !/^\d+$/.test(name));
  return {
    height: 58 + Math.ceil(height * rows.length),
    option: () => ({
      grid: { left: named ? 118 : 30, right: 14, top: 6, bottom: 42 },
      xAxis: valueAxis(theme, `${unit} from the first trial`, [0, (end - begin) / size], 26),
      yAxis: {
        type: 'category',
        data: rows,
        inverse: true,
        ...axisLook(theme),
        axisTick: { show: false },
        axisLabel: {
          color: theme.muted,
          width: 108,
          overflow: 'truncate',
          interval: height < 14 ? 'auto' : 0,
          fontSize: 11,
        },
      },
      series: [{ type: 'custom', renderItem, encode: { x: [0, 2], y: 1 }, data, clip: true }],
    }),
  };
}
