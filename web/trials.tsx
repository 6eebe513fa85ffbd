// Failures by reason, and the table of all trials: sorted by any column, only what is in view in the page.

import { useMemo, useRef, useState } from 'preact/hooks';
import { counted, duration, thousands } from '../src/base/format.js';
import { describeParam, failuresByReason, secondsOf, stateName } from '../src/report/labels.js';
import type { PageTrial } from '../src/report/pageData.js';
import { metricNames, outcomesOf } from '../src/report/study.js';
import type { Choice } from '../src/tune/types.js';
import { secondsText, stateText, valuesText } from './format.js';
import type { Picking } from './page.js';
import { Panel, Tabs } from './panel.js';

/** Failed trials by reason, the most frequent first. */
export function Failures({ study, onPick }: Picking) {
  const failed = study.trials.filter(({ state }) => state === 'fail');
  if (failed.length === 0) return null;
  const groups = [...failuresByReason(failed)].sort(([, a], [, b]) => b.length - a.length);
  const lost = failed.reduce((sum, trial) => sum + (secondsOf(trial) ?? 0), 0);
  return (
    <Panel
      id="failures"
      title="Failures"
      wide
      note={`${counted(failed.length, 'trial')} failed after ${duration(lost)} in all.`}
    >
      <div class="scroll">
        <table class="failures">
          <thead>
            <tr>
              <th scope="col">reason</th>
              <th scope="col">trials</th>
              <th scope="col">last message</th>
              <th scope="col">last ones</th>
            </tr>
          </thead>
          <tbody>
            {groups.slice(0, 30).map(([reason, trials]) => {
              const message = trials.at(-1)!.userAttrs.fail_message;
              return (
                <tr>
                  <td>{reason}</td>
                  <td class="number">{thousands(trials.length)}</td>
                  <td class="message">{typeof message === 'string' ? message : '–'}</td>
                  <td>
                    {trials.slice(-4).map(({ number }) => (
                      <button type="button" class="link" onClick={() => onPick(number)}>
                        {number}
                      </button>
                    ))}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

type Column = {
  name: string;
  of: (trial: PageTrial) => Choice | undefined;
  text: (trial: PageTrial) => string;
};
const ROW = 27;
const VIEW = 540;
const FILTERS = ['all', 'complete', 'pruned', 'fail', 'running', 'waiting'] as const;

export function Trials({ study, best, onPick }: Picking) {
  const [sorting, setSorting] = useState<{ column: number; sign: 1 | -1 }>({ column: 0, sign: -1 });
  const [filter, setFilter] = useState<(typeof FILTERS)[number]>('all');
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const names = Object.keys(study.head.space);
  const metrics = metricNames(study);
  const key = [...metrics, '', ...names].join('\0');
  const columns = useMemo((): Column[] => {
    const params = names.map(
      (name): Column => ({
        name: describeParam(name, 0)[0],
        of: ({ params }) => (Object.hasOwn(params, name) ? params[name] : undefined),
        text: ({ params }) => (Object.hasOwn(params, name) ? describeParam(name, params[name])[1] : ''),
      }),
    );
    return [
      { name: 'trial', of: ({ number }) => number, text: ({ number }) => String(number) },
      { name: 'state', of: stateText, text: stateText },
      // A pruned trial has only its last intermediate value, which is no result to compare with.
      ...metrics.map(
        (name, k): Column => ({
          name,
          of: (trial) => outcomesOf(study, trial)[k] ?? undefined,
          text: (trial) => valuesText(outcomesOf(study, trial).slice(k, k + 1)),
        }),
      ),
      { name: 'time', of: (trial) => secondsOf(trial) ?? undefined, text: secondsText },
      ...params,
    ];
  }, [key]);
  const rows = useMemo(() => {
    const { of } = columns[sorting.column] ?? columns[0]!;
    const kept = study.trials.filter(({ state }) => filter === 'all' || state === filter);
    return kept
      .map((trial) => ({ trial, key: of(trial) }))
      .sort((a, b) => compare(a.key, b.key, sorting.sign) || a.trial.number - b.trial.number)
      .map(({ trial }) => trial);
  }, [study, sorting, filter, columns]);
  const present = FILTERS.filter(
    (name) => name === 'all' || study.trials.some(({ state }) => state === name),
  );
  const from = Math.max(0, Math.floor(top / ROW) - 10);
  const shown = rows.slice(from, from + Math.ceil(VIEW / ROW) + 20);
  const sort = (column: number) =>
    setSorting((old) => ({ column, sign: old.column === column ? (-old.sign as 1 | -1) : 1 }));
  return (
    <Panel
      id="trials"
      title="Trials"
      wide
      tools={
        <Tabs label="Which trials" names={present} chosen={filter} onChoose={setFilter} text={stateName} />
      }
    >
      <div class="scroll trials" ref={box} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              {columns.map(({ name }, column) => (
                <th
                  scope="col"
                  aria-sort={
                    sorting.column !== column ? 'none' : sorting.sign === 1 ? 'ascending' : 'descending'
                  }
                >
                  <button type="button" onClick={() => sort(column)}>
                    {name}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr class="gap" style={{ height: `${from * ROW}px` }} />
            {shown.map((trial, i) => (
              <tr
                key={trial.number}
                aria-rowindex={from + i + 2}
                class={trial.number === best?.number ? 'best' : trial.state}
                onClick={() => onPick(trial.number)}
              >
                {columns.map(({ name, text }, column) => (
                  <td key={column}>
                    {column === 0 ? (
                      <button type="button" class="link" aria-label={`Open trial ${trial.number}`}>
                        {trial.number}
                      </button>
                    ) : name === 'state' && column === 1 ? (
                      <span class="state">{text(trial)}</span>
                    ) : (
                      text(trial)
                    )}
                  </td>
                ))}
              </tr>
            ))}
            <tr class="gap" style={{ height: `${Math.max(0, rows.length - from - shown.length) * ROW}px` }} />
          </tbody>
        </table>
        {shown.length < rows.length && (
          <p class="note printed">
            {shown.length} of {thousands(rows.length)} trials; tinygpt study export writes them all.
          </p>
        )}
      </div>
    </Panel>
  );
}

/** Missing values last, numbers by size, the rest by text. */
function compare(a: Choice | undefined, b: Choice | undefined, sign: 1 | -1): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : sign * (a < b ? -1 : 1);
  return sign * String(a).localeCompare(String(b));
}
