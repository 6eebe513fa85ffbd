// One trial, opened by a click: its outcome, its parameters beside another trial's, its learning curve, what it recorded.

import { useEffect, useRef, useState } from 'preact/hooks';
import { byteSize } from '../src/base/format.js';
import { describeParam } from '../src/report/labels.js';
import type { PageTrial } from '../src/report/pageData.js';
import { metricNames, outcomesOf } from '../src/report/study.js';
import { workerOf } from '../src/report/timeline.js';
import { isFeasible } from '../src/tune/constraints.js';
import { own } from '../src/tune/objects.js';
import type { Params } from '../src/tune/types.js';
import { EnqueueForm } from './actions.js';
import { copyAs, FORMS } from './copy.js';
import {
  attributeText,
  bestBefore,
  comparedText,
  defaultsOf,
  secondsText,
  stateText,
  timeText,
  valueText,
} from './format.js';
import { CopyButton } from './overview.js';
import type { Picking } from './page.js';
import { type ShownStudy, takesActions } from './store.js';

type Props = Picking & { trial: PageTrial; onClose: () => void };

export function TrialDialog({ study, best, steps, trial, onClose, onPick }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  const close = () => dialog.current!.close(); // the focus returns to what opened it
  const [enqueues, setEnqueues] = useState(false);
  useEffect(() => setEnqueues(false), [trial.number]);
  const { number, state, value, userAttrs } = trial;
  const before = bestBefore(steps, number);
  const compared = state === 'complete' && before && comparedText(value!, before, study);
  const { fail_message: message, ...attributes } = userAttrs;
  const params = state === 'waiting' && trial.fixed ? (trial.fixed as Params) : trial.params;
  const columns: [string, Params][] = [['this trial', params]];
  if (best && best.number !== number) columns.push([`best, trial ${best.number}`, best.params]);
  if (before && before.number !== best?.number)
    columns.push([`best before, trial ${before.number}`, before.params]);
  const defaults = defaultsOf(study);
  if (defaults) columns.push(['defaults', defaults]);
  const facts: [string, string][] = [
    ...metricNames(study).map((name, k): [string, string] => [
      name,
      valueText(outcomesOf(study, trial)[k] ?? null),
    ]),
    ['state', stateText(trial)],
    ...(isFeasible(trial) ? [] : [['constraints', 'violated'] as [string, string]]),
    ['took', secondsText(trial)],
    ['started', timeText(trial.start)],
    ['worker', workerOf(trial) ?? '–'],
  ];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes every dialog; this is for the pointer
    <dialog
      ref={dialog}
      class="trial"
      aria-labelledby="trial-title"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="inside">
        <header>
          <h2 id="trial-title">
            Trial {number}
            {number === best?.number && <em>best</em>}
          </h2>
          <span class="space" />
          <button
            type="button"
            class="plain"
            disabled={number === 0}
            onClick={() => onPick(number - 1)}
            aria-label="Previous trial"
          >
            ‹
          </button>
          <button
            type="button"
            class="plain"
            disabled={number === study.trials.length - 1}
            onClick={() => onPick(number + 1)}
            aria-label="Next trial"
          >
            ›
          </button>
          <button type="button" class="plain" onClick={close} aria-label="Close">
            ✕
          </button>
        </header>
        <dl class="facts">
          {facts.map(([name, text]) => (
            <div>
              <dt>{name}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
        {compared && <p class="note">{compared}, the best before it.</p>}
        {typeof message === 'string' && <pre class="message">{message}</pre>}
        <ParamTable study={study} columns={columns} />
        <div class="tools">
          <span>Copy as</span>
          {FORMS.map((form) => (
            <span class="copy">
              <span>{form}</span>
              <CopyButton
                text={copyAs(
                  form,
                  study,
                  { ...trial, params },
                  number === best?.number ? study.head.bestConfig : null,
                )}
              />
            </span>
          ))}
          {takesActions() && (
            <button
              type="button"
              class="plain"
              onClick={() => setEnqueues(!enqueues)}
              aria-expanded={enqueues}
            >
              Enqueue a variant…
            </button>
          )}
        </div>
        {enqueues && <EnqueueForm study={study} from={params} asks />}
        {Object.keys(attributes).length > 0 && (
          <>
            <h3>Recorded</h3>
            <dl class="attributes">
              {Object.entries(attributes).map(([name, recorded]) => (
                <div>
                  <dt>{name}</dt>
                  <dd>
                    {name.endsWith('_bytes') && typeof recorded === 'number'
                      ? byteSize(recorded)
                      : attributeText(recorded)}
                  </dd>
                </div>
              ))}
            </dl>
          </>
        )}
      </div>
    </dialog>
  );
}

/** Parameters of configurations side by side; what differs from the first is marked. */
export function ParamTable({ study, columns }: { study: ShownStudy; columns: readonly [string, Params][] }) {
  const names = Object.keys(study.head.space);
  const [, first] = columns[0]!;
  return (
    <div class="scroll">
      <table class="params">
        <thead>
          <tr>
            <th scope="col">parameter</th>
            {columns.map(([heading]) => (
              <th scope="col">{heading}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr>
              <th scope="row">{describeParam(name, 0)[0]}</th>
              {columns.map(([, params]) => {
                const value = own(params, name);
                return (
                  <td class={value !== own(first, name) ? 'differs' : ''}>
                    {value === undefined ? '–' : describeParam(name, value)[1]}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
