import { readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { UsageError } from '../../src/base/errors.js';
import { createGpt, gptLogits, gptLoss } from '../../src/model/gpt.js';
import { initialWeights } from '../../src/model/init.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { resolveConfig } from '../../src/train/config.js';
import { withIds } from '../../src/train/step.js';
import { relativeError, verifyGolden } from '../../src/verify/verify.js';
import { describeEachBackend } from '../backend/present.js';
import { TINY } from '../tinyConfig.js';

const GOLDEN = 'test/golden/gpt';

describeEachBackend('the model', () => {
  test.each(readdirSync(GOLDEN))(
    '%s replays within the fp32 tolerances and leaves no tensor',
    async (file) => {
      const before = tf.memory().numTensors;
      const { checks, worst } = await verifyGolden(`${GOLDEN}/${file}`);
      expect(checks.filter((check) => !check.passed)).toEqual([]);
      expect(checks.length).toBeGreaterThan(50);
      // Tighter than the tolerances at large: these cases are tiny.
      expect(worst.logits).toBeLessThan(1e-5);
      expect(worst.grad).toBeLessThan(1e-4);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('the loss of a new model is that of a uniform distribution', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 3 });
    const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 37) % 260);
    const loss = withIds(gpt, { inputs: ids, targets: ids }, 16, (x, y) =>
      tf.tidy(() => gptLoss(gpt, x, y, { batch: 2, seq: 16 })),
    );
    // lm_head starts with a spread of 0.001, so logits are within a few thousandths of zero.
    expect((await loss.data())[0]).toBeCloseTo(Math.log(260), 2);
    loss.dispose();
    gpt.dispose();
  });

  test('a later token never changes earlier logits', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt({ ...model, initScale: 3 }, { seed: 3 });
    const logits = async (ids: number[]) => {
      const x = tf.tensor1d(ids, 'int32');
      const y = gptLogits(gpt, x, { batch: 1, seq: 16 });
      const values = (await y.data()).slice(0, 15 * 260);
      tf.dispose([x, y]);
      return values;
    };
    const ids = Array.from({ length: 16 }, (_, i) => (i * 91) % 260);
    expect(relativeError(await logits([...ids.slice(0, 15), 5]), await logits(ids))).toBeLessThan(1e-6);
    gpt.dispose();
  });
});

describe('weights from outside', () => {
  const { model } = resolveConfig(TINY, 260);
  const wte = 'transformer.wte.weight';
  const changed = (change: (weights: ReturnType<typeof initialWeights>) => void) => {
    const weights = initialWeights(model, 1);
    change(weights);
    return weights;
  };
  const float = (shape: number[], size = shape.reduce((a, b) => a * b, 1)) => ({
    shape,
    values: new Float32Array(size),
  });

  test.each([
    [
      'of a transposed shape',
      changed((w) => w.set(wte, float([32, 260]))),
      /\[260,32\], got float32 \[32,260\]/,
    ],
    ['of another size', changed((w) => w.set(wte, float([260, 32], 5))), /8320 values .* got 5/],
    [
      'of integers',
      changed((w) => w.set('x0_lambdas', { shape: [2], values: new Int32Array(2) })),
      /got int32/,
    ],
    ['that are missing', changed((w) => w.delete('lm_head.weight')), /Expected lm_head.weight .* got none/],
    ['that are not of the model', changed((w) => w.set('extra', float([1]))), /no array "extra"/],
    ['with a NaN', changed((w) => w.get(wte)!.values.fill(Number.NaN, 7, 8)), /got NaN at 7/],
    ['with an infinity', changed((w) => w.get(wte)!.values.fill(-Infinity, 0, 1)), /got -Infinity at 0/],
  ])('%s are refused before anything is allocated', async (_, weights, message) => {
    await useBackend('cpu');
    const before = tf.memory().numTensors;
    expect(() => createGpt(model, { weights })).toThrow(message);
    expect(() => createGpt(model, { weights })).toThrow(UsageError);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('using disposes a model and its optimizer', async () => {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  const { model, optimizer: settings } = resolveConfig(TINY, 260);
  {
    using gpt = createGpt(model, { seed: 1 });
    using optimizer = createOptimizer(gpt, settings);
    expect(tf.memory().numTensors).toBeGreaterThan(before + optimizer.groups.length);
  }
  expect(tf.memory().numTensors).toBe(before);
});
