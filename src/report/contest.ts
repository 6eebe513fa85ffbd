// The published comparison for a contest: a table, and the running best of each sampler over its seeds.

import type { EChartsOption } from 'echarts';
import { counted } from '../base/format.js';
import { isBetter } from '../tune/best.js';
import type { ContestTable, Race } from '../tune/contest.js';
import { mean, median } from '../tune/math/order.js';
import type { Direction } from '../tune/types.js';
import { onAxis, type Range, valueAxis, widened } from './axes.js';
import { alignColumns } from './table.js';
import { LIGHT } from './theme.js';

const fixed = (value: number | null | undefined): string =>
  value === null || value === undefined || Number.isNaN(value) ? '-' : value.toFixed(4);

/** The table as text, with what may be read from it and what not. */
export function contestText({ standings, defaults, reference, direction }: ContestTable): string {
  const head = ['sampler', 'median', 'best', '95% of the mean', 'better', 'runs', 'failed'];
  if (reference !== null) head.push(`${direction === 'minimize' ? '<' : '>'} ${reference}`);
  const rows = standings.map((row) => [
    row.sampler,
    fixed(row.median),
    fixed(row.winner?.value),
    row.interval ? `${fixed(row.interval[0])}..${fixed(row.interval[1])}` : '-',
    Number.isFinite(row.improvementPercent) ? `${row.improvementPercent.toFixed(2)}%` : '-',
    `${row.runs}`,
    `${row.failed}`,
    ...(reference !== null ? [`${row.betterThanReference}`] : []),
  ]);
  const { deviation } = defaults;
  const noise = deviation !== null && Number.isFinite(deviation) ? deviation.toExponential(1) : 'unknown';
  const lines = [
    '---',
    alignColumns([head, ...rows]),
    '',
    `defaults on fresh seeds: mean ${fixed(defaults.mean)}, standard deviation ${noise} (${counted(defaults.values.length, 'run')});`,
    'samplers whose medians differ by less than that are tied.',
    '',
    'winners on fresh seeds (the best of many noisy values looks too good, by the difference):',
    alignColumns([
      ['sampler', 'in the contest', 'again', 'difference'],
      ...standings.flatMap(({ sampler, winner }) => {
        if (!winner || winner.again.length === 0) return [];
        const again = mean(winner.again);
        return [[sampler, fixed(winner.value), fixed(again), fixed(again - winner.value)]];
      }),
    ]),
  ];
  return lines.join('\n');
}

/**
 * Median running best of each sampler, its seeds as thin lines, the defaults' mean dashed. Infinite values lie at the
 * edge of the axis.
 */
export function contestOption(races: readonly Race[], table: ContestTable): EChartsOption {
  const samplers = table.standings.map((row) => row.sampler);
  const length = races.reduce((most, race) => Math.max(most, race.trials.length), 0);
  const curves = races.map((race) => ({
    sampler: race.sampler,
    curve: runningBest(race, table.direction, length),
  }));
  const medians = samplers.map((sampler) => {
    const own = curves.filter((entry) => entry.sampler === sampler).map((entry) => entry.curve);
    return Array.from({ length }, (_, i) =>
      own.some((c) => c[i] !== null) ? median(own.flatMap((c) => c[i] ?? [])) : null,
    );
  });
  const drawn = [...medians.flat(), table.defaults.mean, table.reference].filter((value): value is number =>
    Number.isFinite(value),
  );
  const range: Range = widened(drawn.length > 0 ? drawn : [0, 1], 0.08);
  const line = (value: number, name: string) => ({
    yAxis: value,
    name,
    label: { formatter: name, position: 'insideEndTop' as const },
  });
  return {
    title: {
      text: 'Running best val_bpb, median over seeds',
      left: 'center',
      top: 8,
      textStyle: { fontSize: 17 },
    },
    legend: { top: 36, itemGap: 26, data: samplers },
    grid: { left: 78, right: 40, top: 72, bottom: 56 },
    xAxis: { ...valueAxis(LIGHT, 'Trial'), max: length - 1 },
    yAxis: valueAxis(LIGHT, 'val_bpb (lower is better)', range, 56),
    series: samplers.flatMap((sampler, i) => {
      const color = LIGHT.series[i % LIGHT.series.length]!;
      const points = (curve: readonly (number | null)[]) =>
        curve.flatMap((value, x) =>
          value === null || Number.isNaN(value) ? [] : [[x, onAxis(value, range)]],
        );
      return [
        {
          name: sampler,
          type: 'line' as const,
          step: 'end' as const,
          symbol: 'none',
          z: 4,
          lineStyle: { width: 3, color },
          itemStyle: { color },
          data: points(medians[i]!),
          ...(i === 0 && {
            markLine: {
              silent: true,
              symbol: 'none',
              lineStyle: { type: 'dashed' as const, color: '#777' },
              data: [
                line(table.defaults.mean, 'defaults'),
                ...(table.reference === null ? [] : [line(table.reference, 'reference')]),
              ].filter((entry) => Number.isFinite(entry.yAxis)),
            },
          }),
        },
        ...curves
          .filter((entry) => entry.sampler === sampler)
          .map((entry) => ({
            type: 'line' as const,
            step: 'end' as const,
            symbol: 'none',
            silent: true,
            lineStyle: { width: 1, color, opacity: 0.35 },
            data: points(entry.curve),
          })),
      ];
    }),
  };
}

/** Best value after each trial; null before the first complete one. */
function runningBest({ trials }: Race, direction: Direction, length: number): (number | null)[] {
  let best: number | null = null;
  return Array.from({ length }, (_, i) => {
    const trial = trials[i];
    if (trial?.state === 'complete' && (best === null || isBetter(trial.value!, best, direction)))
      best = trial.value;
    return best;
  });
}
