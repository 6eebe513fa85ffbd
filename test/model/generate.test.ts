import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../src/base/random.js';
import { createDecoder, generate } from '../../src/model/generate.js';
import { createGpt, type Gpt, gptLogits } from '../../src/model/gpt.js';
import { initialWeights } from '../../src/model/init.js';
import { modelInputs } from '../../src/model/ngrams.js';
import { sampleId } from '../../src/model/sampling.js';
import { resolveConfig, type TrainConfig } from '../../src/train/config.js';
import { relativeError } from '../../src/verify/verify.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from '../ops/check.js';
import { TINY } from '../tinyConfig.js';

/** A model whose every weight is at work (fresh ones have zero projections). */
function livelyGpt(settings: Partial<TrainConfig> = {}): Gpt {
  const { model } = resolveConfig({ ...TINY, ...settings }, 260);
  const weights = initialWeights(model, 5);
  for (const [name, { values }] of weights) {
    const random = randomStream(5, `lively.${name}`);
    for (let i = 0; i < values.length; i++) values[i] = values[i]! + 0.3 * random.normal();
  }
  return createGpt(model, { weights });
}

async function collect(ids: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = [];
  for await (const id of ids) all.push(id);
  return all;
}

describeEachBackend('generation', () => {
  test('cached logits equal those of the whole text, at every position', async () => {
    const gpt = livelyGpt();
    const before = tf.memory().numTensors;
    const ids = Array.from({ length: 16 }, (_, i) => (i * 91) % 260);
    const x = tf.tensor1d(ids, 'int32');
    const y = gptLogits(gpt, x, { batch: 1, seq: 16 });
    const whole = await y.data();
    tf.dispose([x, y]);
    const decoder = createDecoder(gpt);
    for (let t = 4; t < 16; t++) {
      const cached = await decoder.logits(t === 4 ? ids.slice(0, 5) : [ids[t]!]);
      expect(relativeError(cached, whole.slice(t * 260, (t + 1) * 260))).toBeLessThan(1e-5);
    }
    decoder.dispose();
    expect(tf.memory().numTensors).toBe(before);
    gpt.dispose();
  });

  test('cached logits equal those of the whole text with n-grams, a tied head and without QK norm', async () => {
    using gpt = livelyGpt({ bigramRows: 64, trigramRows: 32, tiedHead: true, qkNorm: false });
    const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 91) % 260);
    const whole = await tidyAsync(async () => {
      const tensors = modelInputs(gpt.config, ids, 12).map((rows) => tf.tensor1d(rows, 'int32'));
      return gptLogits(gpt, tensors as [tf.Tensor1D, ...tf.Tensor1D[]], { batch: 1, seq: 12 }).data();
    });
    using decoder = createDecoder(gpt);
    for (let t = 0; t < 12; t++) {
      const cached = await decoder.logits([ids[t]!]);
      expect(relativeError(cached, whole.slice(t * 260, (t + 1) * 260))).toBeLessThan(1e-5);
    }
  });

  test('generates beyond the trained length, repeats with the same seed, and frees all tensors', async () => {
    const gpt = livelyGpt();
    const before = tf.memory().numTensors;
    const run = (seed: number) => collect(generate(gpt, [256, 65], { maxTokens: 40, seed, temperature: 1 }));
    const first = await run(1);
    expect(first).toHaveLength(40);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
    gpt.dispose();
  });

  test('stops at the stop id, on abort and on break, and frees all tensors', async () => {
    const gpt = livelyGpt();
    const before = tf.memory().numTensors;
    const greedy = await collect(generate(gpt, [256], { maxTokens: 5, temperature: 0 }));
    expect(await collect(generate(gpt, [256], { maxTokens: 5, temperature: 0, stopId: greedy[0]! }))).toEqual(
      [],
    );
    expect(await collect(generate(gpt, [256], { maxTokens: 5, signal: AbortSignal.abort() }))).toEqual([]);
    for await (const _ of generate(gpt, [256], { maxTokens: 5 })) break;
    expect(tf.memory().numTensors).toBe(before);
    gpt.dispose();
  });

  test('refuses bad prompts and options, and frees all tensors', async () => {
    const gpt = livelyGpt();
    const before = tf.memory().numTensors;
    await expect(collect(generate(gpt, [], { maxTokens: 1 }))).rejects.toThrow(/at least one id/);
    await expect(collect(generate(gpt, [300], { maxTokens: 1 }))).rejects.toThrow(/\[0, 260\), got 300/);
    await expect(collect(generate(gpt, [1], { maxTokens: 1, temperature: -1 }))).rejects.toThrow(
      /--temperature/,
    );
    await expect(collect(generate(gpt, [1], { maxTokens: 1, topP: 0 }))).rejects.toThrow(/--top-p/);
    expect(tf.memory().numTensors).toBe(before);
    gpt.dispose();
  });
});

describe('sampling an id', () => {
  const logits = [1, 3, 2, 0];
  const draws = (options: object) => {
    const random = randomStream(1, 'draws');
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) counts[sampleId(logits, options, random)]!++;
    return counts.map((count) => count / 4000);
  };

  test('follows the softmax at temperature 1', () => {
    const weights = logits.map(Math.exp);
    const total = weights.reduce((a, b) => a + b);
    // Standard error below 0.008.
    draws({ temperature: 1 }).forEach((share, id) => {
      expect(Math.abs(share - weights[id]! / total)).toBeLessThan(0.03);
    });
  });

  test('temperature 0 picks the largest logit; banned ids never occur', () => {
    expect(draws({ temperature: 0 })).toEqual([0, 1, 0, 0]);
    expect(draws({ temperature: 0, banned: [1] })).toEqual([0, 0, 1, 0]);
  });

  test('top-k and top-p cut the tail', () => {
    expect(draws({ temperature: 1, topK: 2 }).map((share) => share > 0)).toEqual([false, true, true, false]);
    // p(1) = 0.64, p(1) + p(2) = 0.88.
    expect(draws({ temperature: 1, topP: 0.6 }).map((share) => share > 0)).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect(draws({ temperature: 1, topP: 0.7 }).map((share) => share > 0)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
