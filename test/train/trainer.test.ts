import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { TrainingError } from '../../src/base/errors.js';
import { endLoaderThread, prepareDataset } from '../../src/data/index.js';
import type { Dataset } from '../../src/data/types.js';
import { createGpt, gptLoss } from '../../src/model/gpt.js';
import type { Checkpoint } from '../../src/train/checkpoint.js';
import { resolveConfig } from '../../src/train/config.js';
import { evaluateBpb } from '../../src/train/evaluate.js';
import type { EvalReport, StepReport } from '../../src/train/runTypes.js';
import { withIds } from '../../src/train/step.js';
import { train } from '../../src/train/trainer.js';
import { describeEachBackend } from '../backend/present.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const BUDGET = { steps: 4 };

describeEachBackend('training', () => {
  let done: ReturnType<typeof train> | undefined;
  /** An uninterrupted run, with which others are compared. */
  const wholeRun = () => (done ??= train(TINY, { data: tinyData(), budget: BUDGET, checkpoint: true }));

  test('lowers the loss, reports every step and frees all tensors', async () => {
    const data = tinyData();
    const before = tf.memory().numTensors;
    const reports: StepReport[] = [];
    const config = { ...TINY, matrixLr: 0.02, embeddingLr: 0.1 };
    const result = await train(config, {
      data,
      budget: { steps: 20 },
      onStep: (report) => reports.push(report),
      peakFlops: 1e9,
    });
    expect(result).toMatchObject({ status: 'finished', numSteps: 20, tokens: 20 * 64, depth: 2 });
    expect(result.losses[0]).toBeCloseTo(Math.log(260), 1);
    expect(result.losses.at(-1)).toBeLessThan(0.7 * result.losses[0]!);
    expect(result.valBpb).toBeLessThan(0.8 * Math.log2(260));
    expect(reports.map((report) => report.step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(reports.at(-1)!.progress).toBe(1);
    expect(result.mfuPercent).toBeGreaterThan(0);
    expect(result.peakMemoryBytes).toBeGreaterThan(4 * result.numParams);
    expect(tf.memory().numTensors).toBe(before);
    expect(data.open).toBe(0);
  });

  test('the same seed gives the same bits, another seed does not', async () => {
    const run = (seed: number) => train(TINY, { data: tinyData(), budget: BUDGET, seed });
    const [a, b, c] = [await run(1), await run(1), await run(2)];
    expect(b.losses).toEqual(a.losses);
    expect(b.valBpb).toBe(a.valBpb);
    expect(c.losses).not.toEqual(a.losses);
  });

  test('a final evaluation that fails comes after the last checkpoint, from which it is made again', async () => {
    const whole = await wholeRun();
    const saved: Checkpoint[] = [];
    const save = async (checkpoint: Checkpoint) => void saved.push(checkpoint);
    const data = tinyData({ failOn: 'val', failAfter: 0 });
    const failing = train(TINY, { data, budget: BUDGET, checkpointEvery: { steps: Infinity, save } });
    await expect(failing).rejects.toThrow('the shard was cut short');
    expect(saved.map(({ run }) => run.meter.steps)).toEqual([4]);
    const resumed = await train(TINY, { data: tinyData(), budget: BUDGET, resume: saved[0]! });
    expect([resumed.losses, resumed.valBpb]).toEqual([[], whole.valBpb]);
  });

  test('resumes from a checkpoint bit for bit', async () => {
    const whole = await wholeRun();
    let half: Checkpoint | null = null;
    const save = async (checkpoint: Checkpoint) => {
      half ??= checkpoint;
    };
    await train(TINY, { data: tinyData(), budget: BUDGET, checkpointEvery: { steps: 2, save } });
    const resumed = await train(TINY, { data: tinyData(), budget: BUDGET, checkpoint: true, resume: half! });
    expect(resumed.numSteps).toBe(4);
    expect(resumed.losses).toEqual(whole.losses.slice(2));
    expect(resumed.valBpb).toBe(whole.valBpb);
    const { run, ...state } = resumed.checkpoint!;
    const { run: other, ...wholeState } = whole.checkpoint!;
    expect(state).toEqual(wholeState);
    expect({ ...run, meter: run.meter.tokens }).toEqual({ ...other, meter: other.meter.tokens });
  });

  test('averages gradients over micro-batches: two passes of one row equal one pass of two', async () => {
    // Small rates: AdamW's first steps go by the sign of a gradient, which would magnify the order of summation.
    const rates = { embeddingLr: 1e-3, unembeddingLr: 1e-4, matrixLr: 1e-3, scalarLr: 1e-3 };
    const config = { ...TINY, ...rates, totalBatchSize: 32 };
    const one = await train(config, { data: tinyData(), budget: BUDGET });
    const two = await train({ ...config, deviceBatchSize: 1 }, { data: tinyData(), budget: BUDGET });
    two.losses.forEach((loss, step) => {
      expect(loss).toBeCloseTo(one.losses[step]!, 4);
    });
  });

  test('a signal ends the run with a checkpoint and without an evaluation', async () => {
    const controller = new AbortController();
    const result = await train(TINY, {
      data: tinyData(),
      budget: { seconds: 1000 },
      signal: controller.signal,
      checkpoint: true,
      onStep: ({ step }) => step === 2 && controller.abort(),
    });
    expect(result).toMatchObject({ status: 'stopped', numSteps: 3, valBpb: null });
    expect(result.checkpoint?.run.meter.steps).toBe(3);
  });

  test('a signal between two passes discards the step, and the run resumes bit for bit', async () => {
    const whole = await wholeRun();
    const controller = new AbortController();
    const data = tinyData();
    const { loader: open } = data;
    // TINY has two passes a step: the fifth batch is the first half of the third step.
    data.loader = async (...args) => {
      const loader = await open(...args);
      let batches = 0;
      const next = async () => {
        if (++batches === 5) controller.abort();
        return loader.next();
      };
      return { ...loader, next };
    };
    const { signal } = controller;
    const stopped = await train(TINY, { data, budget: BUDGET, signal, checkpoint: true });
    expect(stopped).toMatchObject({ status: 'stopped', numSteps: 2, valBpb: null });
    expect(stopped.losses).toEqual(whole.losses.slice(0, 2));
    const resumed = await train(TINY, { data: tinyData(), budget: BUDGET, resume: stopped.checkpoint! });
    expect(resumed.losses).toEqual(whole.losses.slice(2));
    expect(resumed.valBpb).toBe(whole.valBpb);
  });

  test('a signal ends the final evaluation, which the resumed run repeats', async () => {
    const whole = await wholeRun();
    const controller = new AbortController();
    const stopped = await train(TINY, {
      data: tinyData(),
      budget: BUDGET,
      signal: controller.signal,
      checkpoint: true,
      onStep: ({ progress }) => progress === 1 && controller.abort(),
    });
    expect(stopped).toMatchObject({ status: 'stopped', numSteps: 4, valBpb: null });
    const resumed = await train(TINY, { data: tinyData(), budget: BUDGET, resume: stopped.checkpoint! });
    expect(resumed).toMatchObject({ status: 'finished', numSteps: 4, valBpb: whole.valBpb, losses: [] });
  });

  test('evaluates at fractions of the budget and stops when onEval returns stop', async () => {
    const fractions: number[] = [];
    const result = await train(TINY, {
      data: tinyData(),
      budget: { steps: 8 },
      evalAt: [0.25, 0.5, 0.75],
      evalAtTokens: 32,
      onEval: ({ fraction, valBpb, step }) => {
        expect(valBpb).toBeGreaterThan(0);
        expect(step).toBe(8 * fraction);
        fractions.push(fraction);
        return fraction === 0.5 ? 'stop' : undefined;
      },
    });
    expect(fractions).toEqual([0.25, 0.5]);
    expect(result).toMatchObject({ status: 'pruned', numSteps: 4, valBpb: null });
  });

  test('an evaluation that a signal prevented is made by the resumed run, from the same weights', async () => {
    const options = { budget: { steps: 4 }, evalAt: [0.25, 0.5], evalAtTokens: 32 };
    const collect = (into: EvalReport[]) => (report: EvalReport) => void into.push(report);
    const whole: EvalReport[] = [];
    await train(TINY, { ...options, data: tinyData(), onEval: collect(whole) });
    const reports: EvalReport[] = [];
    const controller = new AbortController();
    const stopped = await train(TINY, {
      ...options,
      data: tinyData(),
      signal: controller.signal,
      checkpoint: true,
      onStep: ({ step }) => step === 1 && controller.abort(),
      onEval: collect(reports),
    });
    expect([stopped.status, reports.length]).toEqual(['stopped', 1]);
    const resume = stopped.checkpoint!;
    await train(TINY, { ...options, data: tinyData(), resume, onEval: collect(reports) });
    expect(reports).toEqual(whole);
  });

  test('a diverging run throws a TrainingError and frees all tensors', async () => {
    const data = tinyData();
    const before = tf.memory().numTensors;
    const config = { ...TINY, matrixLr: 1e30, embeddingLr: 1e30 };
    const error = await train(config, { data, budget: { steps: 20 } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TrainingError);
    expect((error as TrainingError).reason).toBe('diverged');
    expect((error as TrainingError).message).toMatch(/Loss diverged to .*--matrix-lr/);
    expect(tf.memory().numTensors).toBe(before);
    expect(data.open).toBe(0);
  });

  test('an error in the data, a callback or the configuration frees all tensors', async () => {
    const before = tf.memory().numTensors;
    const data = tinyData({ failAfter: 3 });
    await expect(train(TINY, { data, budget: BUDGET })).rejects.toThrow('the shard was cut short');
    const thrower = () => {
      throw new Error('from the caller');
    };
    await expect(train(TINY, { data: tinyData(), budget: BUDGET, onStep: thrower })).rejects.toThrow(
      'the caller',
    );
    await expect(train({ ...TINY, width: 30 }, { data: tinyData(), budget: BUDGET })).rejects.toThrow(
      /--head-dim/,
    );
    await expect(train(TINY, { data: tinyData(), budget: { seconds: -5 } })).rejects.toThrow(
      /got -5 \(number\)/,
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(data.open).toBe(0);
  });
});

describe('evaluation', () => {
  test('divides total nats by raw bytes, without special tokens', async () => {
    const data = tinyData();
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const { valBpb, tokens, bytes } = await evaluateBpb(gpt, data, { tokens: 64, batch: 2 });
    const loader = await data.loader('val', { batchSize: 4, seqLen: 16 });
    const batch = await loader.next();
    const losses = await withIds(gpt, batch, 16, (ids, targets) =>
      tf.tidy(() => gptLoss(gpt, ids, targets, { batch: 4, seq: 16 }, 'none')),
    ).data();
    let nats = 0;
    let count = 0;
    batch.targets.forEach((target, i) => {
      if (target < 256) {
        nats += losses[i]!;
        count++;
      }
    });
    expect(count).toBeLessThan(64); // the slice holds a BOS
    expect({ tokens, bytes }).toEqual({ tokens: 64, bytes: count });
    expect(valBpb).toBeCloseTo(nats / Math.LN2 / count, 6);
    await loader.close();
    gpt.dispose();
  });

  test('scores each document of a small split once, and other text where it skips', async () => {
    // Documents longer than a row: one row each.
    const valDocuments = ['the cat sat on it', 'a dog ran so far away', 'birds like the sun too'];
    const documents = ['some text to train on'];
    const folder = mkdtempSync(join(tmpdir(), 'tinygpt-evaluation-'));
    const data = await prepareDataset({ documents, valDocuments, vocabSize: 256, cacheFolder: folder });
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const lengthOf = async (options: { tokens: number; skip?: number }) => {
      const { tokens, bytes } = await evaluateBpb(gpt, data, { ...options, batch: 1 });
      return [tokens, bytes];
    };
    expect(await lengthOf({ tokens: 1000 })).toEqual([48, 48]);
    const seen: string[] = [];
    const { loader: open } = data;
    const watched: Dataset = {
      ...data,
      loader: async (...args) => {
        const loader = await open(...args);
        const next = async () => {
          const batch = await loader.next();
          seen.push(data.tokenizer.decode(batch.targets));
          return batch;
        };
        return { ...loader, next };
      },
    };
    await evaluateBpb(gpt, watched, { tokens: 1000, batch: 1 });
    expect(new Set(seen)).toEqual(new Set(valDocuments.map((text) => text.slice(0, 16))));
    await expect(evaluateBpb(gpt, data, { tokens: 16, skip: 48, batch: 1 })).rejects.toThrow(
      'Expected validation text beyond 48 tokens',
    );
    gpt.dispose();
    await endLoaderThread();
    rmSync(folder, { recursive: true });
  });

  test('that fails frees all tensors', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const before = tf.memory().numTensors;
    const data = tinyData({ failOn: 'val', failAfter: 2 });
    await expect(evaluateBpb(gpt, data, { tokens: 200, batch: 1 })).rejects.toThrow('cut short');
    expect(tf.memory().numTensors).toBe(before);
    expect(data.open).toBe(0);
    gpt.dispose();
  });

  test('on fewer tokens of a larger evaluation scores rows spread evenly over it', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const seen: number[] = [];
    const data = tinyData();
    const loaderOf = data.loader.bind(data);
    data.loader = async (split, options) => {
      const loader = await loaderOf(split, options);
      seen.push(options.batchSize);
      return loader;
    };
    // 8 rows of 16 tokens; every fourth of them, in passes of 1 and of 2 rows.
    const [one, two] = [1, 2].map((batch) => evaluateBpb(gpt, data, { tokens: 32, of: 128, batch }));
    const rows: Float32Array[] = [];
    const loader = await loaderOf('val', { batchSize: 8, seqLen: 16 });
    const { inputs, targets } = await loader.next();
    for (const row of [0, 4]) {
      const part = (ids: Int32Array) => ids.slice(16 * row, 16 * (row + 1));
      const batch = { inputs: part(inputs), targets: part(targets) };
      const losses = withIds(gpt, batch, 16, (ids, next) =>
        tf.tidy(() => gptLoss(gpt, ids, next, { batch: 1, seq: 16 }, 'none')),
      );
      rows.push((await losses.data()).map((loss, i) => (batch.targets[i]! < 256 ? loss : 0)) as Float32Array);
      losses.dispose();
    }
    const nats = rows.flatMap((row) => [...row]).reduce((a, b) => a + b);
    const { valBpb, tokens, bytes } = await one!;
    expect(tokens).toBe(32);
    expect(valBpb).toBeCloseTo(nats / Math.LN2 / bytes, 5);
    expect((await two!).valBpb).toBeCloseTo(valBpb, 5);
    expect(seen.filter((rows) => rows > 1)).toEqual([4, 8]); // the others count the rows of the split
    await loader.close();
    gpt.dispose();
  });

  test('skips the rows of another evaluation', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const run = (options: { tokens: number; skip?: number }) =>
      evaluateBpb(gpt, tinyData(), { ...options, batch: 2 });
    const [all, first, rest] = [
      await run({ tokens: 128 }),
      await run({ tokens: 64 }),
      await run({ tokens: 64, skip: 64 }),
    ];
    expect(rest.bytes).toBe(all.bytes - first.bytes);
    const nats = (one: typeof all) => one.valBpb * one.bytes;
    expect(nats(rest)).toBeCloseTo(nats(all) - nats(first), 3);
    await expect(run({ tokens: 64, skip: 1e6 })).rejects.toThrow(
      'Expected validation text beyond 1000000 tokens',
    );
    gpt.dispose();
  });

  test('scores the same text with every batch size', async () => {
    const { model } = resolveConfig(TINY, 260);
    const gpt = createGpt(model, { seed: 1 });
    const run = (batch: number) => evaluateBpb(gpt, tinyData(), { tokens: 200, batch });
    const [a, b, c] = [await run(1), await run(5), await run(100)];
    expect(b.bytes).toBe(a.bytes);
    expect(b.valBpb).toBeCloseTo(a.valBpb, 5);
    expect(c.valBpb).toBeCloseTo(a.valBpb, 5);
    gpt.dispose();
  });
});
