// Random models are determined by their seeds and varied; backends agree on them, and one that computes wrongly does not.

import { afterEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { headDim, modelConfig } from '../../src/model/config.js';
import {
  CASE_SIZES,
  describeCase,
  drawBatch,
  drawCase,
  drawWeights,
  type RandomCase,
} from '../../src/verify/randomCase.js';
import { defaultReference, verifyRandom } from '../../src/verify/verifyRandom.js';
import { describeNative } from '../backend/native/present.js';

describe('random models', () => {
  test('depend only on the seed', () => {
    const [a, b, c] = [drawCase(5, 'small'), drawCase(5, 'small'), drawCase(6, 'small')];
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
    expect(drawBatch(b)).toEqual(drawBatch(a));
    expect([...drawWeights(b).entries()]).toEqual([...drawWeights(a).entries()]);
    expect(describeCase(a)).toMatch(/^seed 5 small: \d+ x \d+ tokens/);
  });

  test.each(CASE_SIZES)('%s ones are valid and cover every feature of a model', (size) => {
    const drawn = Array.from({ length: 100 }, (_, seed) => drawCase(seed, size));
    for (const { model } of drawn) modelConfig(model);
    const share = (has: (drawn: RandomCase) => boolean) => drawn.filter(has).length;
    expect(share(({ model }) => model.kvHeads < model.heads)).toBeGreaterThan(10);
    expect(share(({ model }) => model.valueEmbeds)).toBeGreaterThan(50);
    expect(share(({ model }) => /s/i.test(model.windowPattern) && model.depth > 1)).toBeGreaterThan(10);
    expect(share(({ model }) => model.softcap > 30)).toBeGreaterThan(10);
    expect(share(({ ignored }) => ignored > 0)).toBeGreaterThan(20);
    expect(share(({ model, seq }) => model.seqLen > seq)).toBeGreaterThan(10);
    expect(share(({ seq }) => seq % 4 !== 0)).toBeGreaterThan(50);
    expect(share(({ model }) => headDim(model) % 16 !== 0)).toBeGreaterThan(10);
    expect(share(({ optimizer }) => optimizer.weightDecay > 0)).toBeGreaterThan(20);
  });

  test('a bad seed is refused', () => {
    expect(() => drawCase(1.5, 'small')).toThrow(/seed that is an integer >= 0, got 1\.5; set --seed/);
  });
});

describeNative('the native backend against the stock compositions', () => {
  let restore = () => {};
  afterEach(() => {
    restore();
    restore = () => {};
  });

  test.each([
    ['fp32', 0],
    ['fp32', 5],
    ['bf16', 2],
    ['bf16', 4],
  ] as const)('agrees in %s, seed %d, and frees all tensors', async (precision, seed) => {
    await useBackend('native', { precision });
    const before = tf.memory().numTensors;
    const { checks, passed } = await verifyRandom(
      drawCase(seed, 'small'),
      { backend: 'native', precision },
      await defaultReference('native'),
    );
    expect(checks.filter((check) => !check.passed)).toEqual([]);
    expect(passed).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
  });

  // The reference's, as the native backend's own kernels are put right whenever it starts.
  test.each([
    ['Log', 'loss'],
    ['Relu', 'grad'],
    ['Sqrt', 'adamw'],
  ] as const)('%s that is wrong by a thousandth shows in %s', async (name, kind) => {
    const stock = tf.getKernel(name, 'cpu');
    const kernelFunc: tf.KernelFunc = (params) => {
      const out = stock.kernelFunc(params) as tf.TensorInfo;
      const backend = params.backend as unknown as tf.KernelBackend;
      const values = backend.readSync(out.dataId) as Float32Array;
      return {
        ...out,
        dataId: backend.write(
          values.map((v) => v * 1.001),
          out.shape,
          'float32',
        ),
      };
    };
    tf.unregisterKernel(name, 'cpu');
    tf.registerKernel({ ...stock, kernelFunc });
    restore = () => {
      tf.unregisterKernel(name, 'cpu');
      tf.registerKernel(stock);
    };
    const side = { backend: 'native', precision: 'fp32' } as const;
    const { passed, checks } = await verifyRandom(drawCase(0, 'small'), side, 'cpu');
    expect(passed).toBe(false);
    expect(checks.filter((check) => !check.passed).map((check) => check.kind)).toContain(kind);
  });

  test('stops between stages and frees all tensors', async () => {
    await useBackend('native', { precision: 'fp32' });
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const stages: string[] = [];
    const side = { backend: 'native', precision: 'fp32' } as const;
    const onStage = (stage: string) => {
      stages.push(stage);
      if (stages.length === 3) controller.abort();
    };
    const running = verifyRandom(drawCase(1, 'small'), side, 'cpu', { signal: controller.signal, onStage });
    await expect(running).rejects.toThrow(/abort/i);
    expect(stages).toHaveLength(3);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a backend is not compared with itself', async () => {
    const side = { backend: 'native', precision: 'fp32' } as const;
    await expect(verifyRandom(drawCase(1, 'small'), side, 'native')).rejects.toThrow(/--reference/);
  });
});
