// A study is resumed by the command that began it, as the dashboard does it.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { knownCommands, rememberCommand } from '../../src/cli/resumption.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { processStatus } from '../../src/tune/storage/worker.js';
import { run } from './capture.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder();
const { TINYGPT_CACHE } = process.env;
process.env.TINYGPT_CACHE = join(folder, 'cache');
afterAll(() => {
  if (TINYGPT_CACHE === undefined) delete process.env.TINYGPT_CACHE;
  else process.env.TINYGPT_CACHE = TINYGPT_CACHE;
});

test('the command that began a study runs again and continues it, without a dashboard of its own', async () => {
  const place = join(folder, 'night', 'journal.log');
  const words = (trials: number) =>
    tinyTune(folder, 'cpu', 1, 'night', '--sampler', 'random', '--trials', `${trials}`);
  expect(await run(...words(1))).toBe(0);
  const { isKnown, resume } = knownCommands();
  expect(isKnown(place)).toBe(false);
  rememberCommand(place, [...words(3), '--dashboard', '0']);
  expect([isKnown(place), isKnown(join(folder, 'another', 'journal.log'))]).toEqual([true, false]);

  const said = resume(place);
  const [, pid] = /^Resumed as process (\d+); it prints to resumed\.log$/.exec(said)!;
  expect(resume(place)).toBe(`Already resumed as process ${pid}`); // a second click
  while (processStatus(Number(pid)).alive) await delay(50);
  const output = readFileSync(join(dirname(place), 'resumed.log'), 'utf8');
  expect(output).toContain('Resuming after 1 trial');
  expect(output).not.toContain('Dashboard:');
  expect(readJournal(place)[0]!.trials.map(({ state }) => state)).toEqual([
    'complete',
    'complete',
    'complete',
  ]);
});
