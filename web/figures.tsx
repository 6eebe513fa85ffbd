// The figures in one row: the best value, trials by state, the budget, speed, the machine.

import { byteSize, duration, thousands } from '../src/base/format.js';
import { isObject } from '../src/base/valid.js';
import { budgetUsed } from '../src/report/budget.js';
import { secondsOf, stateName } from '../src/report/labels.js';
import { costText, llmLines } from '../src/report/llm.js';
import type { LiveState } from '../src/report/messages.js';
import { convergedText, isOfSeveral, metricNames } from '../src/report/study.js';
import { comparedText, valueText } from './format.js';
import type { Picking } from './page.js';
import { meanUse, type ShownStudy, store } from './store.js';

export function Best({ study, best, front, onPick }: Picking) {
  if (isOfSeveral(study))
    return (
      <div class="figure best">
        <h2>Pareto front</h2>
        <b>{front.length}</b>
        <p>trials that no other one beats in every objective: {metricNames(study).join(', ')}</p>
      </div>
    );
  const first = study.trials[0];
  const gain =
    best && first?.state === 'complete' && first !== best ? comparedText(best.value, first, study) : '';
  return (
    <div class="figure best">
      <h2>Best {study.metric}</h2>
      <b>{best ? valueText(best.value) : '–'}</b>
      <p>
        {best ? (
          <>
            <button type="button" class="link" onClick={() => onPick(best.number)}>
              trial {best.number}
            </button>
            {gain && ` · ${gain}`}
          </>
        ) : (
          'no trial has finished'
        )}
      </p>
    </div>
  );
}

const STATES = ['complete', 'pruned', 'fail', 'running', 'waiting'] as const;

export function Counts({ study }: { study: ShownStudy }) {
  const counts = STATES.map((state) => ({
    state,
    count: study.trials.filter((trial) => trial.state === state).length,
  })).filter(({ count }) => count > 0);
  const converged = convergedText(study.userAttrs);
  return (
    <div class="figure">
      <h2>Trials</h2>
      <b>{thousands(study.trials.length)}</b>
      <div class="split" aria-hidden="true">
        {counts.map(({ state, count }) => (
          <i class={state} style={{ flexGrow: count }} />
        ))}
      </div>
      <p>{counts.map(({ state, count }) => `${thousands(count)} ${stateName(state)}`).join(' · ')}</p>
      {converged && <p>{converged}</p>}
    </div>
  );
}

/** What the calls of a language model cost, or that its answers came from no model. */
export function Model({ study }: { study: ShownStudy }) {
  const usage = study.userAttrs.llm_usage;
  if (!isObject(usage)) return null;
  return (
    <div class="figure">
      <h2>Cost of the model</h2>
      <b>{costText(usage)}</b>
      {llmLines(study).map((line) => (
        <p>{line}</p>
      ))}
    </div>
  );
}

/** How much of the limits is used, and the time that is left. */
export function Budget({ study, live }: { study: ShownStudy; live: LiveState }) {
  const { limits, evaluated, time, running, stopping } = live;
  const isRunning = running.some(({ lost }) => !lost);
  const used = limits && budgetUsed(limits, evaluated, isRunning, time);
  const left = secondsLeft(study, live, used?.spent ?? 0);
  return (
    <div class="figure">
      <h2>{stopping ? 'Stopping after the running trial' : isRunning ? 'Time left' : 'State'}</h2>
      <b>{!isRunning ? (running.length > 0 ? 'lost' : 'idle') : left === null ? '–' : duration(left)}</b>
      {used && (
        <div
          class="meter"
          role="progressbar"
          aria-label="Budget used"
          aria-valuenow={Math.round(100 * used.share)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <i style={{ width: `${100 * used.share}%` }} />
        </div>
      )}
      <p>{used?.texts.join(' · ') || (isRunning ? 'no limit recorded' : 'nothing runs on it now')}</p>
    </div>
  );
}

/** Seconds until the limits are reached, by the mean length of the last trials; null where that is not known. */
function secondsLeft(
  study: ShownStudy,
  { limits, evaluated, running }: LiveState,
  spent: number,
): number | null {
  if (!limits) return null;
  const lengths = study.trials
    .flatMap((trial) => (trial.state === 'running' ? [] : (secondsOf(trial) ?? [])))
    .slice(-20);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const workers = Math.max(1, running.length);
  const byTrials =
    limits.trials && lengths.length > 0
      ? ((limits.trials - evaluated + running.length / 2) * mean) / workers
      : Infinity;
  const byTime = limits.seconds ? limits.seconds - spent : Infinity;
  const left = Math.min(byTrials, byTime);
  return Number.isFinite(left) ? Math.max(0, left) : null;
}

/** How long a finished study took. */
export function Spent({ study }: { study: ShownStudy }) {
  const times = study.trials.flatMap((trial) =>
    trial.start === null ? [] : [trial.start, trial.end ?? trial.start],
  );
  const range = times.reduce(
    ([low, high], time) => [Math.min(low, time), Math.max(high, time)],
    [Infinity, -Infinity],
  );
  const seconds = times.length > 0 ? (range[1]! - range[0]!) / 1000 : 0;
  const started =
    times.length > 0
      ? new Date(range[0]!).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
      : '–';
  return (
    <div class="figure">
      <h2>Took</h2>
      <b>{duration(seconds)}</b>
      <p>from {started}</p>
    </div>
  );
}

export function Speed({ live }: { live: LiveState }) {
  const speed = store.history.at(-1)?.speed ?? null;
  const mfu = live.running.find(({ mfuPercent }) => mfuPercent !== null)?.mfuPercent;
  const memory = live.running.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  if (speed === null) return null;
  return (
    <div class="figure">
      <h2>Tokens per second</h2>
      <b>{thousands(speed)}</b>
      <Sparkline
        values={store.history.map((entry) => entry.speed)}
        label="Tokens per second in the last minutes"
      />
      <p>
        {[memory > 0 && `${byteSize(memory)} peak`, mfu != null && `mfu ${mfu.toFixed(1)}%`]
          .filter(Boolean)
          .join(' · ')}
      </p>
    </div>
  );
}

type Gpu = LiveState['machine']['gpus'][number];

const percent = (share: number | null) => (share === null ? '–' : `${Math.round(100 * share)}%`);

const gpuText = ({ memoryUsed, memoryTotal, watts }: Gpu) =>
  `${byteSize(memoryUsed)} of ${byteSize(memoryTotal)}${watts === null ? '' : ` · ${Math.round(watts)} W`}`;

export function Machine({ live: { machine } }: { live: LiveState }) {
  const { gpus, cpu, cores, memoryUsed, memoryTotal } = machine;
  const gpu = meanUse(gpus);
  const what = gpus.length > 1 ? `${gpus.length} GPUs, mean` : gpus.length === 1 ? 'GPU' : 'CPU';
  return (
    <div class="figure">
      <h2>{what}</h2>
      <b>{percent(gpu ?? cpu)}</b>
      <Sparkline
        values={store.history.map((entry) => (gpu === null ? entry.cpu : entry.gpu))}
        most={1}
        label={`${gpu === null ? 'CPU' : 'GPU'} use in the last minutes`}
      />
      {gpus.length > 1 &&
        gpus.map((each, i) => (
          <p title={each.name}>
            {i}: {percent(each.use)} · {gpuText(each)}
          </p>
        ))}
      <p>
        {gpus.length > 1
          ? `CPU ${percent(cpu)}`
          : gpus[0]
            ? `${gpuText(gpus[0])} · CPU ${percent(cpu)}`
            : `${cores} cores · ${byteSize(memoryUsed)} of ${byteSize(memoryTotal)}`}
      </p>
    </div>
  );
}

/** A small line of the last values. */
function Sparkline(props: { values: readonly (number | null)[]; label: string; most?: number }) {
  const { values, label } = props;
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return <div class="spark" />;
  const most = props.most ?? Math.max(...known) * 1.05;
  const path = values
    .map((value, i) =>
      value === null
        ? null
        : `${((100 * i) / (values.length - 1)).toFixed(1)},${(22 - 20 * (value / (most || 1))).toFixed(1)}`,
    )
    .filter((point) => point !== null)
    .join(' ');
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      <polyline points={path} />
    </svg>
  );
}
