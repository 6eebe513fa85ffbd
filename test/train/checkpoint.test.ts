import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import { readSafetensors, type TensorFile, writeSafetensors } from '../../src/base/safetensors.js';
import { createTokenizer, saveTokenizer } from '../../src/data/index.js';
import { generateText } from '../../src/model/generate.js';
import { type Checkpoint, loadCheckpoint, loadGpt, saveCheckpoint } from '../../src/train/checkpoint.js';
import { train } from '../../src/train/trainer.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const plainBytes = () => createTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)));
const reversed = () => createTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(255 - byte)));

let root: string;
let folder: string;
let saved: string;
let checkpoint: Checkpoint;
let count = 0;
beforeAll(async () => {
  await useBackend('cpu');
  root = mkdtempSync(join(tmpdir(), 'tinygpt-checkpoint-'));
  const result = await train(TINY, { data: tinyData(), budget: { steps: 2 }, checkpoint: true });
  checkpoint = result.checkpoint!;
  saved = join(root, 'saved');
  await saveCheckpoint(saved, checkpoint, plainBytes());
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  folder = join(root, `${++count}`);
});

/** A copy of the saved checkpoint, one of its files changed; without checksums unless they are kept. */
function damaged(
  name: 'model' | 'state',
  change: (file: TensorFile) => TensorFile,
  { sums = false } = {},
): string {
  cpSync(saved, folder, { recursive: true });
  const path = join(folder, `${name}.safetensors`);
  writeSafetensors(path, change(readSafetensors(path)));
  if (!sums) rmSync(join(folder, 'SHA256SUMS'));
  return folder;
}

const withTensors = (file: TensorFile, change: (tensors: TensorFile['tensors']) => void): TensorFile => {
  change(file.tensors);
  return file;
};
const withMetadata = (metadata: Record<string, string>) => (file: TensorFile) => ({
  ...file,
  metadata: { ...file.metadata, ...metadata },
});

test('a checkpoint loads completely, with its tokenizer, and replaces the earlier one', async () => {
  const at = join(folder, 'run', 'checkpoint');
  await saveCheckpoint(at, checkpoint, plainBytes());
  await saveCheckpoint(at, checkpoint, plainBytes());
  expect(readdirSync(join(folder, 'run'))).toEqual(['checkpoint']);
  const { tokenizer, ...loaded } = await loadCheckpoint(at);
  expect(loaded).toEqual(checkpoint);
  expect(tokenizer.decode(tokenizer.encode('Tom said "hello".'))).toBe('Tom said "hello".');
});

test('a trained model is loaded from a run or a checkpoint folder and generates text', async () => {
  const before = tf.memory().numTensors;
  cpSync(saved, join(folder, 'checkpoint'), { recursive: true });
  const texts: string[] = [];
  for (const at of [saved, folder]) {
    using model = await loadGpt(at);
    let text = '';
    for await (const piece of generateText(model.gpt, model.tokenizer, 'Once', { maxTokens: 8 }))
      text += piece;
    texts.push(text);
  }
  expect(texts[0]!.length).toBeGreaterThan(0);
  expect(texts[1]).toBe(texts[0]);
  expect(tf.memory().numTensors).toBe(before);
});

test('generateText refuses bad options, another tokenizer and logits that are not finite', async () => {
  using model = await loadGpt(saved);
  const { gpt, tokenizer } = model;
  const first = (options: object, with_ = tokenizer) => generateText(gpt, with_, 'a', options).next();
  await expect(first({ temperature: -1 })).rejects.toThrow(/temperature to be >= 0, got -1/);
  await expect(first({ maxTokens: -1 })).rejects.toThrow(/maxTokens to be an integer >= 0, got -1/);
  await expect(first({}, { ...tokenizer, vocabSize: 300 })).rejects.toThrow(
    /tokenizer \(260 ids\), got one of 300/,
  );
  gpt.params.get('lm_head.weight')!.assign(tf.fill([260, 32], Number.NaN));
  await expect(first({})).rejects.toThrow(/logits are not finite/);
});

test('a save that was killed between its renames leaves the earlier checkpoint', async () => {
  cpSync(saved, `${folder}.old`, { recursive: true });
  expect((await loadCheckpoint(folder)).vocabSize).toBe(260);
  // The next save must not remove it before the new one is in place.
  await saveCheckpoint(folder, checkpoint, plainBytes());
  expect((await loadCheckpoint(folder)).vocabSize).toBe(260);
  expect(existsSync(`${folder}.old`)).toBe(false);
});

test('a checkpoint without checksums, as earlier versions wrote it, still loads', async () => {
  cpSync(saved, folder, { recursive: true });
  rmSync(join(folder, 'SHA256SUMS'));
  for (const name of ['model', 'state'])
    writeSafetensors(
      join(folder, `${name}.safetensors`),
      ((file) => {
        delete file.metadata.tokenizer_hash;
        return file;
      })(readSafetensors(join(folder, `${name}.safetensors`))),
    );
  expect((await loadCheckpoint(folder)).run).toEqual(checkpoint.run);
});

test('SHA256SUMS detects a changed bit in each file', async () => {
  expect(readFileSync(join(saved, 'SHA256SUMS'), 'utf8')).toMatch(/^([0-9a-f]{64} {2}\S+\n){3}$/);
  for (const name of ['model.safetensors', 'state.safetensors', 'tokenizer.json']) {
    rmSync(folder, { recursive: true, force: true });
    cpSync(saved, folder, { recursive: true });
    const bytes = readFileSync(join(folder, name));
    // The last mantissa bit of the last number; of the tokenizer a space.
    if (name === 'tokenizer.json') bytes.write('\t', bytes.lastIndexOf('}') - 1);
    else bytes[bytes.length - 4]! ^= 1;
    writeFileSync(join(folder, name), bytes);
    await expect(loadCheckpoint(folder)).rejects.toThrow(`${name} does not match SHA256SUMS`);
    await expect(loadGpt(folder)).rejects.toThrow(EnvironmentError);
  }
});

describe('refused with one line before anything is allocated:', () => {
  const wte = 'transformer.wte.weight';
  const moment = 'adamw.lm_head.weight.exp_avg';
  const run = (change: object) => (file: TensorFile) =>
    withMetadata({ run: JSON.stringify({ ...checkpoint.run, ...change }) })(file);
  const cases: [string, 'model' | 'state', (file: TensorFile) => TensorFile, RegExp][] = [
    ['transposed weights', 'model', (f) => withTensors(f, (t) => t.get(wte)!.shape.reverse()), /\[32,260\]/],
    [
      'NaN weights',
      'model',
      (f) => withTensors(f, (t) => t.get(wte)!.values.fill(Number.NaN)),
      /got NaN at 0/,
    ],
    ['a missing weight', 'model', (f) => withTensors(f, (t) => t.delete(wte)), /wte.weight .* got none/],
    ['another program', 'model', (f) => ({ ...f, metadata: {} }), /was not written by tinygpt/],
    ['another version', 'model', withMetadata({ version: '99' }), /version 99, this tinygpt reads 1/],
    ['a null configuration', 'model', withMetadata({ config: 'null' }), /config to be an object, got null/],
    ['a broken configuration', 'model', withMetadata({ config: '{' }), /its config: .*JSON/],
    [
      'an infinite size',
      'model',
      withMetadata({ config: '{"depth":1e999}' }),
      /depth to be an integer >= 1, got Infinity/,
    ],
    [
      'a depth of a billion',
      'model',
      withMetadata({ config: '{"depth":1e9}' }),
      /1000000000 layers, got \d+ arrays/,
    ],
    ['an inherited name', 'model', withMetadata({ config: '{"toString":1}' }), /Unknown setting "toString"/],
    ['a vocabulary that is none', 'model', withMetadata({ vocab_size: 'x' }), /vocabSize .* got NaN/],
    ['another tokenizer', 'model', withMetadata({ tokenizer_hash: 'x' }), /files belong to different runs/],
    ['transposed state', 'state', (f) => withTensors(f, (t) => t.get(moment)!.shape.reverse()), /exp_avg/],
    ['NaN state', 'state', (f) => withTensors(f, (t) => t.get(moment)!.values.fill(Number.NaN)), /got NaN/],
    ['missing state', 'state', (f) => withTensors(f, (t) => t.delete(moment)), /exp_avg .* got none/],
    ['a null run', 'state', withMetadata({ run: 'null' }), /run to be an object, got null/],
    ['a negative step', 'state', run({ meter: { steps: -1 } }), /valid meter in its run/],
    ['no loader', 'state', run({ loader: null }), /valid loader in its run, got null/],
    [
      'a loader of text',
      'state',
      run({ loader: { epoch: 1, nextDocument: 0, buffer: 'x' } }),
      /valid loader/,
    ],
    ['no seed', 'state', run({ seed: null }), /valid seed/],
  ];
  test.each(cases)('%s', async (_, name, change, message) => {
    damaged(name, change);
    const before = tf.memory().numTensors;
    const error = await (name === 'model' ? loadGpt(folder) : loadCheckpoint(folder)).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(EnvironmentError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a tokenizer of the same size that is not the model’s', async () => {
    damaged('model', (file) => file);
    saveTokenizer(folder, reversed());
    await expect(loadGpt(folder)).rejects.toThrow(/its files belong to different runs/);
  });

  test('no checkpoint at all', async () => {
    await expect(loadGpt(folder)).rejects.toThrow(
      /No checkpoint in .*; give the folder of a run that has saved one/,
    );
    await expect(loadGpt(folder)).rejects.toThrow(UsageError);
  });
});

test('each of 400 damaged checkpoints loads unchanged or is refused with a typed error', async () => {
  cpSync(saved, folder, { recursive: true });
  const files = ['model.safetensors', 'state.safetensors', 'tokenizer.json', 'SHA256SUMS'];
  const originals = files.map((name) => readFileSync(join(folder, name)));
  const random = randomStream(1, 'checkpoint.fuzz');
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const which = random.int(files.length);
    const original = originals[which]!;
    const at = random.int(random.uniform() < 0.7 ? Math.min(original.length, 4000) : original.length);
    const bytes = Buffer.from(original);
    bytes[at] = random.int(256);
    const cut = random.uniform() < 0.1;
    writeFileSync(join(folder, files[which]!), cut ? bytes.subarray(0, at) : bytes);
    try {
      const { tokenizer: _, ...loaded } = await loadCheckpoint(folder);
      expect(cut || bytes[at] !== original[at]).toBe(false);
      expect(loaded.run).toEqual(checkpoint.run);
    } catch (error) {
      if (!(error instanceof EnvironmentError || error instanceof UsageError)) throw error;
      expect(error.message).not.toContain('\n');
      refused++;
    }
    writeFileSync(join(folder, files[which]!), original);
  }
  expect(refused).toBeGreaterThan(370);
});

test('an unwritable folder is reported on one line and leaves no partial files', async () => {
  const blocked = join(root, 'blocked');
  writeFileSync(blocked, '');
  const error = await saveCheckpoint(join(blocked, 'x'), checkpoint, plainBytes()).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(EnvironmentError);
  expect((error as Error).message).toMatch(/Cannot write .*choose a writable folder/);
  renameSync(blocked, `${blocked}-seen`);
});

test('diverged weights do not replace a good checkpoint', async () => {
  let saves = 0;
  const config = { ...TINY, matrixLr: 1e30, embeddingLr: 1e30 };
  const save = async () => {
    saves++;
  };
  await expect(
    train(config, { data: tinyData(), budget: { steps: 5 }, checkpointEvery: { steps: 1, save } }),
  ).rejects.toMatchObject({ reason: 'diverged' });
  expect(saves).toBeLessThan(5);
});
