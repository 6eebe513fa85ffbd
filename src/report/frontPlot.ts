// The plot of a study of several objectives: all trials by their first two values, the Pareto front, of two objectives as a
// line, trials that violate a constraint as rings.

import type { EChartsOption } from 'echarts';
import { counted } from '../base/format.js';
import { isFeasible } from '../tune/constraints.js';
import { lossesOf, paretoFront } from '../tune/pareto.js';
import type { Direction, Trial } from '../tune/types.js';
import { drawnRange, fitted, onAxis, type Range, roomFor, valueAxis } from './axes.js';
import { metricNames, type ReportedStudy } from './study.js';
import { hollow, LIGHT, type Theme } from './theme.js';

/** The front's trials, sorted by the first value. */
export function sortedFront<T extends Trial>(trials: readonly T[], directions: readonly Direction[]): T[] {
  return paretoFront(trials, directions).sort((a, b) => a.values![0]! - b.values![0]! || a.number - b.number);
}

/** The chart, an option of ECharts. */
export function frontOption(
  study: ReportedStudy & { directions: readonly Direction[] },
  options: { theme?: Theme; title?: boolean } = {},
): EChartsOption {
  const { theme = LIGHT } = options;
  const { trials, directions } = study;
  const names = metricNames(study);
  const complete = trials.filter((trial) => lossesOf(trial, directions) !== null);
  const front = sortedFront(trials, directions);
  const ranges = directions.slice(0, 2).map(
    (direction, k): Range =>
      drawnRange(
        complete.map(({ values }) => values![k]!),
        [],
        direction,
      ),
  );
  const at = ({ number, values }: Trial) => [...ranges.map((range, k) => onAxis(values![k]!, range)), number];
  const inFront = new Set<Trial>(front);
  const violating = complete.filter((trial) => !isFeasible(trial));
  const feasible = complete.filter((trial) => isFeasible(trial) && !inFront.has(trial));
  const counts = [
    counted(trials.length, 'trial'),
    `${front.length} in the front`,
    ...(violating.length > 0 ? [`${violating.length} beyond a constraint`] : []),
  ];
  const left = roomFor(ranges[1]!, 90);
  const better = directions.map((direction) => (direction === 'minimize' ? 'lower' : 'higher'));
  return {
    ...(options.title !== false && {
      title: {
        text: `${study.name}: ${counts.join(', ')}`,
        left: 'center',
        top: 8,
        textStyle: { fontSize: 17, fontWeight: 600, color: theme.text },
      },
    }),
    grid: { left, right: 40, top: options.title === false ? 12 : 70, bottom: 56 },
    legend: {
      show: options.title !== false,
      right: 44,
      top: 40,
      data: ['trial', ...(violating.length > 0 ? ['beyond a constraint'] : []), 'Pareto front'],
    },
    xAxis: valueAxis(theme, `${names[0]} (${better[0]} is better)`, ranges[0]!),
    yAxis: valueAxis(theme, `${fitted(names[1]!, 200)} (${better[1]} is better)`, ranges[1]!, left - 22),
    series: [
      {
        name: 'trial',
        type: 'scatter',
        symbolSize: 6,
        itemStyle: { color: theme.trial },
        data: feasible.map(at),
      },
      {
        name: 'beyond a constraint',
        type: 'scatter',
        symbol: 'circle',
        symbolSize: 6,
        itemStyle: hollow(theme.fail),
        data: violating.map(at),
      },
      {
        name: 'Pareto front',
        type: 'line',
        symbol: 'circle',
        symbolSize: 9,
        lineStyle: { color: theme.best, width: directions.length === 2 ? 2 : 0 },
        itemStyle: { color: theme.best },
        data: front.map(at),
      },
    ],
  };
}
