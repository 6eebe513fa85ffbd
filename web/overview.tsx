// The head of the page: the figures, its running trials, the best configuration.

import { useState } from 'preact/hooks';
import { byteSize, duration, thousands } from '../src/base/format.js';
import type { RunningState } from '../src/report/messages.js';
import type { Point } from '../src/report/pageData.js';
import { copyAs, FORMS, type Form } from './copy.js';
import { Best, Budget, Counts, Machine, Model, Speed, Spent } from './figures.js';
import { changesText, defaultsOf } from './format.js';
import type { Found, Picking } from './page.js';
import { Tabs } from './panel.js';
import { type ShownStudy, store, useStore } from './store.js';

export function Overview(props: Picking) {
  const { study, best, onPick } = props;
  const live = useStore(() => store.live);
  const connection = useStore(() => store.connection);
  const isLive = connection !== 'saved' && live !== null;
  return (
    <>
      <div class="figures">
        <Best {...props} />
        <Counts study={study} />
        {isLive ? <Budget study={study} live={live} /> : <Spent study={study} />}
        <Model study={study} />
        {isLive && <Speed live={live} />}
        {isLive && <Machine live={live} />}
      </div>
      {isLive && live.running.length > 0 && (
        <section class="runs" aria-label="Running trials">
          {live.running.slice(0, 8).map((running) => (
            <Running running={running} study={study} onPick={onPick} />
          ))}
        </section>
      )}
      {best && <BestConfiguration study={study} best={best} />}
    </>
  );
}

function Running({
  running,
  study,
  onPick,
}: {
  running: RunningState;
  study: ShownStudy;
  onPick: (n: number) => void;
}) {
  const {
    trial: number,
    progress,
    loss,
    step,
    tokensPerSecond,
    memoryBytes,
    secondsLeft: left,
    lost,
    curve,
  } = running;
  const trial = study.trials[number];
  const defaults = defaultsOf(study);
  const changes = trial && defaults ? changesText(study, defaults, trial.params, 3) : [];
  const facts = [
    step !== null && `step ${thousands(step)}`,
    loss !== null && `loss ${loss.toFixed(4)}`,
    tokensPerSecond !== null && `${thousands(tokensPerSecond)} tok/s`,
    memoryBytes !== null && memoryBytes > 0 && byteSize(memoryBytes),
    left !== null && `${duration(left)} left`,
  ].filter(Boolean);
  return (
    <article class={lost ? 'run lost' : 'run'}>
      <h3>
        <button type="button" class="link" onClick={() => onPick(number)}>
          Trial {number}
        </button>
        <span>
          {lost ? 'its process is gone' : progress === null ? 'running' : `${(100 * progress).toFixed(0)}%`}
        </span>
      </h3>
      <Loss curve={curve} />
      <div class="meter" aria-hidden="true">
        <i style={{ width: `${100 * (progress ?? 0)}%` }} />
      </div>
      <p class="steps">{facts.join(' · ')}</p>
      {changes.length > 0 && <p class="changes">{changes.join(', ')}</p>}
    </article>
  );
}

/** The training loss so far, over the whole budget. */
function Loss({ curve }: { curve: readonly Point[] }) {
  const points = curve.filter((point): point is [number, number] => point[1] !== null);
  if (points.length < 2) return <div class="loss" />;
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const path = points
    .map(
      ([x, value]) => `${(100 * x).toFixed(2)},${(37 - 34 * ((value - low) / (high - low || 1))).toFixed(2)}`,
    )
    .join(' ');
  return (
    <svg
      class="loss"
      viewBox="0 0 100 40"
      preserveAspectRatio="none"
      role="img"
      aria-label={`Training loss from ${values[0]!.toFixed(3)} to ${values.at(-1)!.toFixed(3)}`}
    >
      <polyline points={path} />
    </svg>
  );
}

function BestConfiguration({ study, best }: { study: ShownStudy; best: NonNullable<Found['best']> }) {
  const [form, setForm] = useState<Form>('Command line');
  const text = copyAs(form, study, best, study.head.bestConfig);
  return (
    <details class="configuration">
      <summary>Best configuration</summary>
      <div class="tools">
        <Tabs label="Form" names={FORMS} chosen={form} onChoose={setForm} />
        <CopyButton text={text} />
      </div>
      <pre>{text}</pre>
    </details>
  );
}

/** Copies a text; in a file from disk the older way, as the newer one needs a server. */
export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (navigator.clipboard && isSecureContext) await navigator.clipboard.writeText(text);
    else {
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="plain" onClick={() => void copy()}>
      {done ? 'Copied' : 'Copy'}
    </button>
  );
}
