// The panels with charts.

import { useCallback, useMemo, useState } from 'preact/hooks';
import { counted } from '../src/base/format.js';
import { onAxis } from '../src/report/axes.js';
import {
  type Curve,
  curvesChart,
  type Frame,
  importanceChart,
  intermediateCurves,
  MOST_SLICED,
  parallelChart,
  sliceChart,
  timelineChart,
  workerOf,
} from '../src/report/charts.js';
import { frontOption, sortedFront } from '../src/report/frontPlot.js';
import { shortNumber } from '../src/report/labels.js';
import { beyondNote, progressOption, progressView } from '../src/report/progressPlot.js';
import { confirmedOf, metricNames } from '../src/report/study.js';
import { Chart, Panel, Tabs } from './chart.js';
import {
  bestBefore,
  changesText,
  defaultsOf,
  differenceText,
  secondsText,
  stateText,
  timeText,
  valueText,
} from './format.js';
import type { Found } from './page.js';
import { store } from './store.js';

type Picking = Found & { onPick: (trial: number) => void };

/** The card beside a trial's point: its value, and what changed from the best before it. */
export function hintOf({ study, steps }: Found) {
  return (number: number) => {
    const trial = study.trials[number];
    if (!trial) return null;
    const before = bestBefore(steps, number);
    const from = before?.params ?? defaultsOf(study);
    const changes = from ? changesText(study, from, trial.params, 6) : [];
    return (
      <>
        <strong>
          Trial {number}
          {trial.state === 'complete' ? ` · ${valueText(trial.value)}` : ` · ${stateText(trial)}`}
        </strong>
        {before && trial.value !== null && trial.state === 'complete' && (
          <span>
            {differenceText(trial.value, before.value!, study)} than trial {before.number}, the best before
          </span>
        )}
        {changes.length > 0 && (
          <ul>
            {changes.map((change) => (
              <li>{change}</li>
            ))}
          </ul>
        )}
        {from && changes.length === 0 && Object.keys(trial.params).length > 0 && (
          <span>the same configuration</span>
        )}
        <small>{secondsText(trial)}</small>
      </>
    );
  };
}

export function Progress({ study, best, steps, onPick }: Picking) {
  const { weights, reference } = study.head;
  const view = useMemo(() => progressView(study, reference ?? undefined), [study]);
  const draw = useCallback(
    ({ width, theme }: Frame) => {
      const height = width < 560 ? 330 : 440;
      const options = { weights, title: false, size: [width, height] as const, theme };
      return {
        height,
        option: progressOption(study, { ...options, ...(reference !== null && { reference }) }),
      };
    },
    [study],
  );
  const points = useCallback(
    () => view.complete.map(({ number, value }) => [number, onAxis(value, view.range), number] as const),
    [view],
  );
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
  const note = beyondNote(view);
  const noise = view.noise;
  return (
    <Panel
      id="history"
      title="Progress"
      wide
      note={
        <span class="legend">
          <span class="key trial">trial</span>
          <span class="key best">improvement</span>
          <span class="key line">running best</span>
          {view.pruned.length > 0 && <span class="key pruned">pruned ({view.pruned.length})</span>}
          {view.failed.length > 0 && <span class="key fail">failed ({view.failed.length})</span>}
          {noise && (
            <span class="key band">defaults ± one standard deviation of {counted(noise.runs, 'run')}</span>
          )}
          {view.violating.length > 0 && (
            <span class="key ring">beyond a constraint ({view.violating.length})</span>
          )}
          {view.confirmed.length > 0 && <span class="key confirmed">mean on fresh seeds, 95% interval</span>}
          {note && <span class="key beyond">{note}</span>}
        </span>
      }
      table={() => ({
        head: ['trial', study.metric, 'changed from the improvement before'],
        rows: steps.map((trial, i) => [
          trial.number,
          valueText(trial.value),
          i === 0 ? 'the first value' : changesText(study, steps[i - 1]!.params, trial.params, 4).join(', '),
        ]),
      })}
    >
      <Chart
        draw={draw}
        points={points}
        hint={hint}
        onPick={onPick}
        label={`${study.metric} of ${counted(view.complete.length, 'complete trial')}, ${steps.length === 0 ? 'none yet' : `${counted(steps.length - 1, 'improvement')}, the best ${shortNumber(best!.value, 6)} in trial ${best!.number}`}.`}
      />
    </Panel>
  );
}

/** Two objectives: the values of all trials, and the front. */
export function Front({ study, best, steps, onPick }: Picking) {
  const two = { ...study, directions: study.head.directions };
  const front = sortedFront(study.trials, study.head.directions);
  const draw = useCallback(
    ({ width, theme }: Frame) => ({
      height: width < 560 ? 330 : 440,
      option: frontOption(two, { theme, title: false }),
    }),
    [study],
  );
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
  const names = metricNames(study);
  return (
    <Panel
      id="front"
      title="Pareto front"
      wide
      note={
        <span class="legend">
          <span class="key trial">trial</span>
          <span class="key best">no other trial is better in both ({front.length})</span>
          <span class="key ring">beyond a constraint</span>
        </span>
      }
      table={() => ({
        head: ['trial', ...names],
        rows: front.map(({ number, values }) => [number, ...values!.map((value) => valueText(value))]),
      })}
    >
      <Chart
        draw={draw}
        hint={hint}
        onPick={onPick}
        label={`${names.join(' against ')}: ${counted(front.length, 'trial')} in the Pareto front.`}
      />
    </Panel>
  );
}

/** The best trials and the defaults, run again on fresh seeds. */
export function Confirmed({ study, onPick }: Picking) {
  const candidates = confirmedOf(study.userAttrs);
  if (candidates.length === 0) return null;
  return (
    <Panel
      id="confirmation"
      title="Confirmed on fresh seeds"
      wide
      note="The best of many noisy values looks too good; means over seeds that the search did not use do not."
    >
      <div class="scroll">
        <table class="confirmed">
          <thead>
            <tr>
              {['trial', 'in the search', 'mean', '95% of the mean', 'runs'].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {candidates.map(({ trial, mean, interval, values, isWinner }) => (
              <tr key={trial} class={isWinner ? 'best' : ''}>
                <td>
                  {trial === null ? (
                    'defaults'
                  ) : (
                    <button type="button" class="link" onClick={() => onPick(trial)}>
                      {trial}
                    </button>
                  )}
                </td>
                <td>{valueText((trial === null ? study.trials[0] : study.trials[trial])?.value ?? null)}</td>
                <td>{valueText(mean)}</td>
                <td>{interval ? `${valueText(interval[0])} to ${valueText(interval[1])}` : '–'}</td>
                <td>{values.length}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

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
const finishedKey = ({ study }: Found) =>
  `${study.key} ${study.trials.filter(({ state }) => state === 'complete').length}`;

export function Slices({ study, best, steps, onPick }: Picking) {
  const key = finishedKey({ study, best, steps });
  const draw = useCallback((frame: Frame) => sliceChart(study, frame), [key]);
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
  const some = study.trials.length > MOST_SLICED;
  return (
    <Panel
      id="slices"
      title="Slices"
      wide
      note={`${study.metric} against each parameter; later trials are darker, or lighter on dark.${some ? ` The best and others, ${MOST_SLICED.toLocaleString('en-US')} in all.` : ''}`}
    >
      <Chart
        draw={draw}
        hint={hint}
        onPick={onPick}
        label={`${study.metric} against each parameter; the trials below are the same as a table.`}
      />
    </Panel>
  );
}

export function Parallel({ study, best, steps, onPick }: Picking) {
  const key = finishedKey({ study, best, steps });
  const draw = useCallback((frame: Frame) => parallelChart(study, frame), [key]);
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
  const axes = Object.keys(study.head.space).length + 1;
  return (
    <Panel
      id="parallel"
      title="Parallel coordinates"
      wide
      note="A line per trial, the best ones strongest. Drag along an axis to select; click the axis to undo."
    >
      <Chart
        draw={draw}
        hint={hint}
        onPick={onPick}
        leastWidth={57 * axes}
        label="All parameters of each trial as a line; the trials below are the same as a table."
      />
    </Panel>
  );
}

export function Curves({ study, best, steps, onPick }: Picking) {
  const live = store.live?.running ?? [];
  const inner = intermediateCurves(study.trials);
  const losses: Curve[] = study.trials.flatMap((trial) => {
    const now = live.find((running) => running.trial === trial.number)?.curve;
    const points = (trial.state === 'running' && now ? now : trial.loss).map(
      ([x, y]) => [100 * x, y ?? Number.NaN] as const,
    );
    return points.length > 0 ? [{ trial, points }] : [];
  });
  const [chosen, choose] = useState<'intermediate' | 'loss' | null>(null);
  const shown = chosen ?? (losses.length > 0 && inner.length === 0 ? 'loss' : 'intermediate');
  const curves = shown === 'loss' ? losses : inner;
  const names =
    shown === 'loss' ? { x: '% of the budget', y: 'training loss' } : { x: 'step', y: study.metric };
  const signature = curves
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
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
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
      <Chart
        draw={draw}
        hint={hint}
        onPick={onPick}
        label={`${counted(curves.length, 'learning curve')}: ${names.y} over ${names.x}.`}
      />
    </Panel>
  );
}

export function Timeline({ study, best, steps, onPick }: Picking) {
  const now = store.live?.time ?? Date.now();
  const isRunning = study.trials.some(({ state }) => state === 'running');
  const draw = useCallback(
    (frame: Frame) => timelineChart(study, now, frame),
    [study, isRunning ? Math.floor(now / 3000) : 0],
  );
  const hint = useMemo(() => hintOf({ study, best, steps }), [study]);
  return (
    <Panel
      id="timeline"
      title="Timeline"
      wide
      note={
        <span class="legend">
          <span class="key block complete">complete</span>
          <span class="key block pruned">pruned</span>
          <span class="key block fail">failed</span>
          <span class="key block running">running</span>
          <span>a row for each worker</span>
        </span>
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
      <Chart draw={draw} hint={hint} onPick={onPick} label="When each trial ran, by worker." />
    </Panel>
  );
}
