// Training, verification and studies on the webgpu backend, beside `native` and across failures of the device.

import { beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { type BackendName, useBackend } from '../../../src/backend/index.js';
import type { WebGpuBackend } from '../../../src/backend/webgpu/backend.js';
import { driver } from '../../../src/backend/webgpu/driver.js';
import { DeviceLostError } from '../../../src/base/errors.js';
import { estimateMemory } from '../../../src/model/memory.js';
import { resolveConfig, type TrainConfig } from '../../../src/train/config.js';
import { train } from '../../../src/train/trainer.js';
import { float } from '../../../src/tune/distributions.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { createStudy } from '../../../src/tune/study.js';
import { trainObjective } from '../../../src/tune/trainObjective.js';
import { drawCase } from '../../../src/verify/randomCase.js';
import { defaultReference, verifyRandom } from '../../../src/verify/verifyRandom.js';
import { TINY } from '../../tinyConfig.js';
import { tinyData } from '../../tinyData.js';

const probe = await driver.probe();
const backend = () => tf.backend() as unknown as WebGpuBackend;
const onWebGpu = probe.available ? describe : describe.skip;
const config: TrainConfig = { ...TINY, valueEmbeds: true, kvHeads: null, windowPattern: 'SL' };

onWebGpu(`training on webgpu${probe.available ? '' : ` (${probe.reason})`}`, () => {
  beforeEach(async () => {
    await useBackend('webgpu');
  });

  test.each([1, 2])('random model %d agrees with the reference backend', async (seed) => {
    const side = { backend: 'webgpu', precision: 'fp32' } as const;
    const { checks } = await verifyRandom(drawCase(seed, 'small'), side, await defaultReference('webgpu'));
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
  });

  test('losses of a short run follow those of the reference backend', async () => {
    const lossesOn = async (name: BackendName) => {
      await useBackend(name);
      const losses: number[] = [];
      await train(config, {
        data: tinyData(),
        budget: { steps: 8 },
        onStep: ({ loss }) => void losses.push(loss),
      });
      return losses;
    };
    const expected = await lossesOn(await defaultReference('webgpu'));
    const losses = await lossesOn('webgpu');
    expect(losses).toHaveLength(8);
    // Rounding grows from step to step: single updates of AdamW and Muon turn on the sign of numbers near zero.
    for (const [step, loss] of losses.entries())
      expect(Math.abs(loss - expected[step]!)).toBeLessThan(step === 0 ? 1e-5 : 0.02);
  });

  test('the memory estimate is within 25% of the peak of buffers in use', async () => {
    const { pool } = backend();
    const acquire = pool.acquireBuffer;
    let peak = 0;
    pool.acquireBuffer = function (...args) {
      const buffer = acquire.apply(this, args);
      peak = Math.max(peak, pool.numBytesUsed);
      return buffer;
    };
    const sizes = { ...config, depth: 2, width: 128, headDim: 32, seqLen: 128, deviceBatchSize: 8 };
    const resolved = resolveConfig({ ...sizes, totalBatchSize: 1024 }, 260);
    try {
      await train(resolved, { data: tinyData(), budget: { steps: 2 } });
    } finally {
      pool.acquireBuffer = acquire;
    }
    const { model, accumulation } = resolved;
    const ratio = estimateMemory(model, { batch: 8, accumulation, recompute: false }).peakBytes / peak;
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.25);
  });

  /** A study of one-step trials, of which `fail` disturbs the second. */
  function study(fail: () => void) {
    const created = createStudy({ space: { matrixLr: float(0.01, 0.1) }, sampler: randomSampler() });
    const run = trainObjective({ base: config, data: tinyData(), budget: { steps: 1 } });
    let count = 0;
    return { ...created, run: () => created.optimize(objective, { trials: 3 }), trials: created.trials };
    async function objective(trial: Parameters<typeof run>[0]) {
      if (count++ !== 1) return run(trial);
      const value = run({
        ...trial,
        setUserAttr(key, given) {
          if (key === 'config') fail();
          trial.setUserAttr(key, given);
        },
      });
      return value;
    }
  }

  test('memory that the device refuses fails the trial, and the study goes on', async () => {
    const { run, trials } = study(() => {
      const { device } = backend();
      const [create, pop] = [device.createBuffer.bind(device), device.popErrorScope.bind(device)];
      // An invalid buffer, as of an allocation that fails: kernels that get it are refused before the allocation is.
      device.createBuffer = (descriptor) => {
        device.createBuffer = create;
        device.pushErrorScope('validation');
        const buffer = create({ ...descriptor, usage: 0 });
        void pop();
        return buffer;
      };
      device.popErrorScope = async () => {
        await pop();
        device.popErrorScope = pop;
        return { message: 'refused by the device' } as GPUError;
      };
    });
    await run();
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'fail', 'complete']);
    expect(trials[1]!.userAttrs).toMatchObject({
      fail_reason: 'out_of_memory',
      fail_message: expect.stringContaining('refused by the device'),
    });
  });

  test('a device that is lost fails the trial and ends the search, which goes on from there', async () => {
    const { run, trials } = study(() => backend().device.destroy());
    await expect(run()).rejects.toBeInstanceOf(DeviceLostError);
    await run();
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'fail', 'complete']);
    expect(trials[1]!.userAttrs.fail_reason).toBe('device_lost');
  });
});
