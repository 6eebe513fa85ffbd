// A study whose process loses the GPU: every call fails from some point on, as after a kernel that failed.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import { secondsLeft } from '../../src/cli/restart.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { describeEmulated } from '../backend/cuda/present.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder();

describeEmulated('a study on a GPU that is lost', (device) => {
  /** Runs `tinygpt tune` in a process of its own; `lose` is the stand-in's FAKE_LOSE. */
  async function tune(name: string, lose: string, ...more: string[]) {
    const words = tinyTune(folder, 'cuda', 2, name, '--sampler', 'random', '--pruner', 'nop', ...more);
    const env = { ...process.env, TINYGPT_CUDA_LIBRARIES: device().folder, FAKE_LOSE: lose };
    const { code, out, err } = await new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, ['--no-warnings', MAIN, ...words], { env }, (error, out, err) =>
        resolve({ code: error ? Number(error.code) : 0, out, err }),
      );
    });
    const trials = readJournal(join(folder, name, 'journal.log'))[0]!.trials;
    const lost = trials.filter(({ userAttrs }) => userAttrs.fail_reason === 'device_lost').length;
    const complete = trials.filter(({ state }) => state === 'complete').length;
    return { code, out, err, lost, complete, trials: trials.length };
  }

  beforeAll(() => tune('warm', '', '--trials', '1')); // compiles the kernels

  test.each([
    [1, 6],
    [2, 12],
  ])('goes on in new processes until it has its trials: %i workers', async (workers, trials) => {
    // Copies from the device in a trial: the losses of two steps, and the evaluation's.
    const study = await tune(
      `study${workers}`,
      'cuMemcpyDtoHAsync_v2:12:719',
      '--trials',
      `${trials}`,
      '--workers',
      `${workers}`,
      ...(workers > 1 ? ['--share-gpu'] : []),
    );
    expect(study.err).toMatch(/CUDA_ERROR_LAUNCH_FAILED \(719\)/);
    expect(study.err).toMatch(/continuing in a new process/);
    expect(study).toMatchObject({ code: 0 });
    expect(study.lost).toBeGreaterThan(0);
    expect(study.complete).toBeGreaterThan(study.lost);
    expect(study.trials).toBeGreaterThanOrEqual(trials);
    expect(study.out).toMatch(/Report: /);
  });

  test('ends if new processes lose the GPU before they finish a trial, and resumes once the GPU works again', async () => {
    const study = await tune('hopeless', 'cuMemcpyDtoHAsync_v2:1:700', '--trials', '20');
    expect(study).toMatchObject({ code: 75, lost: 3, complete: 0, trials: 3 });
    expect(study.err).toMatch(/lost 3 times in a row .*The same command resumes/);
    expect(await tune('hopeless', '', '--trials', '5')).toMatchObject({ code: 0, lost: 3, complete: 2 });
  });
});

test('a process that continues for another gets its remaining time', () => {
  expect(secondsLeft(100)).toBe(100);
  process.env.TINYGPT_TUNE_BEGUN = `${Date.now() - 60_000}`;
  try {
    expect(secondsLeft(undefined)).toBeUndefined();
    expect(secondsLeft(100)).toBeLessThanOrEqual(40);
    expect(secondsLeft(100)).toBeGreaterThan(0);
    expect(secondsLeft(30)).toBeLessThan(0);
  } finally {
    delete process.env.TINYGPT_TUNE_BEGUN;
  }
});
