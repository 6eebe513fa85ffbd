// A backward pass that recomputes the layers' activations: the same numbers with less memory.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { createGpt, gptLoss } from '../../src/model/gpt.js';
import { leanGrads } from '../../src/ops/index.js';
import { resolveConfig } from '../../src/train/config.js';
import { describeEachBackend } from '../backend/present.js';
import { TINY } from '../tinyConfig.js';

const SIZES = { depth: 5, width: 32, headDim: 16, seqLen: 64, valueEmbeds: true, windowPattern: 'SL' };

describeEachBackend('recomputed layers', () => {
  test('give the same loss and gradients to the bit, take less memory and leave no tensor behind', async () => {
    const { model } = resolveConfig({ ...TINY, ...SIZES, vocabSize: 256 });
    const gpt = createGpt(model, { seed: 1 });
    // Matrices that start as zeros would hide the rest.
    for (const [i, variable] of [...gpt.params.values()].entries())
      variable.assign(
        tf.tidy(() => tf.add(variable, tf.randomNormal(variable.shape, 0, 0.05, 'float32', i))),
      );
    const [batch, seq] = [4, model.seqLen];
    const count = batch * seq;
    const ids = tf.tensor1d(Int32Array.from({ length: count }, (_, i) => (i * 31) % 250));
    const targets = tf.tensor1d(Int32Array.from({ length: count }, (_, i) => (i * 17 + 1) % 250));
    const before = tf.memory().numTensors;
    const run = async (recompute: boolean) => {
      const loss = () => gptLoss(gpt, ids, targets, { batch, seq, recompute }) as tf.Scalar;
      const { value, grads, peakBytes } = leanGrads(loss, gpt.params);
      const numbers = new Map([['loss', await value.data()]]);
      for (const [name, grad] of Object.entries(grads)) numbers.set(name, await grad.data());
      tf.dispose([value, grads]);
      return { numbers, peakBytes };
    };
    const [kept, recomputed] = [await run(false), await run(true)];
    expect([...recomputed.numbers.keys()].sort()).toEqual(['loss', ...gpt.params.keys()].sort());
    expect(recomputed.numbers).toEqual(kept.numbers);
    expect(recomputed.peakBytes).toBeLessThan(0.75 * kept.peakBytes);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([ids, targets]);
    gpt.dispose();
  });
});
