// Several processes on one study, stopped by signals and by the death of their parent.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { processStatus } from '../../src/tune/storage/worker.js';
import type { Trial } from '../../src/tune/types.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder();

/** Two workers at trials without end, once both have begun one. */
async function startStudy(name: string) {
  const out = join(folder, name);
  const words = tinyTune(folder, 'cpu', 1e8, name, '--trials', '2', '--workers', '2');
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: 'ignore',
    detached: true, // a process group of its own, as a terminal gives it
  });
  const journal = join(out, 'journal.log');
  const trials = (): readonly Trial[] => (existsSync(journal) ? (readJournal(journal)[0]?.trials ?? []) : []);
  const workers = () =>
    trials().map((trial) => (trial.systemAttrs['tinygpt:worker'] as { pid: number })?.pid);
  while (new Set(workers().filter(Boolean)).size < 2) {
    expect(child.exitCode).toBeNull();
    await delay(50);
  }
  return { child, out, trials, pids: workers() };
}

async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some((pid) => processStatus(pid).alive)) await delay(50);
}

test('workers whose parent is killed record their running trials and exit', async () => {
  const { child, trials, pids } = await startStudy('killed');
  child.kill('SIGKILL');
  await untilGone(pids);
  expect(trials().map((trial) => trial.userAttrs.fail_reason)).toEqual([
    'interrupted',
    'interrupted',
    undefined,
  ]);
  expect(trials()[2]!.state).toBe('waiting'); // the defaults, enqueued again
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s of the parent stops the workers, which record their trials, and makes the report',
  async (signal) => {
    const { child, out, trials, pids } = await startStudy(signal);
    if (signal === 'SIGINT')
      process.kill(-child.pid!, signal); // Ctrl-C reaches the whole group
    else child.kill(signal);
    expect(await once(child, 'exit')).toEqual([130, null]);
    await untilGone(pids);
    expect(trials().filter((trial) => trial.state === 'running')).toEqual([]);
    expect(existsSync(join(out, 'report.html'))).toBe(true);
  },
);
