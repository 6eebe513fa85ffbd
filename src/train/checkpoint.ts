// Checkpoints: a folder with model.safetensors (weights under the reference's names), state.safetensors
// (optimizer, budget and data position, to resume bit for bit) and the tokenizer. A folder is replaced as a
// whole, so that the two files always belong together.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, expect, messageOf, UsageError } from '../base/errors.js';
import { describeWriteError, discard, makeFolder, temporaryName } from '../base/files.js';
import { loadTokenizer, saveTokenizer } from '../data/index.js';
import type { LoaderState, Tokenizer } from '../data/types.js';
import { createGpt, type Gpt } from '../model/gpt.js';
import type { MeterState } from './budget.js';
import { overrideConfig, resolveConfig, TRAIN_DEFAULTS, type TrainConfig } from './config.js';
import { type NamedArray, readSafetensors, writeSafetensors } from './safetensors.js';

/** Raised when the meaning of a checkpoint's contents changes. */
const VERSION = 1;

/** Where a run stood; JSON-safe. */
export type RunState = {
  seed: number | string;
  meter: MeterState;
  loader: LoaderState;
  /** Debiased-average loss accumulator, for the progress line. */
  smoothLoss: number;
  /** Tokenizer hash and dataset name that it was trained on. */
  tokenizerHash: string;
  data: string;
};

/** A model with all that is needed to go on training it. */
export interface Checkpoint {
  config: TrainConfig;
  vocabSize: number;
  weights: Map<string, NamedArray>;
  optimizer: Map<string, NamedArray>;
  run: RunState;
}

const OLD = '.old';

/**
 * Writes a checkpoint folder; a checkpoint that was there is replaced only when the new one is complete.
 * @throws EnvironmentError when the disk is full or not writable
 */
export async function saveCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
): Promise<void> {
  const temporary = temporaryName(folder);
  const { config, vocabSize, weights, optimizer, run } = checkpoint;
  try {
    makeFolder(temporary);
    const common = { format: 'tinygpt', version: `${VERSION}` };
    writeSafetensors(join(temporary, 'model.safetensors'), {
      tensors: weights,
      metadata: { ...common, config: JSON.stringify(config), vocab_size: `${vocabSize}` },
    });
    writeSafetensors(join(temporary, 'state.safetensors'), {
      tensors: optimizer,
      metadata: { ...common, run: JSON.stringify(run) },
    });
    await saveTokenizer(temporary, tokenizer);
    rmSync(folder + OLD, { recursive: true, force: true });
    if (existsSync(folder)) renameSync(folder, folder + OLD);
    renameSync(temporary, folder);
    rmSync(folder + OLD, { recursive: true, force: true });
  } catch (error) {
    discard(temporary);
    throw describeWriteError(folder, error);
  }
}

/** The folder itself, or the previous one when a save was cut off between its two renames. */
function present(folder: string): string {
  const found = [folder, folder + OLD].find((path) => existsSync(join(path, 'model.safetensors')));
  if (!found)
    throw new UsageError(
      `No checkpoint in ${folder} (no model.safetensors); give a folder that tinygpt train wrote`,
    );
  return found;
}

function metadataOf(path: string, metadata: Record<string, string>, key: string): string {
  const value = metadata[key];
  if (metadata.format !== 'tinygpt' || value === undefined)
    throw new UsageError(`${path} was not written by tinygpt; expected its metadata to hold "${key}"`);
  if (metadata.version !== `${VERSION}`)
    throw new UsageError(
      `${path} has checkpoint version ${metadata.version}, this tinygpt reads ${VERSION}; use the version that wrote it`,
    );
  return value;
}

function parse<T>(path: string, key: string, json: string): T {
  try {
    return JSON.parse(json) as T;
  } catch (error) {
    throw new EnvironmentError(`${path}: its ${key} is not JSON (${messageOf(error)})`, { cause: error });
  }
}

/** Weights, configuration and tokenizer of a checkpoint. @throws UsageError, EnvironmentError */
export async function loadModel(folder: string): Promise<{
  config: TrainConfig;
  vocabSize: number;
  weights: Map<string, NamedArray>;
  tokenizer: Tokenizer;
}> {
  const at = present(folder);
  const path = join(at, 'model.safetensors');
  const { tensors: weights, metadata } = readSafetensors(path);
  const saved = parse<Record<string, unknown>>(path, 'config', metadataOf(path, metadata, 'config'));
  const config = overrideConfig(TRAIN_DEFAULTS, saved);
  const tokenizer = await loadTokenizer(at);
  const vocabSize = Number(metadata.vocab_size);
  expect(
    tokenizer.vocabSize === vocabSize,
    () =>
      `Expected a tokenizer of ${vocabSize} ids in ${at}, got ${tokenizer.vocabSize}; the folder is mixed up`,
  );
  return { config, vocabSize, weights, tokenizer };
}

/** A whole checkpoint, to resume from. @throws UsageError, EnvironmentError */
export async function loadCheckpoint(folder: string): Promise<Checkpoint & { tokenizer: Tokenizer }> {
  const at = present(folder);
  const model = await loadModel(at);
  const path = join(at, 'state.safetensors');
  const { tensors: optimizer, metadata } = readSafetensors(path);
  const run = parse<RunState>(path, 'run', metadataOf(path, metadata, 'run'));
  return { ...model, optimizer, run };
}

/** A model on the current backend from a checkpoint's weights. @throws UsageError on missing or misshaped weights */
export function gptFromWeights(
  config: TrainConfig,
  vocabSize: number,
  weights: ReadonlyMap<string, NamedArray>,
): Gpt {
  const { model } = resolveConfig(config, vocabSize);
  return createGpt(model, { weights: floats(weights) });
}

/** The float32 values of named arrays. */
export function floats(arrays: ReadonlyMap<string, NamedArray>): Map<string, Float32Array> {
  return new Map([...arrays].map(([name, { values }]) => [name, values as Float32Array]));
}
