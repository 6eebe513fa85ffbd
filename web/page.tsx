// The page: a study's overview, its charts and its trials, in a report file or live from the dashboard.

import './style.css';
import { render } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { isObject } from '../src/base/valid.js';
import { sortedFront } from '../src/report/frontPlot.js';
import type { PageTrial } from '../src/report/pageData.js';
import { isOfSeveral } from '../src/report/study.js';
import { type CompleteTrial, improvements } from '../src/tune/best.js';
import { ActionsMenu } from './actions.js';
import { isDark, redrawAll } from './chart.js';
import { Compare } from './compare.js';
import { attributeText } from './format.js';
import { Overview } from './overview.js';
import { Curves, Importances, Parallel, Slices, Timeline } from './plots.js';
import { Confirmed, Front, Progress } from './progress.js';
import {
  begin,
  linkedTrial,
  linkTrial,
  open,
  type ShownStudy,
  store,
  takesActions,
  useStore,
} from './store.js';
import { TrialDialog } from './trialDialog.js';
import { Failures, Trials } from './trials.js';

function App() {
  const [picked, setPicked] = useState(linkedTrial);
  const pick = useCallback((number: number | null) => {
    setPicked(number === null ? null : { study: store.study!.key, number });
    linkTrial(number);
  }, []);
  const study = useStore(() => store.study);
  const connection = useStore(() => store.connection);
  const problem = useStore(() => store.problem);
  const found = useMemo((): Found | null => {
    if (!study) return null;
    const { trials, direction } = study;
    // Of several objectives there is no best one, but a front.
    const steps = isOfSeveral(study) ? [] : improvements(trials, direction);
    const front = isOfSeveral(study) ? sortedFront(trials, study.directions) : [];
    return { study, best: steps.at(-1) ?? null, steps, front };
  }, [study]);
  // The number means another trial in another study.
  const isShown = picked && (picked.study === '' || picked.study === study?.key);
  const trial = isShown && study ? study.trials[picked.number] : undefined;
  const several = (study?.trials.filter(({ state }) => state === 'complete').length ?? 0) > 1;
  useEffect(() => {
    if (study) document.title = `${study.name}: tinygpt study`;
  }, [study?.name]);
  return (
    <>
      <TopBar study={study} />
      {connection === 'lost' && (
        <p class="banner" role="status">
          The dashboard does not answer; what is shown may be old. Trying again…
        </p>
      )}
      {problem && (
        <p class="banner" role="alert">
          This study cannot be read now ({problem}); what is shown is how it was.
        </p>
      )}
      <main>
        {found ? (
          <>
            <Overview {...found} onPick={pick} />
            {isOfSeveral(found.study) ? (
              <Front {...found} onPick={pick} />
            ) : (
              <Progress {...found} onPick={pick} />
            )}
            <Confirmed {...found} onPick={pick} />
            <div class="columns">
              <Curves {...found} onPick={pick} />
              <Importances {...found} />
              {several && <Slices {...found} onPick={pick} />}
              {several && <Parallel {...found} onPick={pick} />}
              <Timeline {...found} onPick={pick} />
              <Failures {...found} onPick={pick} />
              <Compare {...found} />
              <Trials {...found} onPick={pick} />
            </div>
            <About study={found.study} />
            {trial && <TrialDialog {...found} trial={trial} onClose={() => pick(null)} onPick={pick} />}
          </>
        ) : (
          <Waiting />
        )}
      </main>
    </>
  );
}

function Waiting() {
  const connection = useStore(() => store.connection);
  const list = useStore(() => store.list);
  const reasons = list.map(({ error }) => <p>{error}</p>);
  const empty = 'No study yet. It appears here as soon as one begins.';
  return (
    <div class="waiting" role="status">
      {connection !== 'live' ? 'Connecting…' : reasons.length > 0 ? reasons : empty}
    </div>
  );
}

/** What every section gets. */
export type Found = {
  study: ShownStudy;
  best: CompleteTrial<PageTrial> | null;
  /** Trials that were better than all before them. */
  steps: readonly CompleteTrial<PageTrial>[];
  /** Of two objectives: trials that no other dominates, by the first value. */
  front: readonly PageTrial[];
};

/** What sections get in which a trial can be picked, to open it. */
export type Picking = Found & { onPick: (trial: number) => void };

const STATUS = { saved: 'saved report', connecting: 'connecting', live: 'live', lost: 'reconnecting' };

function TopBar({ study }: { study: ShownStudy | null }) {
  const list = useStore(() => store.list);
  const connection = useStore(() => store.connection);
  const actions = useStore(takesActions);
  return (
    <div class="bar">
      <span class="brand" aria-hidden="true">
        tinygpt
      </span>
      <h1 class={list.length > 1 ? 'unseen' : ''}>{study?.name ?? ''}</h1>
      {list.length > 1 && (
        <select
          class="choice"
          aria-label="Study"
          value={study?.key}
          onChange={(event) => open(event.currentTarget.value)}
        >
          {list.map(({ key, name, where, trials, running, error }) => (
            <option value={key}>
              {isolated(name)} · {error ? 'unreadable' : `${trials} trials${running > 0 ? ', running' : ''}`}{' '}
              · {where}
            </option>
          ))}
        </select>
      )}
      <span class="space" />
      <span class={`status ${connection}`} role="status">
        <i aria-hidden="true" />
        {STATUS[connection]}
      </span>
      {study && actions && <ActionsMenu study={study} />}
      <button
        type="button"
        class="plain scheme"
        aria-label="Switch between light and dark"
        title="Light or dark"
        onClick={() => {
          document.documentElement.dataset.scheme = isDark() ? 'light' : 'dark';
          redrawAll();
        }}
      >
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.4" />
          <path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" fill="currentColor" />
        </svg>
      </button>
    </div>
  );
}

/** A name whose marks of writing direction end with it. */
const isolated = (name: string): string => `\u2068${name}\u2069`;

/** What the study says about itself. */
function About({ study }: { study: ShownStudy }) {
  const { objective, sampler, pruner, seed } = study.userAttrs;
  const { base, fixed, task, ...rest } = isObject(objective) ? objective : ({} as Record<string, unknown>);
  const entries = Object.entries({ sampler, pruner, seed, ...rest, fixed }).filter(([, value]) => {
    const isEmpty = isObject(value) && Object.keys(value).length === 0;
    return value !== undefined && value !== null && !isEmpty;
  });
  return (
    <footer>
      <dl>
        {entries.map(([name, value]) => (
          <div>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd>{shortened(attributeText(value))}</dd>
          </div>
        ))}
        <div>
          <dt>direction</dt>
          <dd>{study.head.directions.join(', ')}</dd>
        </div>
      </dl>
    </footer>
  );
}

/** Hashes and the like. */
const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 24)}…` : text);

begin();
render(<App />, document.getElementById('page')!);
