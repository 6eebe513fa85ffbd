// Text from a model, with a key-value cache: the prompt in one pass, then one token at a time. Each layer's cache is
// trimmed to its window, so that texts longer than T take bounded memory.
//
// H query heads, G kv heads, D head width, t positions in a cache.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError, expect } from '../base/errors.js';
import { randomStream } from '../base/random.js';
import { createStreamDecoder } from '../data/index.js';
import type { Tokenizer } from '../data/types.js';
import { attentionHeads, causalAttention, type Heads, lmHeadLogits, rmsNorm } from '../ops/index.js';
import { headDim } from './config.js';
import { applyLayer, embedTokens, type Gpt, headOperands } from './gpt.js';
import { modelInputs, ngramTables } from './ngrams.js';
import { rotaryTables } from './rotary.js';
import { type SamplingOptions, sampleId, validateSampling } from './sampling.js';

export interface GenerateOptions extends SamplingOptions {
  /** Most ids to generate. Default 256. */
  maxTokens?: number;
  /** Ends the text without being yielded. */
  stopId?: number;
  /** Default 1. */
  seed?: number | string;
  /** Ends the text early. */
  signal?: AbortSignal | undefined;
}

/**
 * Continues a text, yielding pieces of whole characters as they are made; the prompt is not among them. Ends where the
 * model ends the document. Holds no tensor after it ends, is returned from or throws.
 * @throws UsageError on bad options, EnvironmentError when the logits are not finite
 */
export async function* generateText(
  gpt: Gpt,
  tokenizer: Tokenizer,
  prompt: string,
  options: Omit<GenerateOptions, 'stopId' | 'banned'> = {},
): AsyncGenerator<string, void> {
  const { bosId, vocabSize } = tokenizer;
  expect(
    vocabSize === gpt.config.vocabSize,
    () => `Expected the model's tokenizer (${gpt.config.vocabSize} ids), got one of ${vocabSize}`,
  );
  const specials = Array.from({ length: vocabSize - bosId - 1 }, (_, i) => bosId + 1 + i);
  const decoder = createStreamDecoder(tokenizer);
  const ids = [bosId, ...tokenizer.encode(prompt)];
  for await (const id of generate(gpt, ids, { ...options, stopId: bosId, banned: specials }))
    yield decoder.push(id);
  yield decoder.end();
}

/** Keys and values of one layer, each [G, t, D]. */
type LayerCache = { k: tf.Tensor3D; v: tf.Tensor3D };

/**
 * Continues a prompt, yielding one id at a time. Holds no tensor after it ends, is returned from or throws.
 * @param prompt at least one id, the BOS first as in training
 * @throws UsageError on an empty prompt, an id outside the vocabulary or bad options; EnvironmentError when the logits
 *   are not finite
 */
export async function* generate(
  gpt: Gpt,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void> {
  const { vocabSize } = gpt.config;
  const { maxTokens = 256 } = options;
  validateSampling(options);
  expect(
    Number.isInteger(maxTokens) && maxTokens >= 0,
    () => `Expected maxTokens to be an integer >= 0, got ${maxTokens}`,
  );
  expect(prompt.length > 0, () => 'Expected a prompt of at least one id, got none; start with the BOS');
  const outside = prompt.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  expect(outside === undefined, () => `Expected prompt ids in [0, ${vocabSize}), got ${outside}`);

  const random = randomStream(options.seed ?? 1, 'sample');
  const decoder = createDecoder(gpt);
  try {
    let next = prompt;
    for (let n = 0; n < maxTokens; n++) {
      await letEventsIn();
      if (options.signal?.aborted) return;
      const logits = await decoder.logits(next);
      if (!logits.every(Number.isFinite))
        throw new EnvironmentError('The logits are not finite: the weights were damaged or diverged');
      const id = sampleId(logits, options, random);
      if (id === options.stopId) return;
      yield id;
      next = [id];
    }
  } finally {
    decoder.dispose();
  }
}

/** Reads ids one by one and caches their keys and values. */
export interface Decoder extends Disposable {
  /** Appends ids and returns the logits after the last one, [V]. */
  logits(ids: readonly number[]): Promise<Float32Array>;
  dispose(): void;
}

/** A decoder with an empty cache. */
export function createDecoder(gpt: Gpt): Decoder {
  const { depth, ropeBase, softcap, vocabSize } = gpt.config;
  const D = headDim(gpt.config);
  let caches: LayerCache[] = [];
  let position = 0;
  /** As many of the last ids as n-grams of the next one contain. */
  let context: number[] = [];
  const contextLength = Math.max(0, ...ngramTables(gpt.config).map(({ order }) => order - 1));
  const dispose = () => {
    tf.dispose(caches);
    caches = [];
  };

  /** Logits after the last id, [V]; the layers' new caches are kept and pushed to `grown`. */
  const readIds = (ids: readonly number[], grown: LayerCache[]): tf.Tensor => {
    const count = ids.length;
    const tables = rotaryTables(count, D, ropeBase, position);
    const rotary = {
      cos: tf.tensor2d(tables.cos, [count, D / 2]),
      sin: tf.tensor2d(tables.sin, [count, D / 2]),
    };
    const known = Int32Array.from([...context, ...ids]);
    const [tokens, ...ngrams] = modelInputs(gpt.config, known, known.length).map((rows) =>
      tf.tensor1d(rows.subarray(context.length), 'int32'),
    ) as [tf.Tensor1D, ...tf.Tensor1D[]];
    const x0 = embedTokens(gpt, [tokens, ...ngrams]);
    let x = x0;
    for (let layer = 0; layer < depth; layer++)
      x = applyLayer(gpt, layer, x, x0, tokens, rotary, (input) => {
        const heads = attentionHeads(input, gpt.config);
        const { output, cache } = attendCached(gpt, heads, caches[layer], gpt.windows[layer]!);
        grown.push({ k: tf.keep(cache.k), v: tf.keep(cache.v) });
        return output;
      });
    const last = rmsNorm(tf.slice(x, [count - 1, 0], [1, -1]));
    return tf.reshape(lmHeadLogits(...headOperands(gpt, last), softcap), [vocabSize]);
  };

  return {
    async logits(ids) {
      const grown: LayerCache[] = [];
      let result: tf.Tensor;
      try {
        result = tf.tidy(() => readIds(ids, grown));
      } catch (error) {
        tf.dispose(grown);
        throw error;
      }
      tf.dispose(caches);
      caches = grown;
      position += ids.length;
      context = [...context, ...ids].slice(-contextLength || Infinity);
      try {
        return new Float32Array(await result.data());
      } finally {
        result.dispose();
      }
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/**
 * Attention of new rows to the cache and themselves. New rows are either the whole text so far (no cache) or one.
 */
function attendCached(
  gpt: Gpt,
  { q, k, v }: Heads,
  cache: LayerCache | undefined,
  window: number,
): { output: tf.Tensor2D; cache: LayerCache } {
  const { heads: H, kvHeads: G } = gpt.config;
  const D = headDim(gpt.config);
  const rows = q.shape[0];
  expect(rows === 1 || !cache, () => `Expected one id at a time after the prompt, got ${rows}`);
  const perHead = (x: tf.Tensor2D) => tf.transpose(tf.reshape(x, [rows, G, D]), [1, 0, 2]) as tf.Tensor3D;
  const append = (old: tf.Tensor3D | undefined, fresh: tf.Tensor3D) => {
    const all = old ? tf.concat3d([old, fresh], 1) : fresh;
    const extra = all.shape[1] - (window + 1); // a query sees itself and `window` keys before it
    return extra > 0 ? tf.slice(all, [0, extra, 0], [G, window + 1, D]) : all;
  };
  const grown = { k: append(cache?.k, perHead(k)), v: append(cache?.v, perHead(v)) };
  if (!cache) {
    const shape = { batch: 1, seq: rows, heads: H, kvHeads: G, window };
    return { output: causalAttention(q, k, v, shape), cache: grown };
  }
  const grouped = tf.reshape(q, [G, H / G, D]);
  const scores = tf.mul(tf.matMul(grouped, grown.k, false, true), 1 / Math.sqrt(D));
  const output = tf.matMul(tf.softmax(scores), grown.v);
  return { output: tf.reshape(output, [1, H * D]), cache: grown };
}
