// A training step replayed as a TensorFlow graph: the same numbers and no visible difference.

import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { capabilities, declareCapabilities } from '../../../../src/backend/capabilities.js';
import { deviceMemory } from '../../../../src/backend/memory.js';
import { useBackend } from '../../../../src/backend/use.js';
import { createGpt } from '../../../../src/model/gpt.js';
import { createOptimizer } from '../../../../src/optim/optimizer.js';
import { resolveConfig } from '../../../../src/train/config.js';
import { presetConfig } from '../../../../src/train/presets.js';
import { absentBackends, presentBackends } from '../../present.js';
import { batch, CONFIG, expectSumsOfSquares, gradsOf, values } from '../../recordedModel.js';

/** The addon's count of the graphs that it holds. */
const graphs = () =>
  (tf.backend() as unknown as { binding: { getNumOfSavedModels(): number } }).binding.getNumOfSavedModels();

/** The passes after which the next one is recorded. */
async function prepare(repeated: ReturnType<typeof gradsOf>): Promise<void> {
  for (let pass = 0; pass < 3; pass++) {
    const { value, grads } = await repeated(batch(0));
    tf.dispose([value, grads]);
  }
  expect(graphs()).toBe(0);
}

/** The recorder away while `run` runs: every step is then done operation by operation. */
async function withoutRecorder<R>(run: () => Promise<R>): Promise<R> {
  const declared = capabilities();
  declareCapabilities('tensorflow', {});
  try {
    return await run();
  } finally {
    declareCapabilities('tensorflow', declared);
  }
}

/** Losses and weights of seven steps. */
async function steps(): Promise<{ losses: number[]; weights: number[][]; graphs: number }> {
  const gpt = createGpt(CONFIG, { seed: 3 });
  const optimizer = createOptimizer(gpt, resolveConfig(presetConfig('cpu')).optimizer);
  const repeated = gradsOf(gpt);
  const losses: number[] = [];
  for (let step = 0; step < 7; step++) {
    const { value, grads } = await repeated(batch(step));
    losses.push(value.dataSync()[0]!);
    optimizer.step(grads, 0);
    tf.dispose([value, grads]);
  }
  const count = graphs();
  const weights = [...gpt.params.values()].map((each) => Array.from(each.dataSync()));
  optimizer.dispose();
  gpt.dispose();
  return { losses, weights, graphs: count };
}

const absent = absentBackends.find(({ name }) => name === 'tensorflow');
const when = presentBackends.includes('tensorflow') ? describe : describe.skip;

when(`recorded steps of the tensorflow backend${absent ? ` (${absent.reason})` : ''}`, () => {
  // A GPU does not record.
  let records = false;
  beforeEach(async () => {
    await useBackend('tensorflow');
    records = capabilities().recorder !== undefined;
  });

  test.each(['fp32', 'bf16'] as const)('have the bits of eager steps in %s', async (precision) => {
    await useBackend('tensorflow', { precision });
    const recorded = await steps();
    const plain = await withoutRecorder(steps);
    expect([recorded.graphs, plain.graphs]).toEqual([records ? 1 : 0, 0]);
    expect(recorded.losses).toEqual(plain.losses);
    expect(recorded.weights).toEqual(plain.weights);
  });

  test('do not overwrite gradients that are still held, and leak nothing', async () => {
    const before = { ...deviceMemory() };
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('tinygpt-graph-'));
    const foldersBefore = folders();
    const gpt = createGpt(CONFIG, { seed: 3 });
    const repeated = gradsOf(gpt);
    await prepare(repeated);
    const first = await repeated(batch(0));
    const kept = values(first.grads);
    const second = await repeated(batch(1));
    const third = await repeated(batch(0));
    expect(graphs()).toBe(records ? 1 : 0);
    expect(values(first.grads)).toEqual(kept);
    expect(values(third.grads)).toEqual(kept);
    expect(values(second.grads)).not.toEqual(kept);
    for (const { value, grads } of [first, second, third]) tf.dispose([value, grads]);
    gpt.dispose();
    expect(graphs()).toBe(0);
    expect(deviceMemory()).toEqual(before);
    expect(folders()).toEqual(foldersBefore);
  });

  test('report a bad token and continue', async () => {
    const gpt = createGpt(CONFIG, { seed: 3 });
    const repeated = gradsOf(gpt);
    const [ids, targets] = batch(0);
    const bad = ids.slice();
    bad[7] = 50;
    await prepare(repeated);
    const first = await repeated([ids, targets]);
    if (records) await expect(repeated([bad, targets])).rejects.toThrow('= 50 is not in [0, 50)');
    const again = await repeated([ids, targets]);
    expect(values(again.grads)).toEqual(values(first.grads));
    for (const { value, grads } of [first, again]) tf.dispose([value, grads]);
    gpt.dispose();
    expect(graphs()).toBe(0);
  });

  test('do not include a pass whose results are read on the way', async () => {
    const squared = (ids: tf.Tensor1D) => {
      const [a, b, c, d] = tf.cast(tf.square(ids), 'float32').dataSync();
      return tf.tensor2d([a!, b!, c!, d!], [2, 2]);
    };
    const batches = [
      [1, 2, 3, 4],
      [2, 2, 0, 1],
      [0, 1, 2, 3],
      [3, 1, 4, 1],
      [5, 9, 2, 6],
    ];
    await expectSumsOfSquares(squared, batches);
    expect(graphs()).toBe(0);
  });

  // The last one: what TensorFlow has not taken once it is not given again.
  test('fall back to eager execution when TensorFlow rejects the graph', async () => {
    const backend = tf.backend() as unknown as { binding: object };
    const { binding } = backend;
    let tries = 0;
    const loadSavedModel = () => {
      tries++;
      throw new Error('Failed to load SavedModel');
    };
    backend.binding = Object.create(binding, { loadSavedModel: { value: loadSavedModel } });
    try {
      const gpt = createGpt(CONFIG, { seed: 3 });
      const repeated = gradsOf(gpt);
      await prepare(repeated);
      const first = await repeated(batch(0));
      const second = await repeated(batch(0));
      expect([tries, graphs()]).toEqual([records ? 1 : 0, 0]);
      expect(values(second.grads)).toEqual(values(first.grads));
      for (const { value, grads } of [first, second]) tf.dispose([value, grads]);
      gpt.dispose();
    } finally {
      backend.binding = binding;
    }
  });
});
