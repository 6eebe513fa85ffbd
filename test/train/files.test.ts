import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend/index.js';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { createTokenizer } from '../../src/data/index.js';
import {
  type Checkpoint,
  gptFromWeights,
  loadCheckpoint,
  loadModel,
  saveCheckpoint,
} from '../../src/train/checkpoint.js';
import { openMetricsLog } from '../../src/train/metrics.js';
import { readSafetensors, writeSafetensors } from '../../src/train/safetensors.js';
import { formatSummary, summarize } from '../../src/train/summary.js';
import { train } from '../../src/train/trainer.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const plainBytes = () => createTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-files-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('safetensors', () => {
  const file = () => ({
    tensors: new Map([
      ['a.b', { shape: [2, 3], values: Float32Array.of(1, -2, 3.5, Number.NaN, -0, 1e-38) }],
      ['ids', { shape: [], values: Int32Array.of(-7) }],
      ['none', { shape: [0, 4], values: new Float32Array(0) }],
    ]),
    metadata: { note: 'größe "quoted"' },
  });

  test('reads what it wrote, bit for bit', () => {
    const path = join(folder, 'x.safetensors');
    writeSafetensors(path, file());
    expect(readSafetensors(path)).toEqual(file());
    expect(readdirSync(folder)).toEqual(['x.safetensors']);
  });

  test('names what is wrong with a file', () => {
    const path = join(folder, 'x.safetensors');
    expect(() => readSafetensors(path)).toThrow(UsageError);
    writeSafetensors(path, file());
    const whole = readFileSync(path);
    for (const [bytes, message] of [
      [whole.subarray(0, whole.length - 2), /cut short/],
      [whole.subarray(0, 20), /header of \d+ bytes in a file of 20/],
      [whole.subarray(0, 3), /3 bytes/],
      [Buffer.concat([whole.subarray(0, 8), Buffer.alloc(whole.length - 8, 120)]), /header is not JSON/],
    ] as const) {
      writeFileSync(path, bytes);
      expect(() => readSafetensors(path)).toThrow(message);
      expect(() => readSafetensors(path)).toThrow(EnvironmentError);
    }
  });
});

describe('checkpoints', () => {
  const trained = async (): Promise<Checkpoint> => {
    await useBackend('cpu');
    const result = await train(TINY, { data: tinyData(), budget: { steps: 2 }, checkpoint: true });
    return result.checkpoint!;
  };

  test('come back from disk whole, with their tokenizer, and replace the earlier one', async () => {
    const checkpoint = await trained();
    const at = join(folder, 'run', 'checkpoint');
    await saveCheckpoint(at, checkpoint, plainBytes());
    await saveCheckpoint(at, checkpoint, plainBytes());
    expect(readdirSync(join(folder, 'run'))).toEqual(['checkpoint']);
    const { tokenizer, ...loaded } = await loadCheckpoint(at);
    expect(loaded).toEqual(checkpoint);
    expect(tokenizer.decode(tokenizer.encode('Tom said "hello".'))).toBe('Tom said "hello".');
    gptFromWeights(loaded.config, loaded.vocabSize, loaded.weights).dispose();
  });

  test('survive a save that was cut off between its renames', async () => {
    const at = join(folder, 'checkpoint');
    await saveCheckpoint(at, await trained(), plainBytes());
    renameSync(at, `${at}.old`);
    expect((await loadModel(at)).vocabSize).toBe(260);
  });

  test('of another shape, version or program are refused by name', async () => {
    const checkpoint = await trained();
    const at = join(folder, 'checkpoint');
    await expect(loadModel(at)).rejects.toThrow(/No checkpoint in .*checkpoint/);
    await saveCheckpoint(at, checkpoint, plainBytes());
    const path = join(at, 'model.safetensors');
    const good = readSafetensors(path);
    writeSafetensors(path, { ...good, metadata: { ...good.metadata, version: '99' } });
    await expect(loadModel(at)).rejects.toThrow(/checkpoint version 99, this tinygpt reads 1/);
    writeSafetensors(path, { ...good, metadata: {} });
    await expect(loadModel(at)).rejects.toThrow(/was not written by tinygpt/);
    const wider = { ...checkpoint.config, width: 64, headDim: 16 };
    expect(() => gptFromWeights(wider, 260, checkpoint.weights)).toThrow(/Expected 16640 values .* got 8320/);
  });

  test('an unwritable folder is one line, and nothing half-written stays', async () => {
    const checkpoint = await trained();
    writeFileSync(join(folder, 'file'), '');
    const error = await saveCheckpoint(join(folder, 'file', 'x'), checkpoint, plainBytes()).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(EnvironmentError);
    expect((error as Error).message).toMatch(/Cannot write .*choose a writable folder/);
    expect(readdirSync(folder)).toEqual(['file']);
  });
});

test('the metrics log keeps what earlier runs wrote', () => {
  const path = join(folder, 'logs', 'metrics.jsonl');
  for (const step of [1, 2]) {
    const log = openMetricsLog(path);
    log.write({ step, loss: 0.5 });
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(step + 1); // on disk before close
    log.close();
  }
  expect(existsSync(path)).toBe(true);
  mkdirSync(join(folder, 'blocked'));
  expect(() => openMetricsLog(join(folder, 'blocked'))).toThrow(/Cannot write/);
});

test('the summary block has the keys and the order of the reference', () => {
  const result = {
    valBpb: 0.9979,
    trainingSeconds: 300.12,
    peakMemoryBytes: 2 ** 30,
    mfuPercent: 39.8,
    tokens: 499_600_000,
    numSteps: 953,
    numParams: 50_300_000,
    depth: 8,
    tokensPerSecond: 1_664_000,
  };
  const summary = summarize(result as never, { name: 'cpu', precision: 'fp32' }, 42, 325.9);
  expect(formatSummary(summary)).toBe(`---
val_bpb:          0.997900
training_seconds: 300.1
total_seconds:    325.9
peak_memory_mb:   1024.0
mfu_percent:      39.80
total_tokens_M:   499.6
num_steps:        953
num_params_M:     50.3
depth:            8`);
  expect(Object.keys(summary).slice(9)).toEqual(['tokens_per_second', 'backend', 'precision', 'seed']);
});
