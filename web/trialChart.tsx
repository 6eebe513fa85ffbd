// A chart whose points are trials: beside one is what changed, and a click opens it.

import type { ComponentProps } from 'preact';
import { useMemo } from 'preact/hooks';
import { outcomesOf } from '../src/report/study.js';
import { Chart } from './chart.js';
import {
  bestBefore,
  changesText,
  comparedText,
  defaultsOf,
  secondsText,
  stateText,
  valuesText,
} from './format.js';
import type { Found, Picking } from './page.js';
import type { ShownStudy } from './store.js';

export function TrialChart({ study, steps, ...props }: Picking & Omit<ComponentProps<typeof Chart>, 'hint'>) {
  const hint = useMemo(() => hintOf(study, steps), [study]);
  return <Chart {...props} hint={hint} />;
}

/** The card beside a trial's point: its value, and what changed from the best before it. */
function hintOf(study: ShownStudy, steps: Found['steps']) {
  return (number: number) => {
    const trial = study.trials[number];
    if (!trial) return null;
    const before = bestBefore(steps, number);
    const compared =
      before &&
      trial.value !== null &&
      trial.state === 'complete' &&
      comparedText(trial.value, before, study);
    const from = before?.params ?? defaultsOf(study);
    const changes = from ? changesText(study, from, trial.params, 6) : [];
    return (
      <>
        <strong>
          Trial {number}
          {` · ${valuesText(outcomesOf(study, trial)) || stateText(trial)}`}
        </strong>
        {compared && <span>{compared}, the best before</span>}
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
