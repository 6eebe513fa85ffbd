import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { float, int } from '../../src/tune/distributions.js';
import { medianPruner } from '../../src/tune/pruners/index.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { createStudy } from '../../src/tune/study.js';
import { configOfTrial, trainCheck, trainObjective } from '../../src/tune/trainObjective.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

describe('the trainer as an objective', () => {
  beforeAll(async () => {
    await useBackend('wasm');
  });
  const options = (more: object = {}) => ({
    base: TINY,
    fixed: { log2_totalBatchSize: 6 },
    data: tinyData(),
    budget: { steps: 4 },
    seed: 1,
    ...more,
  });
  const space = { matrixLr: float(0.001, 0.1, { log: true }), depth: int(1, 3), log2_headDim: int(3, 4) };
  const defaults = { matrixLr: 0.04, depth: 2, log2_headDim: 3 };

  test('exponents and fixed parameters are applied to the configuration', () => {
    expect(configOfTrial(options(), { depth: 3, log2_headDim: 4 })).toMatchObject({
      depth: 3,
      headDim: 16,
      totalBatchSize: 64,
      matrixLr: TINY.matrixLr,
    });
  });

  test('sizes that do not fit and too much memory are refused before running', () => {
    const check = trainCheck(options());
    expect(check({ depth: 2 })).toBeNull();
    expect(check({ width: 30 })).toMatchObject({
      reason: 'sizes',
      detail: expect.stringMatching(/30 and 8/),
    });
    expect(trainCheck(options({ memoryLimit: 1000 }))({ depth: 2 })).toMatchObject({
      reason: 'memory',
      detail: expect.stringMatching(/needs about \d+ kB of memory/),
    });
  });

  test('a study trains every trial, records the effective configuration, and leaks no tensors', async () => {
    const before = tf.memory().numTensors;
    const study = createStudy({ space, defaults, sampler: randomSampler(), check: trainCheck(options()) });
    await study.optimize(trainObjective(options({ reportAt: [50] })), { trials: 3 });
    expect(study.trials.map((trial) => trial.state)).toEqual(['complete', 'complete', 'complete']);
    const [first] = study.trials;
    expect(first!.params).toEqual(defaults);
    expect(first!.userAttrs.config).toMatchObject({ depth: 2, headDim: 8, heads: 4, width: 32 });
    expect(first!.userAttrs).toMatchObject({ num_steps: 4, total_tokens: 256 });
    expect([...first!.intermediate.keys()]).toEqual([50]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the same seed gives the same study, to the bit', async () => {
    const run = async () => {
      const study = createStudy({ space, defaults, sampler: randomSampler(), seed: 5 });
      await study.optimize(trainObjective(options()), { trials: 3 });
      return study.trials.map(({ params, value }) => ({ params, value }));
    };
    expect(await run()).toEqual(await run());
  });

  test('a diverging trial fails with its reason and the study continues', async () => {
    const study = createStudy({
      space: { embeddingLr: float(1e-3, 1e30, { log: true }), matrixLr: float(1e-3, 1e30, { log: true }) },
      defaults: { embeddingLr: 1e30, matrixLr: 1e30 },
      sampler: { name: 'calm', ask: () => ({ params: { embeddingLr: 0.1, matrixLr: 0.01 } }) },
    });
    await study.optimize(trainObjective(options({ budget: { steps: 8 } })), { trials: 2 });
    const [wild, calm] = study.trials;
    expect(wild).toMatchObject({ state: 'fail', userAttrs: { fail_reason: 'diverged' } });
    expect(wild!.userAttrs.cost_seconds).toBeGreaterThan(0);
    expect(calm!.state).toBe('complete');
  });

  test('the median pruner stops a trial that is worse', async () => {
    let asked = 0;
    const study = createStudy({
      space: { matrixLr: float(1e-9, 1, { log: true }), embeddingLr: float(1e-9, 1, { log: true }) },
      defaults: { matrixLr: 0.02, embeddingLr: 0.1 },
      sampler: {
        name: 'worse and worse',
        ask: () => ({
          params: ++asked < 3 ? { matrixLr: 0.02, embeddingLr: 0.1 } : { matrixLr: 1e-9, embeddingLr: 1e-9 },
        }),
      },
      pruner: medianPruner({ startupTrials: 2 }),
    });
    await study.optimize(trainObjective(options({ budget: { steps: 8 }, reportAt: [25, 50, 75] })), {
      trials: 4,
    });
    const last = study.trials.at(-1)!;
    expect(last.state).toBe('pruned');
    expect(last.intermediate.size).toBeLessThan(3);
  });

  test('an aborted trial is recorded as interrupted', async () => {
    const controller = new AbortController();
    const study = createStudy({ space, defaults, sampler: randomSampler() });
    const onStep = () => controller.abort();
    await study.optimize(trainObjective(options({ onStep })), { trials: 3, signal: controller.signal });
    expect(study.trials[0]).toMatchObject({ state: 'fail', userAttrs: { fail_reason: 'interrupted' } });
    expect(study.trials.filter((trial) => trial.state === 'running')).toEqual([]);
  });
});
