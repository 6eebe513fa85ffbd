import { readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { createGpt, gptLogits, gptLoss } from '../../src/model/gpt.js';
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

  test('the loss of a fresh model is that of the uniform guess', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 3 });
    const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 37) % 260);
    const loss = withIds({ inputs: ids, targets: ids }, (x, y) =>
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
    const logits = (ids: number[]) => {
      const x = tf.tensor1d(ids, 'int32');
      const y = gptLogits(gpt, x, { batch: 1, seq: 16 });
      const values = y.dataSync().slice(0, 15 * 260);
      tf.dispose([x, y]);
      return values;
    };
    const ids = Array.from({ length: 16 }, (_, i) => (i * 91) % 260);
    expect(relativeError(logits([...ids.slice(0, 15), 5]), logits(ids))).toBeLessThan(1e-6);
    gpt.dispose();
  });
});

test('refuses weights of another shape, and leaves no tensor behind', async () => {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  const { model } = resolveConfig(TINY, 260);
  const weights = new Map([['resid_lambdas', new Float32Array(7)]]);
  expect(() => createGpt(model, { weights })).toThrow(/Expected 2 values for resid_lambdas \[2\], got 7/);
  expect(tf.memory().numTensors).toBe(before);
});
