// The other panels with charts: parameters, learning curves, the timeline.

import { useCallback, useMemo, useState } from 'preact/hooks';
import { counted } from '../src/base/format.js';
import {
  type Curve,
  curvesChart,
  intermediateCurves,
  lossPoints,
  MOST_CURVES,
} from '../src/report/curves.js';
import { describeParam } from '../src/report/labels.js';
import { importanceChart, MOST_SLICED, parallelChart, sliceChart } from '../src/report/paramCharts.js';
import type { Frame } from '../src/report/theme.js';
import { isByWorker, timelineChart, workerOf } from '../src/report/timeline.js';
import { compareValues, completeTrials } from '../src/tune/best.js';
import { Chart } from './chart.js';
import { secondsText, stateText, timeText, valueText } from './format.js';
import type { Found, Picking } from './page.js';
import { Legend, Panel, type TableData, Tabs } from './panel.js';
import { type ShownStudy, store, useStore } from './store.js';
import { TrialChart } from './trialChart.js';

export function Importances({ study }: Found) {
  const { weights } = study.head;
  const key = JSON.stringify(weights);
  const draw = useCallback((frame: Frame) => importanceChart(weights, frame), [key]);
  const entries = Object.entries(weights);
  return (
    <Panel
      id="importances"
      title="Importances"
      note={
        entries.length === 0
          ? 'No parameter stands out yet: the best tenth of the trials differs from all no more than random tenths do.'
          : 'How far the best tenth of the trials differs from all (PED-ANOVA), for parameters where it does so more than random tenths.'
      }
      {...(entries.length > 0 && {
        table: () => ({
          head: ['parameter', 'importance'],
          rows: entries.map(([name, weight]) => [name, weight.toFixed(3)]),
        }),
      })}
    >
      {entries.length > 0 && (
        <Chart
          draw={draw}
          label={`Importances: ${entries.map(([name, weight]) => `${name} ${(100 * weight).toFixed(0)}%`).join(', ')}.`}
        />
      )}
    </Panel>
  );
}

/** What charts of complete trials depend on: they need not be drawn again while others run. */
const finishedKey = (study: ShownStudy) => `${study.loaded} ${completeTrials(study.trials).length}`;

/** Complete trials with their parameters, the best first. */
function paramsTable(study: ShownStudy): TableData {
  const names = Object.keys(study.head.space);
  const compare = compareValues(study.direction);
  return {
    head: ['trial', study.metric, ...names.map((name) => describeParam(name, 0)[0])],
    rows: completeTrials(study.trials)
      .sort((a, b) => compare(a.value, b.value))
      .map(({ number, value, params }) => [
        number,
        valueText(value),
        ...names.map((name) => (Object.hasOwn(params, name) ? describeParam(name, params[name])[1] : '–')),
      ]),
  };
}

export function Slices(found: Picking) {
  const { study } = found;
  const key = finishedKey(study);
  const draw = useCallback((frame: Frame) => sliceChart(study, frame), [key]);
  const some = study.trials.length > MOST_SLICED;
  return (
    <Panel
      id="slices"
      title="Slices"
      wide
      note={`${study.metric} against each parameter; later trials are darker, or lighter on dark.${some ? ` The best and others, ${MOST_SLICED.toLocaleString('en-US')} in all.` : ''}`}
      table={() => paramsTable(study)}
    >
      <TrialChart {...found} draw={draw} label={`${study.metric} against each parameter.`} />
    </Panel>
  );
}

export function Parallel(found: Picking) {
  const { study } = found;
  const key = finishedKey(study);
  const draw = useCallback((frame: Frame) => parallelChart(study, frame), [key]);
  const axes = Object.keys(study.head.space).length + 1;
  return (
    <Panel
      id="parallel"
      title="Parallel coordinates"
      wide
      note="A line per trial, the best ones strongest. Drag along an axis to select; click the axis to undo."
      table={() => paramsTable(study)}
    >
      <TrialChart
        {...found}
        draw={draw}
        leastWidth={57 * axes}
        label="All parameters of each trial as a line."
      />
    </Panel>
  );
}

export function Curves(found: Picking) {
  const { study, best } = found;
  const live = useStore(() => store.live)?.running;
  const inner = useMemo(() => intermediateCurves(study.trials), [study]);
  const losses: Curve[] = study.trials.flatMap((trial) => {
    const now = trial.state === 'running' && live?.find((running) => running.trial === trial.number)?.curve;
    const points = lossPoints(now || trial.loss);
    return points.length > 0 ? [{ trial, points }] : [];
  });
  const [chosen, choose] = useState<'intermediate' | 'loss' | null>(null);
  const shown = chosen ?? (losses.length > 0 && inner.length === 0 ? 'loss' : 'intermediate');
  const curves = shown === 'loss' ? losses : inner;
  const names =
    shown === 'loss' ? { x: '% of the budget', y: 'training loss' } : { x: 'step', y: study.metric };
  const signature = curves
    .slice(-MOST_CURVES)
    .map(({ trial, points }) => `${trial.number}:${trial.state}:${points.length}`)
    .join();
  const draw = useCallback(
    (frame: Frame) =>
      curvesChart(
        curves,
        names,
        { ...study, direction: shown === 'loss' ? 'minimize' : study.direction },
        frame,
      ),
    [signature, shown, best?.number],
  );
  return (
    <Panel
      id="curves"
      title="Learning curves"
      note="The best is green and thick, running ones blue; pruned and failed ones are dashed."
      tools={
        losses.length > 0 && inner.length > 0 ? (
          <Tabs
            label="Which curves"
            names={['intermediate', 'loss'] as const}
            chosen={shown}
            onChoose={choose}
            text={(kind) => (kind === 'loss' ? 'training loss' : study.metric)}
          />
        ) : undefined
      }
      {...(curves.length > 0 && {
        table: () => ({
          head: ['trial', 'state', 'points', 'last'],
          rows: curves.map(({ trial, points }) => [
            trial.number,
            stateText(trial as Found['study']['trials'][number]),
            points.length,
            valueText(points.at(-1)?.[1] ?? null),
          ]),
        }),
      })}
    >
      <TrialChart
        {...found}
        draw={draw}
        label={`${counted(curves.length, 'learning curve')}: ${names.y} over ${names.x}.`}
      />
    </Panel>
  );
}

export function Timeline(found: Picking) {
  const { study } = found;
  const now = useStore(() => store.live)?.time ?? Date.now();
  const isRunning = study.trials.some(({ state }) => state === 'running');
  const byWorker = useMemo(() => isByWorker(study.trials, now), [study]);
  const draw = useCallback(
    (frame: Frame) => timelineChart(study, now, frame),
    [study, isRunning ? Math.floor(now / 3000) : 0],
  );
  return (
    <Panel
      id="timeline"
      title="Timeline"
      wide
      note={
        <Legend
          keys={[
            ['block complete', 'complete'],
            ['block pruned', 'pruned'],
            ['block fail', 'failed'],
            ['block running', 'running'],
            ['', byWorker ? 'a row for each worker' : 'as many rows as ran at once'],
          ]}
        />
      }
      table={() => ({
        head: ['trial', 'worker', 'started', 'took', 'state'],
        rows: study.trials
          .filter(({ start }) => start !== null)
          .reverse()
          .map((trial) => [
            trial.number,
            workerOf(trial) ?? '–',
            timeText(trial.start),
            secondsText(trial),
            stateText(trial),
          ]),
      })}
    >
      <TrialChart {...found} draw={draw} label="When each trial ran, by worker." />
    </Panel>
  );
}
