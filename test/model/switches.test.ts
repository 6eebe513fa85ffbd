// Parts of the model that the reference does not have: off by default, exact gradients when on.

import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../src/base/random.js';
import { hasValueEmbedding, MODEL_DEFAULTS, parameterShapes } from '../../src/model/config.js';
import { countParameters } from '../../src/model/flops.js';
import { createGpt, gptLoss, type TokenIds } from '../../src/model/gpt.js';
import { initialWeights } from '../../src/model/init.js';
import { modelInputs } from '../../src/model/ngrams.js';
import { leanGrads } from '../../src/ops/index.js';
import { resolveConfig, type TrainConfig } from '../../src/train/config.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from '../ops/check.js';
import { TINY } from '../tinyConfig.js';

const SWITCHES: Partial<TrainConfig>[] = [
  { activation: 'gelu' },
  { activation: 'swiglu' },
  { qkNorm: false },
  { tiedHead: true },
  { valueEmbedStride: 1 },
  { bigramRows: 64, trigramRows: 16 },
];

const modelOf = (settings: Partial<TrainConfig>) => resolveConfig({ ...TINY, ...settings }, 260).model;
const BATCH = { batch: 2, seq: 16 };
const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 37) % 260);

describeEachBackend('switches of the model', () => {
  for (const settings of SWITCHES)
    test(`the gradient along a direction is the slope of the loss: ${JSON.stringify(settings)}`, async () => {
      const config = modelOf(settings);
      const weights = initialWeights(config, 3);
      const directions = new Map<string, ArrayLike<number>>();
      for (const [name, { values }] of weights) {
        const random = randomStream(3, `switches.${name}`);
        for (let i = 0; i < values.length; i++) values[i]! += 0.2 * random.normal();
        directions.set(
          name,
          values.map(() => random.normal()),
        );
      }
      /** Loss, and slope along the directions, `offset` along them. */
      const at = async (offset: number) => {
        const moved = new Map(
          [...weights].map(([name, { shape, values }]) => [
            name,
            { shape, values: values.map((value, i) => value + offset * directions.get(name)![i]!) },
          ]),
        );
        using gpt = createGpt(config, { weights: moved });
        return await tidyAsync(async () => {
          const tokens = modelInputs(config, ids, BATCH.seq).map((rows) => tf.tensor1d(rows, 'int32'));
          const targets = tf.tensor1d(
            ids.map((id) => (id + 1) % 260),
            'int32',
          );
          const loss = () => gptLoss(gpt, tokens as unknown as TokenIds, targets, BATCH) as tf.Scalar;
          const { value, grads } = leanGrads(loss, gpt.params);
          let slope = 0;
          for (const [name, direction] of directions) {
            const grad = await grads[name]!.data();
            for (let i = 0; i < grad.length; i++) slope += grad[i]! * direction[i]!;
          }
          return { loss: (await value.data())[0]!, slope };
        });
      };
      const step = 1e-3;
      const { slope } = await at(0);
      const difference = ((await at(step)).loss - (await at(-step)).loss) / (2 * step);
      // A float32 loss of about 5.6 is good to 1e-6, its difference quotient to 1e-3.
      expect(Math.abs(slope)).toBeGreaterThan(0.1);
      expect(Math.abs(difference - slope)).toBeLessThan(4e-3 + 4e-3 * Math.abs(slope));
    });
});

describe('parameters of the switches', () => {
  const names = (settings: Partial<TrainConfig>) =>
    parameterShapes(modelOf(settings)).map(({ name }) => name);

  test('by default the model has the parameters of the reference only', () => {
    expect(names({}).filter((name) => /ngram|gram_embed|c_gate/.test(name))).toEqual([]);
    expect(MODEL_DEFAULTS).toMatchObject({ activation: 'reluSquared', qkNorm: true, tiedHead: false });
  });

  test('SwiGLU has as many weights as the squared ReLU, to within the rounding of its width', () => {
    const [plain, gated] = [{}, { activation: 'swiglu' as const }].map(
      (settings) => countParameters(modelOf({ width: 192, headDim: 32, ...settings })).matrices,
    );
    expect(gated).toBe(plain);
  });

  test('a tied head has no matrix of its own; n-gram tables start at zero', () => {
    expect(names({ tiedHead: true })).not.toContain('lm_head.weight');
    const weights = initialWeights(modelOf({ bigramRows: 8 }), 1);
    expect(weights.get('bigram_embed.weight')!.shape).toEqual([8, 32]);
    expect(weights.get('bigram_embed.weight')!.values.every((value) => value === 0)).toBe(true);
  });

  test('value embeddings at every stride include the last layer', () => {
    const layers = (stride: number) => {
      const config = modelOf({ depth: 5, valueEmbedStride: stride });
      return [0, 1, 2, 3, 4].filter((layer) => hasValueEmbedding(config, layer));
    };
    expect([1, 2, 3].map(layers)).toEqual([
      [0, 1, 2, 3, 4],
      [0, 2, 4],
      [1, 4],
    ]);
  });

  test('n-gram rows depend on the tokens of the n-gram only, not across rows, and spread evenly', () => {
    const config = modelOf({ bigramRows: 1024, trigramRows: 2 });
    const [, bigrams, trigrams] = modelInputs(config, Int32Array.of(5, 6, 7, 6, 5, 6, 7, 6), 4);
    expect(bigrams![4]).toBe(bigrams![0]);
    expect(bigrams![5]).toBe(bigrams![1]);
    expect(trigrams!.every((row) => row === 0 || row === 1)).toBe(true);
    const random = randomStream(1, 'ngrams');
    const many = Int32Array.from({ length: 65_536 }, () => random.int(8192));
    const counts = new Int32Array(1024);
    for (const row of modelInputs(config, many, 1024)[1]!) counts[row]!++;
    // 64 a row on average: a Poisson count is within 6 standard deviations.
    expect(Math.min(...counts)).toBeGreaterThan(64 - 48);
    expect(Math.max(...counts)).toBeLessThan(64 + 48);
  });

  test('impossible settings are refused with the value', () => {
    expect(() => modelOf({ bigramRows: 100 })).toThrow('Expected bigramRows to be 0 or a power of two');
    expect(() => modelOf({ valueEmbedStride: 0 })).toThrow('got 0');
    expect(() => modelOf({ activation: 'relu' as 'gelu' })).toThrow('got "relu"');
  });
});
