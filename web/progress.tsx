// How far the search came: the progress plot, or of two objectives the Pareto front, and what fresh seeds confirmed.

import { useCallback, useMemo } from 'preact/hooks';
import { counted } from '../src/base/format.js';
import { onAxis } from '../src/report/axes.js';
import { frontOption } from '../src/report/frontPlot.js';
import { shortNumber } from '../src/report/labels.js';
import { progressOption } from '../src/report/progressPlot.js';
import { beyondNote, progressView } from '../src/report/progressView.js';
import { confirmedOf, metricNames } from '../src/report/study.js';
import type { Frame } from '../src/report/theme.js';
import { isFeasible } from '../src/tune/constraints.js';
import { changesText, valueText } from './format.js';
import type { Picking } from './page.js';
import { Legend, Panel } from './panel.js';
import { TrialChart } from './trialChart.js';

export function Progress(found: Picking) {
  const { study, best, steps } = found;
  const { weights, reference } = study.head;
  const view = useMemo(() => progressView(study, reference ?? undefined), [study]);
  const draw = useCallback(
    ({ width, theme }: Frame) => {
      const height = width < 560 ? 330 : 440;
      const options = { weights, title: false, size: [width, height] as const, theme };
      return {
        height,
        option: () => progressOption(study, { ...options, ...(reference !== null && { reference }) }),
      };
    },
    [study],
  );
  const points = useCallback(
    () => view.complete.map(({ number, value }) => [number, onAxis(value, view.range), number] as const),
    [view],
  );
  const note = beyondNote(view);
  const noise = view.noise;
  return (
    <Panel
      id="history"
      title="Progress"
      wide
      note={
        <Legend
          keys={[
            ['trial', 'trial'],
            ['best', 'improvement'],
            ['line', 'running best'],
            view.pruned.length > 0 && ['pruned', `pruned (${view.pruned.length})`],
            view.failed.length > 0 && ['fail', `failed (${view.failed.length})`],
            noise && ['band', `defaults ± one standard deviation of ${counted(noise.runs, 'run')}`],
            view.violating.length > 0 && ['ring', `beyond a constraint (${view.violating.length})`],
            view.confirmed.length > 0 && ['confirmed', 'mean on fresh seeds, 95% interval'],
            note !== '' && ['beyond', note],
          ]}
        />
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
      <TrialChart
        {...found}
        draw={draw}
        points={points}
        label={`${study.metric} of ${counted(view.complete.length, 'complete trial')}, ${steps.length === 0 ? 'none yet' : `${counted(steps.length - 1, 'improvement')}, the best ${shortNumber(best!.value, 6)} in trial ${best!.number}`}.`}
      />
    </Panel>
  );
}

/** Several objectives: the first two values of all trials, and the front. */
export function Front(found: Picking) {
  const { study, front } = found;
  const draw = useCallback(
    ({ width, theme }: Frame) => ({
      height: width < 560 ? 330 : 440,
      option: () => frontOption({ ...study, directions: study.head.directions }, { theme, title: false }),
    }),
    [study],
  );
  const names = metricNames(study);
  const violating = study.trials
    .filter(({ state }) => state === 'complete')
    .filter((trial) => !isFeasible(trial)).length;
  return (
    <Panel
      id="front"
      title="Pareto front"
      wide
      note={
        <Legend
          keys={[
            ['trial', 'trial'],
            ['best', `no other trial is better in all (${front.length})`],
            names.length > 2 && ['', `drawn by the first two of ${names.length} objectives`],
            violating > 0 && ['ring', `beyond a constraint (${violating})`],
          ]}
        />
      }
      table={() => ({
        head: ['trial', ...names],
        rows: front.map(({ number, values }) => [number, ...values!.map((value) => valueText(value))]),
      })}
    >
      <TrialChart
        {...found}
        draw={draw}
        label={`${names.slice(0, 2).join(' against ')}: ${counted(front.length, 'trial')} in the Pareto front.`}
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
