// Training in worker threads: the process ends by itself, and threads do not disturb each other.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { describeNative } from './present.js';

const PROGRAM = fileURLToPath(new URL('./trainingWorker.js', import.meta.url));

function run(...precisions: string[]): { results: { code: number; result: number[] }[]; loaded: boolean } {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...precisions], {
    encoding: 'utf8',
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describeNative('training in worker threads', () => {
  test('the process exits with code 0 and koffi stays in memory for the pool’s threads', () => {
    const { results, loaded } = run('fp32');
    expect(results[0]!.code).toBe(0);
    expect(results[0]!.result).toHaveLength(12);
    expect(loaded).toBe(true);
  });

  test('workers with different precisions at once give the bits of each alone', () => {
    const alone = ['fp32', 'bf16'].map((precision) => run(precision).results[0]!.result);
    const { results } = run('fp32', 'bf16', 'fp32');
    expect(results.map(({ result }) => result)).toEqual([alone[0], alone[1], alone[0]]);
  });
});
