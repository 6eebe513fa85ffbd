// A study that workers share, from the command line: its status for scripts, its conclusion, and its data.

import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { float, randomSampler } from '../../src/tune/index.js';
import { createTrialEntry } from '../../src/tune/journal/records.js';
import { openStorage, readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import { err, out, run } from './capture.js';
import { tinyStudyFolder, tinyTune, writeStories } from './tinyStudy.js';

/** Runs a command line; what it printed, and its exit code. */
async function capture(words: string[]) {
  const code = await run(...words);
  return { code, stdout: out, stderr: err };
}

const folder = tinyStudyFolder();
const path = (name: string) => join(folder, name);

beforeAll(async () => expect((await tune('2')).code).toBe(0));

const tune = (trials: string) =>
  capture(tinyTune(folder, 'cpu', 1, 'study', '--sampler', 'random', '--trials', trials));
const study = (...words: string[]) => capture(['study', ...words]);

test('study status, best and wait answer scripts', async () => {
  const status = await study('status', '--storage', path('study'), '--json');
  expect(JSON.parse(status.stdout)).toMatchObject({
    study: 'study',
    trials: 2,
    complete: 2,
    running: 0,
    workers: 0,
    stopping: false,
    concluded: true,
  });
  const best = JSON.parse((await study('best', path('study'), '--json')).stdout);
  const [log] = readJournal(path('study/journal.log'));
  expect(log!.trials[best.trial]).toMatchObject({ value: best.value, params: best.params });
  expect((await study('wait', path('study'))).code).toBe(0);
  expect((await study('wait', path('study'), '--trials', '2', '--name', 'study')).code).toBe(0);
  const late = await study('wait', path('study'), '--trials', '3', '--timeout', '0.01');
  expect([late.code, late.stderr]).toEqual([1, 'error: The study has not 3 finished trials after 0.01 s\n']);
  const none = await study('wait', path('study'), '--name', 'other', '--timeout', '0.01');
  expect(none.stderr).toBe('error: The study has not ended after 0.01 s; it does not exist yet\n');
});

test('study wait ends with the reason where the server cannot be reached', async () => {
  const storage = 'redis://127.0.0.1:1';
  const late = await study('wait', '--storage', storage, '--name', 'night', '--timeout', '1.5');
  expect(late).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^error: The study has not ended after 1.5 s; Cannot reach redis:.*ECONNREFUSED/,
    ),
  });
});

test('the confirmation runs of a study are not taken for it', async () => {
  const journal = join(folder, 'confirmed', 'journal.log');
  const runs = { space: { x: float(0, 1) }, sampler: randomSampler(), storage: journal };
  for (const [name, value, userAttrs] of [
    ['confirmed', 1, {}],
    ['confirmed:confirmation', 0.5, { confirms: 'confirmed' }],
  ] as const) {
    const own = createStudy({ ...runs, name, userAttrs });
    own.tell(own.ask(), value);
    own.close();
  }
  for (const action of ['best', 'status', 'stop'])
    expect(JSON.parse((await study(action, path('confirmed'), '--json')).stdout)).toMatchObject(
      action === 'best' ? { trial: 0, value: 1 } : { study: 'confirmed' },
    );
  const named = await study('best', path('confirmed'), '--name', 'confirmed:confirmation', '--json');
  expect(JSON.parse(named.stdout)).toMatchObject({ value: 0.5 });
});

test('study export writes the trials for other tools', async () => {
  const csv = await study('export', path('study'));
  expect(csv.stdout.trim().split('\n')).toHaveLength(3);
  expect(
    (await study('export', path('study'), '--format', 'jsonl', '--out', path('trials.jsonl'))).code,
  ).toBe(0);
  expect(
    readFileSync(path('trials.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).number),
  ).toEqual([0, 1]);
  expect((await study('export', path('study'), '--format', 'tensorboard')).stderr).toContain('2 trials in ');
  expect(readdirSync(path('study/tensorboard')).length).toBeGreaterThan(0);
});

test('study export finds the steps of a study whose journal is elsewhere', async () => {
  copyFileSync(path('study/journal.log'), path('shared.log'));
  const losses = async (out: string, ...more: string[]) => {
    const words = ['export', path('shared.log'), '--format', 'tensorboard', '--out', path(out), ...more];
    expect((await study(...words)).code).toBe(0);
    const run = join(path(out), 'trial-0000');
    return readFileSync(join(run, readdirSync(run)[0]!), 'latin1').includes('train/loss by budget');
  };
  expect(await losses('without')).toBe(false);
  expect(await losses('with', '--steps', path('study'))).toBe(true);
  expect(await losses('named', '--steps', path('study'), '--steps-of', 'another')).toBe(false);
});

test('study says why a place cannot be read', async () => {
  writeFileSync(path('damaged.log'), '{"op_code":0,\n');
  const { code, stderr } = await study('status', path('damaged.log'));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: .*damaged\.log:1: .*restore the log or remove this line\n$/);
});

test('study stop asks the workers to end, and status says so', async () => {
  expect((await study('stop', path('study'))).stdout).toBe(
    'Asked the workers of study to stop after their running trials\n',
  );
  expect(JSON.parse((await study('status', path('study'), '--json')).stdout).stopping).toBe(true);
});

test('a study with a trial that still runs elsewhere is left to the worker that ends last', async () => {
  const storage = openStorage(path('study/journal.log'));
  const worker = { host: 'elsewhere', boot: 'b', namespace: '1', pid: 7, start: 5, heartbeat: 30 };
  storage.transact(() => [
    createTrialEntry(
      0,
      {},
      { state: 'running', params: {}, start: Date.now(), systemAttrs: { 'tinygpt:worker': worker } },
    ),
  ]);
  const { stdout } = await tune('4');
  expect(stdout).toContain('1 trial of this study still runs; the worker that ends last writes the report');
  expect(JSON.parse((await study('status', path('study'), '--json')).stdout)).toMatchObject({
    running: 1,
    workers: 1,
    concluded: false,
  });
});

test('a worker with other data of the same name is refused', async () => {
  writeStories(folder, 'geese');
  const { code, stderr } = await tune('6');
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /Expected the dataset of study study, [0-9a-f]{12}, got [0-9a-f]{12}: this machine has other data; copy the text/,
  );
});
