// The published comparison for a contest: a table, and the running best of each sampler over its seeds.

import type { EChartsOption } from 'echarts';
import { counted } from '../base/format.js';
import { isBetter, signOf } from '../tune/best.js';
import { isFeasible } from '../tune/constraints.js';
import type { ContestTable, Race } from '../tune/contest.js';
import { clockOf, smallestP } from '../tune/contestStatistics.js';
import { mean, median } from '../tune/math/order.js';
import type { Direction } from '../tune/types.js';
import { isBeyond, LEVELS, onAxis, type Range, valueAxis, widened } from './axes.js';
import { valueText } from './labels.js';
import type { References } from './references.js';
import { alignColumns } from './table.js';
import { LIGHT } from './theme.js';

const fixed = (value: number | null | undefined): string =>
  value === null || value === undefined || Number.isNaN(value) ? '-' : valueText(value, 4);

/** The table as text, with what may be read from it and what not. */
export function contestText(table: ContestTable, references: References | null = null): string {
  const { standings, reference, direction } = table;
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
  return [
    '---',
    alignColumns([head, ...rows]),
    ...noiseLines(table),
    ...winnerLines(table),
    ...biasLines(table),
    ...testLines(table),
    ...timeLines(table),
    ...referenceLines(references),
  ].join('\n');
}

function noiseLines({ defaults, defaultsTest }: ContestTable): string[] {
  const { deviation } = defaults;
  const noise = deviation !== null && Number.isFinite(deviation) ? deviation.toExponential(1) : 'unknown';
  const test = defaultsTest.length > 0 ? `, on held-out text ${fixed(mean(defaultsTest))}` : '';
  return [
    '',
    `defaults on fresh seeds: mean ${fixed(defaults.mean)}${test}, standard deviation ${noise} (${counted(defaults.values.length, 'run')});`,
    'samplers whose medians differ by less than that are tied.',
  ];
}

function winnerLines({ standings }: ContestTable): string[] {
  const isTested = standings.some(({ top }) => (top[0]?.test.length ?? 0) > 0);
  return [
    '',
    'winners on fresh seeds (the best of many noisy values looks too good, by the difference):',
    alignColumns([
      ['sampler', 'in the contest', 'again', 'difference', ...(isTested ? ['held-out text'] : [])],
      ...standings.flatMap(({ sampler, winner, top }) => {
        if (!winner || winner.again.length === 0) return [];
        const again = mean(winner.again);
        const test = top[0]?.test ?? [];
        return [
          [
            sampler,
            fixed(winner.value),
            fixed(again),
            fixed(again - winner.value),
            ...(isTested ? [test.length > 0 ? fixed(mean(test)) : '-'] : []),
          ],
        ];
      }),
    ]),
  ];
}

/** What the choice of the best takes away: over the best few, and whether the first of them stays first. */
function biasLines({ standings, direction }: ContestTable): string[] {
  const rows = standings.flatMap(({ sampler, top }) => {
    const known = top.filter(({ values }) => values.length > 0);
    if (known.length < 2) return [];
    const means = known.map(({ values }) => mean(values));
    const searched = mean(known.map((one) => one.searched));
    const better = means.reduce((best, value) => (isBetter(value, best, direction) ? value : best));
    return [
      [
        sampler,
        `${known.length}`,
        fixed(searched),
        fixed(mean(means)),
        fixed(mean(means) - searched),
        `${means.indexOf(better) + 1}`,
      ],
    ];
  });
  if (rows.length === 0) return [];
  return [
    '',
    'the best configurations of each sampler on fresh seeds (means), and which of them is best there:',
    alignColumns([
      ['sampler', 'configurations', 'in the contest', 'again', 'difference', 'best again'],
      ...rows,
    ]),
  ];
}

function testLines({ tests }: ContestTable): string[] {
  if (tests.length === 0) return [];
  const sorted = [...tests].sort((a, b) => a.corrected - b.corrected || a.p - b.p);
  const pairs = Math.min(...tests.map((test) => test.pairs));
  const least = smallestP(pairs);
  return [
    '',
    "best values by seed, Wilcoxon's signed-rank test, two-sided, Holm's correction:",
    alignColumns([
      ['better', 'than', 'seeds', 'by', 'p', 'corrected'],
      ...sorted.map(({ samplers, pairs, difference, p, corrected }) => [
        ...samplers,
        `${pairs}`,
        fixed(difference),
        valueText(p, 3),
        valueText(corrected, 3),
      ]),
    ]),
    ...(least > 0.05
      ? [`${counted(pairs, 'seed')} cannot give a p below ${least}: no difference is established.`]
      : []),
  ];
}

function costOf({ costUsd, unknownCost = 0 }: ContestTable['standings'][number]): string {
  if (costUsd === null) return '-';
  const dollars = `$${costUsd.toFixed(costUsd > 0 && costUsd < 1 ? 4 : 2)}`;
  if (unknownCost === 0) return dollars;
  return costUsd > 0 ? `> ${dollars}` : 'unknown';
}

function timeLines({ standings, levels }: ContestTable): string[] {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  const cell = ({ seconds, trials }: ContestTable['standings'][number]['reached'][number]) =>
    seconds === null ? '-' : `${clock(seconds)} (${Math.ceil(trials!)})`;
  return [
    '',
    'time of a race (asking included), parts of it, and time and trials to each median above (in half of the races):',
    alignColumns([
      ['sampler', 'time', 'asking', 'failed', ...levels.map(fixed), 'cost'],
      ...standings.map((row) => [
        row.sampler,
        row.imported ? `${row.imported.hours.toFixed(1)} h` : clock(row.seconds),
        row.imported ? '-' : percent(row.askShare),
        percent(row.failedShare),
        ...row.reached.map(cell),
        costOf(row),
      ]),
    ]),
  ];
}

function referenceLines(references: References | null): string[] {
  if (!references) return [];
  return [
    '',
    `published: ${references.title}`,
    `(${references.source}; other data, hardware and budget than above)`,
    alignColumns([
      ['', 'value'],
      ...references.lines.map(({ label, value, note }) => [
        note ? `${label} (${note})` : label,
        fixed(value),
      ]),
    ]),
  ];
}

/** `38.3 s`, `3.3 min`, `1.5 h`. */
function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A race's running best as steps: where it changes, and where the race ends. */
type Curve = readonly { x: number; value: number }[];

export type ContestAxis = 'trials' | 'hours';

/** Units of a time axis, the longest first, with the seconds of each. */
const UNITS = [
  ['Hours', 3600],
  ['Minutes', 60],
  ['Seconds', 1],
] as const;

/**
 * Median running best of each sampler, its seeds as thin lines, the defaults' mean dashed. The axis follows the region in
 * which the samplers differ: from the best value to the worst median after a quarter of the races; what lies beyond,
 * infinite values included, is at its edge.
 * @param axis trials, or hours with the time that asking took
 */
export function contestOption(
  races: readonly Race[],
  table: ContestTable,
  { axis = 'trials', references = null }: { axis?: ContestAxis; references?: References | null } = {},
): EChartsOption {
  const samplers = table.standings.map((row) => row.sampler);
  const inHours = races.map((race) => curveOf(race, table.direction, axis));
  const longest = Math.max(0, ...inHours.map((curve) => curve.at(-1)?.x ?? 0));
  const [unit, seconds] = UNITS.find(([, seconds]) => longest * 3600 >= 2 * seconds) ?? UNITS[2];
  const scale = axis === 'trials' ? 1 : 3600 / seconds;
  const end = scale * longest;
  const curves = races.map(({ sampler }, i) => ({
    sampler,
    curve: inHours[i]!.map(({ x, value }) => ({ x: scale * x, value })),
  }));
  const medians = samplers.map((sampler) =>
    medianCurve(
      curves.filter((entry) => entry.sampler === sampler).map((entry) => entry.curve),
      table.direction,
    ),
  );
  const early = medians.map((curve) => (curve.findLast(({ x }) => x <= end / 4) ?? curve[0])?.value);
  const late = medians.map((curve) => curve.at(-1)?.value);
  const { mean: defaults } = table.defaults;
  const winners = table.standings.map(({ winner }) => winner?.value);
  const drawn = [...early, ...late, ...winners, table.reference].filter((value): value is number =>
    Number.isFinite(value),
  );
  const range: Range = widened(drawn.length > 0 ? drawn : [0, 1], 0.08);
  const side = isBeyond(defaults, range) ? `, ${defaults > range[1] ? 'above' : 'below'} the axis` : '';
  const line = (value: number, name: string) => ({
    yAxis: onAxis(value, range),
    name,
    label: { formatter: name, position: 'insideEndTop' as const },
  });
  const published = (references?.lines ?? []).filter(({ value }) => value >= range[0] && value <= range[1]);
  const { metric } = table;
  return {
    title: {
      text: `Running best ${metric}, median over seeds`,
      left: 'center',
      top: 8,
      textStyle: { fontSize: 17 },
    },
    legend: { top: 36, itemGap: 26, data: samplers },
    grid: { left: 78, right: 40, top: 72, bottom: 56 },
    xAxis: {
      ...valueAxis(LIGHT, axis === 'trials' ? 'Trial' : `${unit}, asking included`),
      // Two digits, so that the last label is a short one.
      max: axis === 'trials' ? end : Number((end * 1.05).toPrecision(2)),
    },
    yAxis: valueAxis(
      LIGHT,
      `${metric} (${table.direction === 'minimize' ? 'lower' : 'higher'} is better)`,
      range,
      56,
    ),
    series: samplers.flatMap((sampler, i) => {
      const color = LIGHT.series[i % LIGHT.series.length]!;
      const points = (curve: Curve) =>
        curve.flatMap(({ x, value }) => (Number.isNaN(value) ? [] : [[x, onAxis(value, range)]]));
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
              ...LEVELS,
              lineStyle: { type: 'dashed' as const, color: '#777' },
              data: [
                line(defaults, side ? `defaults ${fixed(defaults)}${side}` : 'defaults'),
                ...(table.reference === null ? [] : [line(table.reference, 'reference')]),
                ...published.map(({ label, value }) => line(value, `${label} (published)`)),
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

/** Where the running best of a race changes, by trial or by hours. */
function curveOf({ trials, imported }: Race, direction: Direction, axis: ContestAxis): Curve {
  const { ends } = clockOf(trials);
  const spread = imported && imported.hours > 0 ? imported.hours / trials.length : null;
  const at = (i: number) =>
    axis === 'trials' ? i : spread !== null ? (i + 1) * spread : (ends[i] ?? Number.NaN) / 3600;
  const steps: { x: number; value: number }[] = [];
  trials.forEach((trial, i) => {
    const best = steps.at(-1)?.value;
    if (
      trial.state === 'complete' &&
      isFeasible(trial) &&
      (best === undefined || isBetter(trial.value!, best, direction))
    )
      steps.push({ x: at(i), value: trial.value! });
  });
  const last = steps.at(-1);
  const end = at(trials.length - 1);
  return last && end > last.x ? [...steps, { x: end, value: last.value }] : steps;
}

/** The median of curves at every place where one of them changes, once half have begun; the others count as the worst. */
function medianCurve(curves: readonly Curve[], direction: Direction): Curve {
  const places = [...new Set(curves.flatMap((curve) => curve.map(({ x }) => x)))].sort((a, b) => a - b);
  const worst = signOf(direction) * Number.POSITIVE_INFINITY;
  return places.flatMap((x) => {
    if (curves.filter(([first]) => first && first.x <= x).length * 2 <= curves.length) return [];
    const values = curves.map((curve) => curve.findLast((step) => step.x <= x)?.value ?? worst);
    return [{ x, value: median(values) }];
  });
}
