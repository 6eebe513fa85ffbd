// What can be asked of a study while it runs: to try a configuration, to stop after the running trial, to go on. Every action
// needs the token that the terminal printed.

import { useState } from 'preact/hooks';
import { describeDistribution } from '../src/tune/distributions.js';
import { own } from '../src/tune/objects.js';
import type { Choice, Distribution, Params } from '../src/tune/types.js';
import { defaultsOf } from './format.js';
import { act, type ShownStudy, setToken, store, token, useStore } from './store.js';

/** Runs an action and says how it went; asks for the token first where there is none. */
function useAction() {
  const [said, say] = useState<{ text: string; failed: boolean } | null>(null);
  const run = async (...args: Parameters<typeof act>) => {
    try {
      say({ text: await act(...args), failed: false });
    } catch (error) {
      say({ text: (error as Error).message, failed: true });
    }
  };
  return {
    run,
    said: said && (
      <p class={said.failed ? 'said failed' : 'said'} role="status">
        {said.text}
      </p>
    ),
  };
}

function Token() {
  const [given, give] = useState(token());
  return (
    <label class="token">
      Token, as the terminal printed it
      <input
        type="password"
        autocomplete="off"
        value={given}
        onInput={(event) => {
          setToken(event.currentTarget.value);
          give(event.currentTarget.value);
        }}
      />
    </label>
  );
}

export function ActionsMenu({ study }: { study: ShownStudy }) {
  const { run, said } = useAction();
  const [enqueues, setEnqueues] = useState(false);
  const live = useStore(() => store.live);
  const isRunning = live?.running.some(({ lost }) => !lost) ?? false;
  return (
    <details class="menu">
      <summary>Actions</summary>
      <div>
        <Token />
        <div class="buttons">
          <button type="button" disabled={!isRunning || live?.stopping} onClick={() => void run('stop')}>
            {live?.stopping ? 'Stopping…' : 'Stop after the running trial'}
          </button>
          <button type="button" disabled={isRunning && !live?.stopping} onClick={() => void run('resume')}>
            Resume
          </button>
          <button type="button" aria-expanded={enqueues} onClick={() => setEnqueues(!enqueues)}>
            Enqueue…
          </button>
        </div>
        {said}
        {enqueues && <EnqueueForm study={study} from={defaultsOf(study) ?? {}} asks={false} />}
      </div>
    </details>
  );
}

/**
 * A field for each parameter, filled with a configuration.
 * @param asks whether it has a field for the token where none is known
 */
export function EnqueueForm({ study, from, asks }: { study: ShownStudy; from: Params; asks: boolean }) {
  const { run, said } = useAction();
  const [unknown] = useState(() => token() === ''); // the field stays while it is filled
  const [texts, setTexts] = useState<Record<string, string>>({});
  const space = Object.entries(study.head.space);
  const textOf = (name: string) => own(texts, name) ?? formText(own(from, name));
  const submit = () => {
    const params: Params = Object.fromEntries(
      space.flatMap(([name, distribution]) => {
        const value = readValue(distribution, textOf(name));
        return value === undefined ? [] : [[name, value]];
      }),
    );
    void run('enqueue', { params });
  };
  return (
    <form
      class="enqueue"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {space.map(([name, distribution], i) => (
        <label key={name} for={`enqueue-${i}`} title={describeDistribution(distribution)}>
          {name}
          {distribution.kind === 'categorical' ? (
            <select
              id={`enqueue-${i}`}
              value={textOf(name)}
              onChange={(event) => setTexts({ ...texts, [name]: event.currentTarget.value })}
            >
              {distribution.choices.map((choice) => (
                <option value={formText(choice)}>{String(choice)}</option>
              ))}
            </select>
          ) : (
            <input
              id={`enqueue-${i}`}
              inputMode="decimal"
              value={textOf(name)}
              onInput={(event) => setTexts({ ...texts, [name]: event.currentTarget.value })}
            />
          )}
        </label>
      ))}
      {asks && unknown && <Token />}
      <button type="submit">Enqueue</button>
      {said}
    </form>
  );
}

/** A value in a field; choices may be of several types. */
const formText = (value: Choice | undefined): string =>
  typeof value === 'number' ? String(value) : value === undefined ? '' : JSON.stringify(value);

/** What a field says; an empty one leaves the parameter out, and what is no number is sent as text, to be refused with a reason. */
function readValue(distribution: Distribution, text: string): Choice | undefined {
  if (text.trim() === '') return undefined;
  if (distribution.kind === 'categorical')
    return distribution.choices.find((choice) => formText(choice) === text) ?? null;
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
