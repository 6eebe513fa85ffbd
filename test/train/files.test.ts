import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EnvironmentError } from '../../src/base/errors.js';
import { openMetricsLog, rewindMetricsLog } from '../../src/train/metrics.js';
import { formatSummary, summarize } from '../../src/train/summary.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-files-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('the metrics log appends to an existing file', () => {
  const path = join(folder, 'logs', 'metrics.jsonl');
  for (const step of [1, 2]) {
    const log = openMetricsLog(path);
    log.write({ step, loss: 0.5 });
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(step + 1); // on disk before close
    log.close();
  }
  expect(existsSync(path)).toBe(true);
  mkdirSync(join(folder, 'blocked'));
  expect(() => openMetricsLog(join(folder, 'blocked'))).toThrow(/Cannot write/);
});

const full = existsSync('/dev/full') ? test : test.skip;
full('a full disk is reported on one line', () => {
  const log = openMetricsLog('/dev/full');
  expect(() => log.write({ step: 0 })).toThrow(/No space left to write \/dev\/full/);
  expect(() => log.write({ step: 0 })).toThrow(EnvironmentError);
  log.close();
});

test('a name that is too long is reported on one line', () => {
  const path = join(folder, 'x'.repeat(300), 'metrics.jsonl');
  expect(() => openMetricsLog(path)).toThrow(/the name is too long; choose a shorter one/);
});

test('the log of a resumed run keeps one record of each step before the checkpoint', async () => {
  const path = join(folder, 'metrics.jsonl');
  await rewindMetricsLog(path, 3); // absent: nothing to do
  const step = (n: number, loss: number) => JSON.stringify({ kind: 'step', step: n, loss });
  // Killed at step 4 and resumed at 2, as older versions logged it; then killed in the middle of a line.
  const lines = [step(0, 9), step(1, 8), step(2, 7), step(3, 6), step(2, 5), step(3, 4), step(4, 3)];
  const rest = ['{"kind":"final","valBpb":null}', 'null', '{"kind":"step","step":-1}', '{"kind":"st'];
  writeFileSync(path, [...lines, ...rest].join('\n'));
  await rewindMetricsLog(path, 4);
  expect(readFileSync(path, 'utf8')).toBe([step(0, 9), step(1, 8), step(2, 5), step(3, 4), ''].join('\n'));
});

test('the summary block has the keys and the order of the reference', () => {
  const result = {
    valBpb: 0.9979,
    trainingSeconds: 300.12,
    peakMemoryBytes: 2 ** 30,
    mfuPercent: 39.8,
    tokens: 499_600_000,
    numSteps: 953,
    numParams: 50_300_000,
    depth: 8,
    tokensPerSecond: 1_664_000,
  };
  const summary = summarize(result as never, { name: 'cpu', precision: 'fp32' }, 42, 325.9);
  expect(formatSummary(summary)).toBe(`---
val_bpb:          0.997900
training_seconds: 300.1
total_seconds:    325.9
peak_memory_mb:   1024.0
mfu_percent:      39.80
total_tokens_M:   499.6
num_steps:        953
num_params_M:     50.3
depth:            8`);
  expect(Object.keys(summary).slice(9)).toEqual(['tokens_per_second', 'backend', 'precision', 'seed']);
});
