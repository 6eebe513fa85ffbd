// A training step replayed from its recording: the same numbers and no visible difference.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { deviceMemory } from '../../../src/backend/memory.js';
import type { NativeBackend } from '../../../src/backend/native/backend.js';
import { setThreads, threadsInUse } from '../../../src/backend/native/threads.js';
import { randomStream } from '../../../src/base/random.js';
import { modelConfig } from '../../../src/model/config.js';
import { createGpt, type Gpt, gptLoss } from '../../../src/model/gpt.js';
import { leanGrads, linear, repeatedGrads } from '../../../src/ops/index.js';
import { createOptimizer } from '../../../src/optim/optimizer.js';
import { resolveConfig } from '../../../src/train/config.js';
import { presetConfig } from '../../../src/train/presets.js';
import { describeNative } from './present.js';

const SHAPE = { batch: 3, seq: 16 };
const CONFIG = modelConfig({ vocabSize: 50, seqLen: 16, depth: 2, heads: 4, kvHeads: 2, width: 32 });

/** The `index`-th batch: ids and targets. */
function batch(index: number): Int32Array[] {
  const random = randomStream(5, `batch ${index}`);
  const draw = () => Int32Array.from({ length: 48 }, () => random.int(50));
  return [draw(), draw()];
}

const loss = (gpt: Gpt) => (ids: tf.Tensor1D, targets: tf.Tensor1D) =>
  gptLoss(gpt, ids, targets, SHAPE) as tf.Scalar;

const recordings = () => (tf.backend() as unknown as NativeBackend).recordings.size;

function values(tensors: Record<string, tf.Tensor>): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(tensors)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, tensor]) => [name, Array.from(tensor.dataSync())]),
  );
}

describeNative('recorded steps of the native backend', () => {
  test('have the bits of eager steps while parameters and batches change', async () => {
    const run = async (replays: boolean) => {
      const gpt = createGpt(CONFIG, { seed: 3 });
      const optimizer = createOptimizer(gpt, resolveConfig(presetConfig('cpu')).optimizer);
      const repeated = repeatedGrads(loss(gpt), gpt.params);
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        const inputs = batch(step);
        const { value, grads } = replays
          ? await repeated(inputs)
          : tf.tidy(() =>
              leanGrads(
                () => loss(gpt)(tf.tensor1d(inputs[0]!, 'int32'), tf.tensor1d(inputs[1]!, 'int32')),
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
    const repeated = repeatedGrads(loss(gpt), gpt.params);
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
    const repeated = repeatedGrads(loss(gpt), gpt.params);
    const [ids, targets] = batch(0);
    const bad = targets!.slice();
    bad[7] = 50;
    const first = await repeated([ids!, targets!]);
    await expect(repeated([ids!, bad])).rejects.toThrow('expected targets in [0, 50) or -1, got 50 at 7');
    const again = await repeated([ids!, targets!]);
    expect(values(again.grads)).toEqual(values(first.grads));
    for (const { value, grads } of [first, again]) tf.dispose([value, grads]);
    gpt.dispose();
  });

  test('do not include a pass that uses a stock kernel', async () => {
    const w = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]));
    const repeated = repeatedGrads(
      (ids) => {
        const x = tf.reshape(tf.cast(tf.square(ids), 'float32'), [2, 2]) as tf.Tensor2D;
        const y = linear(x, w);
        return tf.customGrad((y) => ({
          value: tf.sum(y as tf.Tensor) as tf.Scalar,
          gradFunc: () => tf.ones((y as tf.Tensor).shape),
        }))(y) as tf.Scalar;
      },
      new Map([['w', w]]),
    );
    for (const ids of [
      [1, 2, 3, 4],
      [2, 2, 0, 1],
    ]) {
      const [a, b, c, d] = ids.map((id) => id * id) as [number, number, number, number];
      const { value, grads } = await repeated([Int32Array.from(ids)]);
      expect(value.dataSync()[0]).toBe(4 * a + 6 * b + 4 * c + 6 * d);
      expect(Array.from(Object.values(grads)[0]!.dataSync())).toEqual([a + c, b + d, a + c, b + d]);
      tf.dispose([value, grads]);
    }
    expect(recordings()).toBe(0);
    w.dispose();
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
