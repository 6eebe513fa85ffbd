// A training step replayed from its recording: the same numbers and no visible difference.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { deviceMemory } from '../../../src/backend/memory.js';
import type { NativeBackend } from '../../../src/backend/native/backend.js';
import { setThreads, threadsInUse } from '../../../src/backend/native/threads.js';
import { modelConfig } from '../../../src/model/config.js';
import { createGpt, gptLoss } from '../../../src/model/gpt.js';
import { leanGrads, repeatedGrads } from '../../../src/ops/index.js';
import { createOptimizer } from '../../../src/optim/optimizer.js';
import { resolveConfig } from '../../../src/train/config.js';
import { presetConfig } from '../../../src/train/presets.js';
import { batch, CONFIG, expectSumsOfSquares, gradsOf, loss, values } from '../recordedModel.js';
import { describeNative } from './present.js';

const recordings = () => (tf.backend() as unknown as NativeBackend).recordings.size;

describeNative('recorded steps of the native backend', () => {
  test('have the bits of eager steps while parameters and batches change', async () => {
    const run = async (replays: boolean) => {
      const gpt = createGpt(CONFIG, { seed: 3 });
      const optimizer = createOptimizer(gpt, resolveConfig(presetConfig('cpu')).optimizer);
      const repeated = gradsOf(gpt);
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        const inputs = batch(step);
        const { value, grads } = replays
          ? await repeated(inputs)
          : tf.tidy(() =>
              leanGrads(
                () => loss(gpt)(tf.tensor1d(inputs[0], 'int32'), tf.tensor1d(inputs[1], 'int32')),
                gpt.params,
              ),
            );
        losses.push(value.dataSync()[0]!);
        optimizer.step(grads, 0);
        tf.dispose([value, grads]);
      }
      if (replays) expect(recordings()).toBe(1);
      const weights = [...gpt.params.values()].map((each) => Array.from(each.dataSync()));
      optimizer.dispose();
      gpt.dispose();
      return { losses, weights };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test('do not overwrite gradients that are still held, and leak no memory', async () => {
    const before = { ...deviceMemory() };
    const gpt = createGpt(CONFIG, { seed: 3 });
    const repeated = gradsOf(gpt);
    const first = await repeated(batch(0));
    const kept = values(first.grads);
    const second = await repeated(batch(1));
    const third = await repeated(batch(0));
    expect(recordings()).toBe(1);
    expect(values(first.grads)).toEqual(kept);
    expect(values(third.grads)).toEqual(kept);
    expect(values(second.grads)).not.toEqual(kept);
    for (const { value, grads } of [first, second, third]) tf.dispose([value, grads]);
    gpt.dispose();
    expect(recordings()).toBe(0);
    expect(deviceMemory()).toEqual(before);
  });

  test('report a bad target and continue', async () => {
    const gpt = createGpt(CONFIG, { seed: 3 });
    const repeated = gradsOf(gpt);
    const [ids, targets] = batch(0);
    const bad = targets.slice();
    bad[7] = 50;
    const first = await repeated([ids, targets]);
    await expect(repeated([ids, bad])).rejects.toThrow('expected targets in [0, 50) or -1, got 50 at 7');
    const again = await repeated([ids, targets]);
    expect(values(again.grads)).toEqual(values(first.grads));
    for (const { value, grads } of [first, again]) tf.dispose([value, grads]);
    gpt.dispose();
  });

  test('do not include a pass that uses a stock kernel', async () => {
    const squared = (ids: tf.Tensor1D) =>
      tf.reshape(tf.cast(tf.square(ids), 'float32'), [2, 2]) as tf.Tensor2D;
    const batches = [
      [1, 2, 3, 4],
      [2, 2, 0, 1],
    ];
    await expectSumsOfSquares(squared, batches);
    expect(recordings()).toBe(0);
  });

  test('let the event loop run between passes', async () => {
    // 8 GFLOP on one core: more than the patience of a replay on any processor.
    const threads = threadsInUse();
    setThreads(1);
    const config = modelConfig({ ...CONFIG, vocabSize: 2048, width: 256, heads: 4, seqLen: 256 });
    const gpt = createGpt(config, { seed: 3 });
    const size = 4 * 256;
    const repeated = repeatedGrads(
      (ids, targets) => gptLoss(gpt, ids, targets, { batch: 4, seq: 256 }) as tf.Scalar,
      gpt.params,
    );
    const ids = Int32Array.from({ length: size }, (_, i) => (i * 7919) % 2048);
    let handled = 0;
    for (let step = 0; step < 2; step++) {
      const events = setInterval(() => handled++, 0);
      handled = 0;
      const { value, grads } = await repeated([ids, ids]);
      clearInterval(events);
      tf.dispose([value, grads]);
    }
    gpt.dispose();
    setThreads(threads);
    expect(handled).toBeGreaterThan(0);
  });
});
