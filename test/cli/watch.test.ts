// tinygpt study watch where lines cannot be drawn again, and exports that would replace a journal.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { float, randomSampler } from '../../src/tune/index.js';
import { createStudy } from '../../src/tune/study.js';
import { err, out, run } from './capture.js';

let folder: string;
let journal: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-watch-'));
  journal = join(folder, 'journal.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openStudy = () =>
  createStudy({ name: 'tiny', space: { x: float(0, 1) }, sampler: randomSampler(), storage: journal });

test('watch prints each trial once as it ends, in any order, without control characters on a dumb terminal', async () => {
  const study = openStudy();
  const trials = [study.ask(), study.ask(), study.ask()];
  study.tell(trials[1]!, 0.5);
  const isTTY = process.stdout.isTTY;
  const { TERM } = process.env;
  const interrupt = jest.spyOn(process, 'on');
  try {
    process.stdout.isTTY = true;
    process.env.TERM = 'dumb';
    const watching = run('study', 'watch', journal);
    const printed = (count: number) => out.trimEnd().split('\n').length === count && out !== '';
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((resolve) => setImmediate(resolve));
    };
    await until(() => printed(1));
    study.tell(trials[0]!, 0.25);
    study.tell(trials[2]!, 0.75);
    await until(() => printed(3));
    const handler = interrupt.mock.calls.find(([event]) => event === 'SIGINT')![1] as () => void;
    handler();
    expect(await watching).toBe(0);
  } finally {
    interrupt.mockRestore();
    process.stdout.isTTY = isTTY;
    if (TERM === undefined) delete process.env.TERM;
    else process.env.TERM = TERM;
    study.close();
  }
  expect(out).not.toContain('\x1b');
  expect([...out.matchAll(/^ *(\d+) +(0\.\d+)/gm)].map(([, trial, value]) => [trial, value])).toEqual([
    ['1', '0.500000'],
    ['0', '0.250000'],
    ['2', '0.750000'],
  ]);
});

test('watch writes a trial as text once, however many have ended before', async () => {
  const study = openStudy();
  for (let i = 0; i < 5; i++) study.tell(study.ask(), 0.5);
  const { isTTY } = process.stdout;
  process.stdout.isTTY = false;
  const interrupt = jest.spyOn(process, 'on');
  const watching = run('study', 'watch', journal);
  const until = async (count: number) => {
    while (out.split('\n').length <= count) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(5);
  const written = jest.spyOn(Number.prototype, 'toFixed');
  try {
    study.tell(study.ask(), 0.25);
    await until(6);
    (interrupt.mock.calls.find(([event]) => event === 'SIGINT')![1] as () => void)();
    expect(await watching).toBe(0);
    expect(written.mock.calls.filter(([digits]) => digits === 6)).toHaveLength(1);
  } finally {
    written.mockRestore();
    interrupt.mockRestore();
    process.stdout.isTTY = isTTY;
    study.close();
  }
});

test('watch ends when nobody reads on', async () => {
  const study = openStudy();
  study.tell(study.ask(), 0.5);
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'study', 'watch', journal], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.destroy();
  study.tell(study.ask(), 0.25);
  expect(await ended).toEqual([0, null]);
  study.close();
});

test.each(['watch', 'export'])('%s, which prints no JSON object, refuses --json', async (action) => {
  openStudy().close();
  expect(await run('study', action, journal, '--json')).toBe(2);
  expect([out, err]).toEqual(['', expect.stringMatching(/^error: Expected no --json with .*; use /)]);
});

test('the printed command for TensorBoard is quoted', async () => {
  openStudy().close();
  const events = join(folder, 'the events');
  expect(await run('study', 'export', journal, '--format', 'tensorboard', '--out', events)).toBe(0);
  expect(err).toContain(`tensorboard --logdir "${events}"`);
});

test('export does not write over the journal of a study', async () => {
  const study = openStudy();
  study.tell(study.ask(), 1);
  study.close();
  const before = readFileSync(journal, 'utf8');
  expect(await run('study', 'export', journal, '--out', journal)).toBe(2);
  expect(err).toMatch(/^error: Expected --out to be a file for the export, got .*, the journal of a study/);
  expect(readFileSync(journal, 'utf8')).toBe(before);
});
