// The plot of a study's progress, in the style of karpathy/autoresearch's progress.png: dots for trials, a step line for
// the running best with its improvements labeled, a reference line, the noise of the default configuration. The axis
// follows the region in which the study improved; values beyond it, infinite ones included, are triangles at its edge.
// Pruned and failed trials have no value and get a lane of their own below.

import type { EChartsOption, SeriesOption } from 'echarts';
import { counted } from '../base/format.js';
import { knownImportances } from '../tune/importance.js';
import { axisLook, fitted, isBeyond, LEVELS, onAxis, type Range, roomFor, valueAxis } from './axes.js';
import { improvementLabels, shortNumber } from './labels.js';
import { type Box, leadOf, placeLabels } from './placement.js';
import { beyondNote, progressView } from './progressView.js';
import { metricName, type ReportedStudy } from './study.js';
import { hollow, LIGHT, type Theme } from './theme.js';

const LABEL_FONT = 11;
/** Width of a letter of a label at most. */
const LETTER = 7.1;
const LANE = 16;
/** Half the size of a mark that labels keep clear of. */
const MARK = 6;
/** A line's name: its distance from the right end, its height with the distance from the line. */
const LINE_GAP = 5;
const LINE_ROOM = 19;
/** Many points are drawn as one. */
const LARGE = { large: true, largeThreshold: 400 };

export type ProgressOptions = {
  /** A value to draw as a line. */
  reference?: number | undefined;
  /** Whether the chart has a title, a legend and its counts; true unless set. */
  title?: boolean;
  /** Importances that are known, which labels go by; worked out unless given. */
  weights?: Readonly<Record<string, number>>;
  /** Width and height in pixels, which labels are placed by; 1280 x 640 unless set. */
  size?: readonly [width: number, height: number];
  theme?: Theme;
};

/** The chart of a study, an option of ECharts. */
export function progressOption(study: ReportedStudy, options: ProgressOptions = {}): EChartsOption {
  const { direction, trials } = study;
  const { reference, weights = knownImportances(trials, direction), theme = LIGHT } = options;
  const titled = options.title !== false;
  const view = progressView(study, reference);
  const { complete, improvements, noise, confirmed, violating, range, pruned, failed, beyond } = view;
  const lastNumber = trials.at(-1)?.number ?? 0;
  const xRange: Range = [-Math.max(1, lastNumber * 0.015), Math.max(4, lastNumber * 1.015 + 1)];

  const [width, height] = options.size ?? [1280, 640];
  const lanes = [
    { name: 'failed', color: theme.fail, trials: failed, symbol: 'path://M0,0L10,10M10,0L0,10' },
    { name: 'pruned', color: theme.pruned, trials: pruned, symbol: 'diamond' },
  ].filter((lane) => lane.trials.length > 0);
  const left = roomFor(range, width < 560 ? 66 : 78);
  const right = width < 560 ? 14 : 36;
  const top = titled ? 84 : 12;
  const bottom = 50;
  const laneHeight = lanes.length * LANE;
  const gap = lanes.length > 0 ? 8 : 0;
  const grid: Box = {
    left,
    right: width - right,
    top,
    bottom: Math.max(top + 40, height - bottom - laneHeight - gap),
  };

  const pixel = ([x, y]: readonly [number, number]): [number, number] => [
    grid.left + ((x - xRange[0]) / (xRange[1] - xRange[0])) * (grid.right - grid.left),
    grid.bottom - ((y - range[0]) / (range[1] - range[0])) * (grid.bottom - grid.top),
  ];
  const atPixel = ([x, y]: readonly [number, number]): [number, number] => [
    xRange[0] + ((x - grid.left) / (grid.right - grid.left)) * (xRange[1] - xRange[0]),
    range[0] + ((grid.bottom - y) / (grid.bottom - grid.top)) * (range[1] - range[0]),
  ];
  // Lines with a name at their right end: over the line, but under the lower one of two.
  const levels = [
    ...(reference === undefined
      ? []
      : [{ yAxis: reference, name: `reference ${shortNumber(reference, 6)}` }]),
    ...(noise === null ? [] : [{ yAxis: noise.mean, name: `defaults, ${noise.runs} runs` }]),
  ];
  const lines = levels.map(({ yAxis, name }) => {
    const isOver = levels.every((other) => other.yAxis <= yAxis);
    const [, y] = pixel([0, yAxis]);
    const sides = { left: grid.right - LINE_GAP - name.length * LETTER, right: grid.right - LINE_GAP };
    return {
      yAxis,
      label: {
        formatter: name,
        position: isOver ? ('insideEndTop' as const) : ('insideEndBottom' as const),
        color: theme.reference,
        fontSize: LABEL_FONT,
      },
      boxes: [
        { ...sides, top: isOver ? y - LINE_ROOM : y, bottom: isOver ? y : y + LINE_ROOM },
        { left: grid.left, right: grid.right, top: y - 1, bottom: y + 1 },
      ],
    };
  });
  // Marks that may stand beyond the running best, where the labels are.
  const around = (x: number, ...values: number[]): Box => {
    const at = values.map((value) => pixel([x, onAxis(value, range)]));
    const ys = at.map(([, y]) => y);
    const [[px]] = at as [[number, number]];
    return { left: px - MARK, right: px + MARK, top: Math.min(...ys) - MARK, bottom: Math.max(...ys) + MARK };
  };
  const marks = [
    ...confirmed.map(({ trial, mean, interval }) => around(trial!, mean, ...(interval ?? []))),
    ...violating.map(({ number, value }) => around(number, value)),
  ];
  const points = improvements.map(({ number, value }): [number, number] => [number, onAxis(value, range)]);
  const best = points.at(-1);
  const labels = improvementLabels(study, improvements, weights, width < 560 ? 26 : 48);
  const places = placeLabels(
    points.map(pixel),
    labels.map((text) => [text.length * LETTER, LABEL_FONT + 3]),
    grid,
    direction === 'minimize' ? 1 : -1,
    [...lines.flatMap(({ boxes }) => boxes), ...marks],
  );
  const note = beyondNote(view);
  const counts = [
    counted(trials.length, 'trial'),
    counted(Math.max(0, improvements.length - 1), 'improvement'),
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
    ...(pruned.length > 0 ? [`${pruned.length} pruned`] : []),
  ];

  const series: SeriesOption[] = [
    {
      name: 'trial',
      type: 'scatter',
      ...LARGE,
      symbolSize: complete.length > 3000 ? 3 : width < 560 ? 5 : 6,
      itemStyle: { color: theme.trial, opacity: complete.length > 3000 ? 0.45 : 0.8 },
      data: complete
        .filter(({ value }) => !isBeyond(value, range))
        .map(({ number, value }) => [number, value, number]),
      ...(lines.length > 0 && {
        markLine: {
          ...LEVELS,
          lineStyle: { color: theme.reference, type: 'dashed', width: 1.3 },
          data: lines.map(({ yAxis, label }) => ({ yAxis, label })),
        },
      }),
      ...(noise !== null && {
        markArea: {
          silent: true,
          itemStyle: { color: theme.reference, opacity: 0.1 },
          data: [[{ yAxis: noise.mean - noise.deviation }, { yAxis: noise.mean + noise.deviation }]],
        },
      }),
    },
    ...(['above', 'below'] as const).map(
      (side): SeriesOption => ({
        name: `${side} the axis`,
        type: 'scatter',
        ...LARGE,
        symbol: 'triangle',
        symbolSize: beyond.length > 500 ? 4 : 6,
        symbolRotate: side === 'above' ? 0 : 180,
        itemStyle: { color: theme.trial, opacity: beyond.length > 500 ? 0.35 : 0.9 },
        data: beyond
          .filter(({ value }) => value > range[1] === (side === 'above'))
          .map(({ number, value }) => [number, onAxis(value, range), number]),
      }),
    ),
    {
      name: 'running best',
      type: 'line',
      step: 'end',
      symbol: 'none',
      lineStyle: { color: theme.best, width: 2.2, opacity: 0.8 },
      itemStyle: { color: theme.best },
      data: best ? [...points, [lastNumber, best[1]]] : [],
      silent: true,
    },
    {
      name: 'improvement',
      type: 'scatter',
      symbolSize: width < 560 ? 8 : 10,
      z: 5,
      // Labels are as opaque as their dots.
      itemStyle: { color: theme.best, borderColor: theme.surface, borderWidth: 1.5, opacity: 1 },
      // From dots to labels that had to move away.
      markLine: {
        silent: true,
        symbol: 'none',
        label: { show: false },
        lineStyle: { color: theme.best, width: 1, opacity: 0.45, type: 'solid' },
        data: points.flatMap((point, i) => {
          const place = places[i];
          const lead = place && leadOf(place);
          if (!lead) return [];
          const [x, y] = pixel(point);
          return [[{ coord: point }, { coord: atPixel([x + lead[0], y + lead[1]]) }] as never];
        }),
      },
      data: improvements.map(({ number, value }, i) => {
        const place = places[i];
        return {
          value: [...points[i]!, number],
          ...(isBeyond(value, range) && { symbol: 'triangle', symbolRotate: value < range[0] ? 180 : 0 }),
          label: place
            ? {
                show: true,
                formatter: labels[i]!.replace(/[{}]/g, ''),
                position: place.side,
                offset: [0, place.dy],
                distance: 7,
                color: theme.best,
                fontSize: LABEL_FONT,
                ...(i === improvements.length - 1 && { fontWeight: 'bold' as const }),
              }
            : { show: false },
        };
      }),
    },
    ...(violating.length === 0
      ? []
      : [
          {
            name: 'beyond a constraint',
            type: 'scatter',
            ...LARGE,
            symbol: 'circle',
            symbolSize: 9,
            itemStyle: hollow(theme.fail, 2),
            data: violating.map(({ number, value }) => [number, onAxis(value, range), number]),
          } satisfies SeriesOption,
        ]),
    ...(confirmed.length === 0
      ? []
      : [
          {
            name: 'mean on fresh seeds',
            type: 'scatter',
            symbol: 'diamond',
            symbolSize: 11,
            z: 6,
            itemStyle: hollow(theme.reference, 2),
            data: confirmed.map(({ trial, mean }) => [trial, onAxis(mean, range), trial]),
            // Their 95% intervals.
            markLine: {
              silent: true,
              symbol: 'none',
              label: { show: false },
              lineStyle: { color: theme.reference, width: 1.5, type: 'solid' },
              data: confirmed.flatMap(({ trial, interval }) =>
                interval
                  ? [[...interval].map((value) => ({ coord: [trial, onAxis(value, range)] })) as never]
                  : [],
              ),
            },
          } satisfies SeriesOption,
        ]),
    ...lanes.map(
      ({ name, color, symbol, trials: inLane }, i): SeriesOption => ({
        name,
        type: 'scatter',
        symbol,
        ...LARGE,
        symbolSize: inLane.length > 500 ? 4 : 7,
        xAxisIndex: 1,
        yAxisIndex: 1,
        itemStyle: hollow(color),
        data: inLane.map(({ number }) => [number, i, number]),
      }),
    ),
  ];
  const xAxis = { ...valueAxis(theme, 'Trial', xRange), minInterval: 1 };
  // As large as the labels were placed by: ECharts would shrink each grid by its own axis' texts.
  const across = { left: grid.left, right, outerBoundsMode: 'none' as const };
  const own = { ...across, top: grid.top, height: grid.bottom - grid.top };
  const below = { ...across, top: grid.bottom + gap, height: laneHeight };
  return {
    ...(titled && {
      title: [
        {
          text: `${study.name}: ${counts.join(', ')}`,
          left: 'center',
          top: 8,
          textStyle: {
            fontSize: 17,
            fontWeight: 600,
            color: theme.text,
            width: width - 60,
            overflow: 'truncate',
          },
        },
        {
          text: note && `▲ ${note}`,
          right,
          top: 58,
          textStyle: { fontSize: LABEL_FONT + 1, fontWeight: 400, color: theme.muted },
        },
      ],
      legend: {
        itemGap: 24,
        left: 'center',
        top: 36,
        textStyle: { color: theme.text },
        data: [
          ...['trial', 'improvement', 'running best'],
          ...(violating.length > 0 ? ['beyond a constraint'] : []),
          ...(confirmed.length > 0 ? ['mean on fresh seeds'] : []),
          ...lanes.map(({ name }) => name),
        ],
      },
    }),
    grid: lanes.length > 0 ? [own, below] : own,
    xAxis:
      lanes.length > 0
        ? [
            { ...xAxis, name: '', axisLabel: { show: false }, axisTick: { show: false } },
            { ...xAxis, gridIndex: 1, axisLine: { show: false } },
          ]
        : xAxis,
    yAxis: [
      valueAxis(
        theme,
        `${fitted(metricName(study), grid.bottom - grid.top - 110)} (${direction === 'minimize' ? 'lower' : 'higher'} is better)`,
        range,
        left - 16,
      ),
      ...(lanes.length > 0
        ? [
            {
              type: 'category' as const,
              gridIndex: 1,
              data: lanes.map(({ name }) => name),
              ...axisLook(theme),
              axisLine: { show: false },
              axisTick: { show: false },
              splitLine: { show: false },
              axisLabel: { color: theme.muted, interval: 0 },
            },
          ]
        : []),
    ],
    series,
  };
}
