// Processes that are killed at any moment, and processes that write at once: nothing acknowledged is lost.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { type Random, randomStream } from '../../src/base/random.js';
import { createStudyEntry } from '../../src/tune/journal/records.js';
import { fileStorage } from '../../src/tune/storage/fileStorage.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform, value } from './problem.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const timeout = 240_000; // for a machine that is busy otherwise

function start(program: string, args: string[]) {
  const path = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, lines: createInterface({ input: child.stdout }), exit: once(child, 'exit') };
}

/** Runs a process and kills it soon after one of its first acknowledgements; returns them. */
async function runAndKill(program: string, args: string[], random: Random): Promise<string[]> {
  const { child, lines, exit } = start(program, args);
  const fatal = random.int(6);
  const pause = 3 * random.uniform();
  const heard: string[] = [];
  for await (const line of lines)
    if (heard.push(line) === fatal + 1) void delay(pause).then(() => child.kill('SIGKILL'));
  expect((await exit)[1]).toBe('SIGKILL');
  return heard;
}

function newLog(): string {
  const path = fresh('journal.log');
  fileStorage(path, { create: true }).transact(() => [createStudyEntry('study', 'minimize')]);
  return path;
}

test(
  'of 200 processes killed at random moments, four at a time, no acknowledged record is lost',
  async () => {
    const path = newLog();
    const random = randomStream(200, 'kills');
    const acknowledged: string[] = [];
    let kills = 0;
    const slot = async () => {
      while (kills < 200)
        acknowledged.push(...(await runAndKill('journalWriter', [path, `${kills++}`, '0'], random)));
    };
    await Promise.all([slot(), slot(), slot(), slot()]);

    const storage = fileStorage(path);
    storage.transact(() => [createStudyEntry('later', 'minimize')]); // the log goes on, at once
    const [study, later] = readJournal(path);
    expect(acknowledged.length).toBeGreaterThan(400);
    expect(acknowledged.filter((key) => !(key in study!.userAttrs))).toEqual([]);
    for (const key of acknowledged)
      expect(study!.userAttrs[key]).toMatch(new RegExp(`^x*${key.split('/')[1]}$`));
    expect(later!.name).toBe('later');
    expect(existsSync(`${path}.lock`)).toBe(false);
  },
  timeout,
);

test(
  'a study whose workers are killed keeps every result and fails only running trials',
  async () => {
    const path = fresh('journal.log');
    const random = randomStream(20, 'kills');
    const acknowledged: string[] = [];
    let kills = 0;
    const slot = async () => {
      while (kills++ < 20) acknowledged.push(...(await runAndKill('studyWorker', [path], random)));
    };
    await Promise.all([slot(), slot()]);

    const study = createStudy({ storage: path, space, defaults, sampler: uniform });
    study.tell(study.ask(), 0);
    for (const line of acknowledged) {
      const [what, number, step] = line.split(' ');
      const trial = study.trials[Number(number)]!;
      expect(Object.keys(trial.params)).toHaveLength(4);
      if (what === 'report') expect(trial.intermediate.get(Number(step))).toBe(Number(step) + Number(number));
      if (what === 'tell') expect([trial.state, trial.value]).toEqual(['complete', value(trial.params)]);
    }
    const failed = study.trials.filter((trial) => trial.state === 'fail');
    expect(failed.map((trial) => trial.userAttrs.fail_reason)).toEqual(failed.map(() => 'killed'));
    expect(failed.length).toBeLessThanOrEqual(20);
    expect(study.trials.some((trial) => trial.state === 'running')).toBe(false);
    // The defaults were run to their end, whoever was killed on the way, or killed twice.
    const ofDefaults = study.trials.filter((trial) => 'fixed_params' in trial.systemAttrs);
    expect(ofDefaults.some((trial) => trial.state === 'complete') || ofDefaults.length === 2).toBe(true);
  },
  timeout,
);

test(
  'no record of six processes appending at once is lost, split or duplicated',
  async () => {
    const path = newLog();
    const [writers, records] = [6, 40];
    const acknowledged: string[] = [];
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        const { lines, exit } = start('journalWriter', [path, `${writer}`, `${records}`]);
        for await (const line of lines) acknowledged.push(line);
        expect((await exit)[0]).toBe(0);
      }),
    );
    const expected = Array.from({ length: writers }, (_, w) =>
      Array.from({ length: records }, (_, i) => `${w}/${i}`),
    );
    const [study] = readJournal(path);
    expect(Object.keys(study!.userAttrs).sort()).toEqual(expected.flat().sort());
    expect(acknowledged.sort()).toEqual(expected.flat().sort());
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(writers * records + 1);
  },
  timeout,
);
