// A study that several workers share is concluded once, by the one that ends last.

import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { concludeShared } from '../../src/cli/conclude.js';
import { isConcluded } from '../../src/tune/conclusion.js';
import { confirmationName } from '../../src/tune/confirm.js';
import { createTrialEntry, studyAttrEntry } from '../../src/tune/journal/records.js';
import { openStorage, readJournal } from '../../src/tune/storage/index.js';
import { identify } from '../../src/tune/storage/worker.js';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform } from '../tune/problem.js';
import { scratchFolder } from '../tune/scratch.js';
import { hasRedis, startRedis } from '../tune/servers.js';

const fresh = scratchFolder();

/** A study of one trial, and one that waits; `conclude` says whether it wrote the report. */
function begin(userAttrs = {}) {
  const journal = fresh('journal.log');
  const folder = dirname(journal);
  const options = { storage: journal, name: 'shared', space, defaults, sampler: uniform, userAttrs };
  const study = createStudy(options);
  study.enqueue({ x: 2 });
  const runTrial = () => void study.tell(study.ask(), 1);
  runTrial();
  const said: string[] = [];
  const conclude = async (say = (line: string) => void said.push(line)) => {
    const report = join(folder, 'report.html');
    rmSync(report, { force: true });
    await concludeShared({ name: 'shared', folder, storage: journal }, { say });
    return existsSync(report);
  };
  return { journal, options, study, runTrial, said, conclude };
}

test('a worker that ends later without a trial does not write the report again, and says how to', async () => {
  const { journal, said, conclude } = begin();
  expect(await conclude()).toBe(true);
  expect(await conclude()).toBe(false);
  expect(said.at(-1)).toBe(
    `The report is written already, or by another worker now; again: npx tinygpt report ${dirname(journal)}`,
  );
});

(hasRedis ? test : test.skip)('the command for the report of a study in Redis is one that runs', async () => {
  const { port } = await startRedis();
  const storage = `redis://:hidden@127.0.0.1:${port}?prefix=p`;
  const folder = dirname(fresh('report.html'));
  const study = createStudy({ storage, name: 'a study', space, defaults, sampler: uniform });
  study.tell(study.ask(), 1);
  study.close();
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  for (let i = 0; i < 2; i++) await concludeShared({ name: 'a study', folder, storage }, { say });
  expect(said.at(-1)).toMatch(
    new RegExp(
      `tinygpt report 'redis://127\\.0\\.0\\.1:${port}\\?prefix=p' --name "a study" --out ${folder}$`,
    ),
  );
});

test('a trial that was enqueued before the conclusion and run after it is reported', async () => {
  const { runTrial, conclude } = begin();
  await conclude();
  runTrial();
  expect(await conclude()).toBe(true);
});

test('a trial whose worker elsewhere gave its last sign of life long ago keeps nobody from concluding', async () => {
  const { journal, conclude } = begin();
  const elsewhere = { host: 'elsewhere', boot: 'b', namespace: '1', pid: 7, start: 5, heartbeat: 25 };
  const storage = openStorage(journal);
  const start = (at: number) =>
    storage.transact(() => [
      createTrialEntry(0, space, {
        state: 'running',
        params: defaults,
        start: at,
        systemAttrs: { 'tinygpt:worker': elsewhere },
      }),
    ]);
  start(Date.now() - 3_600_000);
  expect(await conclude()).toBe(true);
  start(Date.now());
  expect(await conclude()).toBe(false);
});

test('a study is concluded once its confirmation runs have ended', async () => {
  const { options, said, conclude } = begin();
  const runs = createStudy({
    ...options,
    name: confirmationName('shared'),
    userAttrs: { confirms: 'shared' },
  });
  const run = runs.ask();
  expect(await conclude()).toBe(false);
  expect(said.at(-1)).toContain('1 trial of this study still runs');
  runs.tell(run, { state: 'fail', reason: 'diverged' });
  expect(await conclude()).toBe(true);
});

test('a study counts as concluded when its report is written', async () => {
  const { journal, conclude } = begin();
  const seen: boolean[] = [];
  const look = () => void seen.push(isConcluded(readJournal(journal)[0]!));
  await conclude(look);
  look();
  expect(new Set(seen.slice(0, -1))).toEqual(new Set([false]));
  expect(seen.at(-1)).toBe(true);
});

test('a mark of an earlier version, which does not say whether it is done, is', async () => {
  const { journal, runTrial, conclude } = begin();
  const storage = openStorage(journal);
  const mark = { trials: 1, runs: 0, worker: { ...identify(), boot: 'before' } };
  storage.transact(() => [studyAttrEntry('system', 0, 'tinygpt:concluded', mark)]);
  expect(isConcluded(readJournal(journal)[0]!)).toBe(true);
  expect(await conclude()).toBe(false);
  runTrial();
  expect(isConcluded(readJournal(journal)[0]!)).toBe(false);
  expect(await conclude()).toBe(true);
});

test('a conclusion that fails is left to the next', async () => {
  const { conclude, journal } = begin();
  const fail = () => {
    throw new Error('no space left');
  };
  await expect(conclude(fail)).rejects.toThrow('no space left');
  expect(isConcluded(readJournal(journal)[0]!)).toBe(false);
  expect(await conclude()).toBe(true);
  expect(isConcluded(readJournal(journal)[0]!)).toBe(true);
});

test('a conclusion whose process died is made by the next', async () => {
  const { journal, conclude } = begin();
  const storage = openStorage(journal);
  const worker = { ...identify(), boot: 'before' };
  storage.transact(() => [
    studyAttrEntry('system', 0, 'tinygpt:concluded', { trials: 1, runs: 0, worker, done: false }),
  ]);
  expect(await conclude()).toBe(true);
});
