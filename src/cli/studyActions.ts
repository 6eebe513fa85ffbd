// tinygpt study status, best, wait and stop: a study from scripts, wherever its workers are.

import { EnvironmentError, expect } from '../base/errors.js';
import { formatStandardJson } from '../base/json.js';
import { pause } from '../base/pause.js';
import { isObject } from '../base/valid.js';
import type { Found } from '../dashboard/library.js';
import { bestTrial } from '../tune/best.js';
import { isConcluded } from '../tune/conclusion.js';
import { WORKER } from '../tune/liveness.js';
import { paretoFront } from '../tune/pareto.js';
import { countsAsEvaluated } from '../tune/starting.js';
import { stopEntry, stopRequest } from '../tune/stopping.js';
import { openStorage } from '../tune/storage/index.js';
import { asWorker } from '../tune/storage/worker.js';
import type { Trial } from '../tune/types.js';
import { counted, linePrinter } from './terminal.js';

type Output = { json: boolean };

const print = linePrinter(false);

/** What a script wants to know of a study. */
function statusOf({ log, where, isLost }: Found) {
  const { trials } = log;
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const running = trials.filter(({ state }) => state === 'running');
  const lost = running.filter(isLost);
  const owners = running
    .filter((trial) => !lost.includes(trial))
    .map(({ systemAttrs }) => asWorker(systemAttrs[WORKER]));
  const workers = new Set(owners.map((owner) => (owner ? `${owner.host} ${owner.pid} ${owner.start}` : '')));
  const best = log.directions.length === 1 ? bestTrial(trials, log.directions[0]!) : null;
  return {
    study: log.name,
    storage: where,
    directions: log.directions,
    trials: trials.length,
    complete: count('complete'),
    pruned: count('pruned'),
    failed: count('fail'),
    running: running.length - lost.length,
    lost: lost.length,
    waiting: count('waiting'),
    evaluated: trials.filter(countsAsEvaluated).length,
    workers: workers.size,
    best_trial: best?.number ?? null,
    best_value: best?.value ?? null,
    stopping: stopRequest(log) !== null,
    concluded: isConcluded(log),
  };
}

export function studyStatus(study: Found, { json }: Output): number {
  const status = statusOf(study);
  if (json) {
    print(formatStandardJson(status));
    return 0;
  }
  const { complete, pruned, failed, running, lost, waiting, workers } = status;
  const parts = { complete, pruned, failed, running, 'without a worker': lost, waiting };
  const said = Object.entries(parts).filter(([, count]) => count > 0);
  print(`${status.study} in ${status.storage}`);
  print(
    `${counted(status.trials, 'trial')}: ${said.map(([what, count]) => `${count} ${what}`).join(', ') || 'none yet'}`,
  );
  if (running > 0) print(`${counted(workers, 'worker')} at work`);
  if (status.best_trial !== null) print(`Best: trial ${status.best_trial}, ${status.best_value}`);
  if (status.stopping) print('Asked to stop');
  if (status.concluded) print('Concluded');
  return 0;
}

/** Exits with 1 where no trial has finished. */
export function studyBest({ log }: Found, { json }: Output): number {
  const describe = (trial: Trial) => {
    const { number, value, values, params, userAttrs } = trial;
    const config = isObject(userAttrs.config) && { config: userAttrs.config };
    return { trial: number, ...(values ? { values } : { value }), params, ...config };
  };
  const [direction] = log.directions;
  const single = log.directions.length === 1 && bestTrial(log.trials, direction!);
  const found = single ? [single] : log.directions.length > 1 ? paretoFront(log.trials, log.directions) : [];
  if (json) {
    const all = found.map(describe);
    print(formatStandardJson(log.directions.length > 1 ? all : (all[0] ?? null)));
  } else if (found.length === 0) process.stderr.write('No trial has finished\n');
  else
    for (const trial of found) {
      print(`Trial ${trial.number}: ${trial.values?.join(', ') ?? trial.value}`);
      for (const [name, value] of Object.entries(trial.params)) print(`  ${name} = ${value}`);
    }
  return found.length === 0 ? 1 : 0;
}

/** Asks all workers to end after their running trials. */
export function studyStop({ log, place }: Found, { json }: Output): number {
  expect(
    place !== null,
    () => `Expected a study, got ${log.name}, a run of tinygpt train; stop it with Ctrl-C`,
  );
  const storage = openStorage(place);
  try {
    const { id } = storage.log.study(log.name)!;
    storage.transact(() => [stopEntry(id, true)]);
  } finally {
    storage.close();
  }
  if (json) print(formatStandardJson({ study: log.name, stopping: true }));
  else print(`Asked the workers of ${log.name} to stop after their running trials`);
  return 0;
}

const POLL_MS = 1000;

type WaitOptions = Output & {
  trials?: number | undefined;
  timeout?: number | undefined;
  /** When the timeout is over, by `performance.now()`. */
  end: number;
  /** Why `find` gives none. */
  missing: () => string;
  signal: AbortSignal;
};

/**
 * Waits until a study is concluded, or has so many finished trials.
 * @param find the study, or null where there is none that can be read; reads what is new
 * @throws EnvironmentError after `timeout` seconds
 */
export async function studyWait(
  find: () => Found | null,
  { json, trials, timeout, end, missing, signal }: WaitOptions,
): Promise<number> {
  for (;;) {
    const study = find();
    const finished = (trial: Trial) => trial.state !== 'running' && countsAsEvaluated(trial);
    const done =
      trials === undefined
        ? study && isConcluded(study.log)
        : study && study.log.trials.filter(finished).length >= trials;
    if (done) return studyStatus(study!, { json });
    if (performance.now() >= end)
      throw new EnvironmentError(
        `The study has not ${trials === undefined ? 'ended' : `${trials} finished trials`} after ${timeout} s${study ? '' : `; ${missing()}`}`,
      );
    await pause(Math.min(POLL_MS, end - performance.now()), signal);
    if (signal.aborted) return 130;
  }
}
