// Signs of life: trials of workers on other machines, by a clock of the test's.

import { uptime } from 'node:os';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import {
  claimEntry,
  createTrialEntry,
  formatDate,
  intermediateEntry,
  trialAttrEntry,
} from '../../src/tune/journal/records.js';
import { lossEntries } from '../../src/tune/starting.js';
import { openStorage } from '../../src/tune/storage/index.js';
import { identify } from '../../src/tune/storage/worker.js';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform } from './problem.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
afterEach(() => void jest.useRealTimers());

const elsewhere = { host: 'elsewhere', boot: 'b', namespace: '1', pid: 7, start: 5 };

/** A study with a trial that another machine runs. */
function studyWith(worker: object, retries?: number) {
  const path = fresh('journal.log');
  const options = { storage: path, space, defaults, sampler: uniform, runDefaults: false, graceSeconds: 100 };
  const study = createStudy({ ...options, ...(retries !== undefined && { retries }) });
  const other = openStorage(path);
  const attrs = { 'tinygpt:worker': worker, 'cmaes:generation': [0, 1] };
  const [trial] = other.transact(() => [
    createTrialEntry(0, space, { state: 'running', params: defaults, start: Date.now(), systemAttrs: attrs }),
  ]);
  study.refresh();
  return { study, other, trial: trial! };
}

test('a trial whose worker gives no sign of life for the grace period is failed and enqueued again, once', () => {
  const { study, other } = studyWith({ ...elsewhere, heartbeat: 25 });
  expect(study.reclaim()).toEqual([]);
  jest.advanceTimersByTime(99_000);
  expect(study.reclaim()).toEqual([]);
  jest.advanceTimersByTime(2000);
  expect(study.reclaim()).toEqual([0]);
  expect(study.trials[0]).toMatchObject({
    state: 'fail',
    userAttrs: { fail_reason: 'killed', fail_message: 'Process 7 on elsewhere ended' },
  });
  expect(study.trials[1]!.systemAttrs).toEqual({
    fixed_params: defaults,
    failed_trial: 0,
    retry_history: [0],
    'cmaes:generation': [0, 1],
  });
  const again = study.trials[1]!;
  other.transact(() => [
    claimEntry(again.id, Date.now()),
    trialAttrEntry('system', again.id, 'tinygpt:worker', { ...elsewhere, heartbeat: 25 }),
  ]);
  study.refresh();
  study.reclaim();
  jest.advanceTimersByTime(101_000);
  expect(study.reclaim()).toEqual([1]);
  expect(study.trials).toHaveLength(2);
});

test('a heartbeat or a report keeps a trial alive', () => {
  const { study, other, trial } = studyWith({ ...elsewhere, heartbeat: 25 });
  const signs = [
    () => trialAttrEntry('system', trial.id, 'tinygpt:heartbeat', formatDate(Date.now())),
    () => intermediateEntry(trial.id, 1, 0.5),
    () => trialAttrEntry('system', trial.id, 'tinygpt:heartbeat', formatDate(Date.now())),
  ];
  for (const sign of signs) {
    study.refresh();
    expect(study.reclaim()).toEqual([]);
    jest.advanceTimersByTime(90_000);
    other.record(trial, [sign()]);
  }
  study.refresh();
  expect(study.reclaim()).toEqual([]);
});

test('a worker with fewer signs of life is given four of its own intervals', () => {
  const { study } = studyWith({ ...elsewhere, heartbeat: 50 });
  study.reclaim();
  jest.advanceTimersByTime(199_000);
  expect(study.reclaim()).toEqual([]);
  jest.advanceTimersByTime(2000);
  expect(study.reclaim()).toEqual([0]);
});

test('a trial whose last sign of life is older than any difference of clocks is failed at first sight', () => {
  const { study } = studyWith({ ...elsewhere, heartbeat: 25 });
  jest.setSystemTime(Date.now() + 701_000);
  expect(study.reclaim()).toEqual([0]);
});

test('a worker of another machine of the same name is alive, one of before a restart of this machine is not', () => {
  const { study } = studyWith({ ...identify(), boot: 'another', heartbeat: 25 });
  expect(study.reclaim()).toEqual([]);
  jest.advanceTimersByTime(101_000);
  expect(study.reclaim()).toEqual([0]);
  jest.setSystemTime(Date.now() - (uptime() + 60) * 1000);
  const restarted = studyWith({ ...identify(), boot: 'before', heartbeat: 25 }).study;
  jest.setSystemTime(Date.now() + (uptime() + 60) * 1000);
  expect(restarted.reclaim()).toEqual([0]);
});

test('retries: 0 only fails the trial', () => {
  const { study } = studyWith({ ...elsewhere, heartbeat: 25 }, 0);
  study.reclaim();
  jest.advanceTimersByTime(101_000);
  expect(study.reclaim()).toEqual([0]);
  expect(study.trials).toHaveLength(1);
});

test('trials without signs of life, as Python runs them, are left alone unless asked', () => {
  const { study } = studyWith(elsewhere);
  study.reclaim();
  jest.advanceTimersByTime(3_000_000);
  expect(study.reclaim()).toEqual([]);
  expect(study.reclaim({ unknown: true })).toEqual([0]);
});

test('a process writes signs of life for the trials that it runs, and no longer', () => {
  const path = fresh('journal.log');
  const study = createStudy({ storage: path, space, defaults, sampler: uniform, graceSeconds: 100 });
  const beat = (number: number) => study.trials[number]!.systemAttrs['tinygpt:heartbeat'];
  const trial = study.ask();
  expect(study.trials[0]!.systemAttrs['tinygpt:worker']).toMatchObject({ heartbeat: 25, pid: process.pid });
  expect(beat(0)).toBeUndefined();
  jest.advanceTimersByTime(25_000);
  const first = beat(0);
  expect(first).toBe(formatDate(Date.now()));
  jest.advanceTimersByTime(50_000);
  expect(beat(0)).not.toBe(first);
  study.tell(trial, 1);
  const last = beat(0);
  jest.advanceTimersByTime(100_000);
  expect(beat(0)).toBe(last);
  expect(jest.getTimerCount()).toBe(0);
});

test('a grace period longer than a timer can wait brings no stream of signs of life', () => {
  const path = fresh('journal.log');
  const study = createStudy({ storage: path, space, defaults, sampler: uniform, graceSeconds: 1e7 });
  study.ask();
  jest.advanceTimersByTime(1000);
  expect(study.trials[0]!.systemAttrs['tinygpt:heartbeat']).toBeUndefined();
});

test('a result of a worker that was taken for dead is recorded as a new trial, and is not run again', () => {
  const path = fresh('journal.log');
  const options = { storage: path, space, defaults, sampler: uniform, graceSeconds: 100 };
  const study = createStudy(options);
  const trial = study.ask();
  trial.report(1, 5);
  const other = openStorage(path);
  const given = other.log.studies()[0]!.trials[0]!;
  other.transact(() => lossEntries(0, given, 1)); // it was too busy to give a sign of life
  trial.report(2, 4);
  study.refresh();
  trial.report(2, 4);
  trial.setUserAttr('tokens', 9);
  expect(study.trials.map(({ state }) => state)).toEqual(['fail', 'waiting']);
  const told = study.tell(trial, 3);
  expect(told).toMatchObject({
    number: 2,
    state: 'complete',
    value: 3,
    params: study.trials[0]!.params,
    userAttrs: { tokens: 9 },
    intermediate: new Map([
      [1, 5],
      [2, 4],
    ]),
    systemAttrs: { 'tinygpt:recovered_from': 0 },
  });
  expect(told.userAttrs.fail_reason).toBeUndefined();
  expect(study.trials[1]).toMatchObject({ state: 'fail', userAttrs: { fail_reason: 'superseded' } });
  expect(study.tell(trial, 3).number).toBe(0); // once
  expect(study.trials).toHaveLength(3);
});
