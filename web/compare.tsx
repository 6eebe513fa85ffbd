// Two trials side by side, or this study against another by their running best.

import { useCallback, useEffect, useState } from 'preact/hooks';
import { studiesChart, trialsChart } from '../src/report/comparison.js';
import { intermediateCurves, lossPoints } from '../src/report/curves.js';
import { isOfSeveral, metricNames, outcomesOf } from '../src/report/study.js';
import type { Drawing, Frame } from '../src/report/theme.js';
import { bestTrial, improvements } from '../src/tune/best.js';
import { Chart } from './chart.js';
import { differenceText, secondsText, stateText, valuesText, valueText } from './format.js';
import type { Found } from './page.js';
import { AsTable, Panel, Tabs } from './panel.js';
import { fetchStudy, type ShownStudy, store, useStore } from './store.js';
import { ParamTable } from './trialDialog.js';

export function Compare(props: Found) {
  const others = useStore(() => store.list).filter(({ key, error }) => key !== props.study.key && !error);
  const [mode, setMode] = useState<'trials' | 'studies'>('trials');
  if (props.study.trials.length < 2 && others.length === 0) return null;
  return (
    <Panel
      id="compare"
      title="Compare"
      wide
      tools={
        others.length > 0 ? (
          <Tabs
            label="What to compare"
            names={['trials', 'studies'] as const}
            chosen={mode}
            onChoose={setMode}
            text={(name) => `two ${name}`}
          />
        ) : undefined
      }
    >
      {mode === 'trials' ? <TwoTrials {...props} /> : <TwoStudies {...props} keys={others} />}
    </Panel>
  );
}

function TwoTrials({ study, best, front }: Found) {
  const { trials } = study;
  const [chosen, choose] = useState<[number | null, number | null]>([null, null]);
  const first = chosen[0] ?? best?.number ?? front[0]?.number ?? 0;
  const numbers = [first, chosen[1] ?? (first === 0 ? 1 : 0)].map((n) => Math.min(n, trials.length - 1));
  const [a, b] = numbers.map((number) => trials[number]);
  const curves = [a, b].flatMap((trial) => {
    if (!trial) return [];
    const points = lossPoints(trial.loss);
    return points.length > 0 ? [{ trial, points }] : intermediateCurves([trial]);
  });
  const signature = curves.map(({ trial, points }) => `${trial.number} ${points.length}`).join();
  const draw = useCallback(
    (frame: Frame): Drawing | null => trialsChart(curves, frame),
    [study.key, signature],
  );
  if (!a || !b) return null;
  const input = (at: 0 | 1) => (
    <label>
      {at === 0 ? 'Trial' : 'against trial'}{' '}
      <input
        type="number"
        min={0}
        max={trials.length - 1}
        value={numbers[at]}
        onInput={(event) => {
          const number = event.currentTarget.valueAsNumber;
          if (Number.isInteger(number) && trials[number])
            choose(at === 0 ? [number, chosen[1]] : [chosen[0], number]);
        }}
      />
    </label>
  );
  const both = a.state === 'complete' && b.state === 'complete' && !isOfSeveral(study);
  const facts = [a, b].map(
    (trial) => `${valuesText(outcomesOf(study, trial)) || stateText(trial)} in ${secondsText(trial)}`,
  );
  const difference = both && differenceText(a.value!, b.value!, study);
  return (
    <div class="compare">
      <p class="pick">
        {input(0)} {input(1)}
        <span>
          {metricNames(study).join(', ')} {facts.join(' against ')}
          {difference && `: ${difference}`}
        </span>
      </p>
      <ParamTable
        study={study}
        columns={[
          [`trial ${a.number}`, a.params],
          [`trial ${b.number}`, b.params],
        ]}
      />
      {curves.length > 0 && (
        <>
          <Chart draw={draw} label={`Learning curves of trials ${a.number} and ${b.number}.`} />
          <AsTable
            table={() => ({
              head: ['trial', 'step, or % of the budget', 'value'],
              rows: curves.flatMap(({ trial, points }) =>
                points.map(([x, y]) => [trial.number, Number(x.toPrecision(4)), valueText(y)]),
              ),
            })}
          />
        </>
      )}
    </div>
  );
}

function TwoStudies({ study, best, keys }: Found & { keys: typeof store.list }) {
  const [key, setKey] = useState(keys[0]!.key);
  const [other, setOther] = useState<ShownStudy | null>(null);
  const [problem, setProblem] = useState('');
  const trials = keys.find((entry) => entry.key === key)?.trials;
  // The other study is read again when it has grown.
  useEffect(() => {
    let current = true;
    fetchStudy(key).then(
      (found) => {
        if (!current) return;
        setOther(found);
        setProblem('');
      },
      (error: Error) => current && setProblem(error.message),
    );
    return () => {
      current = false;
    };
  }, [key, trials]);
  const draw = useCallback(
    (frame: Frame) => (other ? studiesChart([study, other], frame) : null),
    [study, other],
  );
  const second = other && bestTrial(other.trials, other.direction);
  const count = (shown: ShownStudy) =>
    `${shown.trials.length} trials, ${Math.max(0, improvements(shown.trials, shown.direction).length - 1)} improvements`;
  return (
    <div class="compare">
      <p class="pick">
        <label>
          {study.name} against{' '}
          <select value={key} onChange={(event) => setKey(event.currentTarget.value)}>
            {keys.map((entry) => (
              <option value={entry.key}>
                {entry.name} · {entry.where}
              </option>
            ))}
          </select>
        </label>
        {problem && <span role="alert">{problem}</span>}
        {isOfSeveral(study) && <span>by {study.metric}, the first objective</span>}
        {best && second && other.direction === study.direction && (
          <span>
            {valueText(best.value)} ({count(study)}) against {valueText(second.value)} ({count(other)}):{' '}
            {differenceText(best.value, second.value, study)}
          </span>
        )}
      </p>
      <Chart
        draw={draw}
        label={other ? `Running best of ${study.name} and ${other.name} over their trials.` : 'Loading'}
      />
      {other && (
        <AsTable
          table={() => ({
            head: ['study', 'trial', `best ${study.metric}`],
            rows: [study, other].flatMap(({ name, trials, direction }) =>
              improvements(trials, direction).map(({ number, value }) => [name, number, valueText(value)]),
            ),
          })}
        />
      )}
      {best && second && (
        <ParamTable
          study={study}
          columns={[
            [study.name, best.params],
            [other.name, second.params],
          ]}
        />
      )}
    </div>
  );
}
