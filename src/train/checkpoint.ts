// Checkpoints: a folder with model.safetensors (weights under the reference's names), state.safetensors
// (optimizer, budget and data position, to resume bit for bit), the tokenizer, and SHA256SUMS over all of them (as
// `sha256sum` writes and checks it). A folder is replaced as a whole, so that its files always belong together.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, messageOf, UsageError } from '../base/errors.js';
import {
  describeWriteError,
  discard,
  makeFolder,
  sha256OfFile,
  syncFile,
  temporaryName,
} from '../base/files.js';
import { type NamedArray, readSafetensors, writeSafetensors } from '../base/safetensors.js';
import { isNatural, isObject } from '../base/valid.js';
import { loadTokenizer, saveTokenizer } from '../data/index.js';
import type { LoaderState, Tokenizer } from '../data/types.js';
import { createGpt, type Gpt } from '../model/gpt.js';
import { weightsMismatch } from '../model/weights.js';
import { stateMismatch } from '../optim/optimizer.js';
import type { MeterState } from './budget.js';
import {
  overrideConfig,
  type ResolvedConfig,
  resolveConfig,
  TRAIN_DEFAULTS,
  type TrainConfig,
} from './config.js';

/** Raised when the meaning of a checkpoint's contents changes. */
const VERSION = 1;

/** Position of a run; JSON-safe. */
export type RunState = {
  seed: number | string;
  meter: MeterState;
  loader: LoaderState;
  /** Accumulator of the moving average of the loss, for the progress line. */
  smoothLoss: number;
  /** How many of the evaluations at `evalAt` were reported; absent: all that were due. */
  evaluations?: number;
  /** Tokenizer hash and dataset name that it was trained on. */
  tokenizerHash: string;
  data: string;
};

/** A model with everything needed to continue training it. */
export interface Checkpoint {
  config: TrainConfig;
  vocabSize: number;
  weights: Map<string, NamedArray>;
  optimizer: Map<string, NamedArray>;
  run: RunState;
}

const OLD = '.old';
const SUMS = 'SHA256SUMS';
const FILES = ['model.safetensors', 'state.safetensors', 'tokenizer.json'] as const;

/**
 * Writes a checkpoint folder. An existing checkpoint is replaced only when the new one is complete.
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
      metadata: {
        ...common,
        config: JSON.stringify(config),
        vocab_size: `${vocabSize}`,
        tokenizer_hash: tokenizer.hash,
      },
    });
    writeSafetensors(join(temporary, 'state.safetensors'), {
      tensors: optimizer,
      metadata: { ...common, run: JSON.stringify(run) },
    });
    saveTokenizer(temporary, tokenizer);
    let sums = '';
    for (const name of FILES) sums += `${await sha256OfFile(join(temporary, name))}  ${name}\n`;
    writeFileSync(join(temporary, SUMS), sums);
    for (const name of [...FILES, SUMS]) syncFile(join(temporary, name));
    if (existsSync(folder)) {
      rmSync(folder + OLD, { recursive: true, force: true });
      renameSync(folder, folder + OLD);
    }
    renameSync(temporary, folder);
    rmSync(folder + OLD, { recursive: true, force: true });
  } catch (error) {
    discard(temporary);
    throw describeWriteError(folder, error);
  }
}

/** The folder itself, or the previous checkpoint when a save was interrupted between its two renames. */
function present(folder: string): string {
  const found = [folder, folder + OLD].find((path) => existsSync(join(path, 'model.safetensors')));
  if (!found)
    throw new UsageError(
      `No checkpoint in ${folder} (no model.safetensors); give the folder of a run that has saved one (--checkpoint-every saves while training)`,
    );
  return found;
}

/** A checkpoint's weights, checked against its configuration, and the tokenizer that belongs to them. */
interface SavedModel {
  resolved: ResolvedConfig;
  weights: Map<string, NamedArray>;
  tokenizer: Tokenizer;
}

async function readModel(folder: string): Promise<SavedModel> {
  const path = join(folder, 'model.safetensors');
  const { tensors: weights, metadata } = readSafetensors(path);
  const saved = objectIn(path, metadata, 'config');
  const vocabSize = Number(metadata.vocab_size);
  const resolved = damagedIf(path, () => resolveConfig(overrideConfig(TRAIN_DEFAULTS, saved), vocabSize));
  const problem = weightsMismatch(resolved.model, weights);
  if (problem !== null) throw new EnvironmentError(`${path}: ${problem}`);
  const tokenizer = loadTokenizer(folder);
  const { tokenizer_hash: hash = tokenizer.hash } = metadata; // absent in checkpoints of earlier versions
  if (tokenizer.vocabSize !== vocabSize || tokenizer.hash !== hash)
    throw new EnvironmentError(
      `Expected the tokenizer that the weights in ${folder} were trained with (${vocabSize} ids), got another (${tokenizer.vocabSize} ids); its files belong to different runs`,
    );
  await checkSums(folder);
  return { resolved, weights, tokenizer };
}

/**
 * A whole checkpoint, to resume from; damage of any kind is found before anything is used.
 * @throws UsageError when there is none, EnvironmentError when it is damaged or of another version
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint & { tokenizer: Tokenizer }> {
  const at = present(folder);
  const { resolved, weights, tokenizer } = await readModel(at);
  const { config, model, optimizer: settings } = resolved;
  const path = join(at, 'state.safetensors');
  const { tensors: optimizer, metadata } = readSafetensors(path);
  const run = objectIn(path, metadata, 'run');
  const problem = runProblem(run) ?? stateMismatch(model, settings, optimizer);
  if (problem !== null) throw new EnvironmentError(`${path}: ${problem}`);
  return { config, vocabSize: model.vocabSize, weights, optimizer, run: run as RunState, tokenizer };
}

/** A trained model on the current backend with its tokenizer. */
export interface LoadedGpt extends Disposable {
  gpt: Gpt;
  tokenizer: Tokenizer;
  config: TrainConfig;
  /** Frees the model. */
  dispose(): void;
}

/**
 * Loads a trained model onto the current backend, to generate text with.
 * @param folder of a run or of a checkpoint
 * @throws UsageError when there is none, EnvironmentError when it is damaged or of another version
 * @example
 * const { gpt, tokenizer } = await loadGpt('runs/first');
 * for await (const piece of generateText(gpt, tokenizer, 'Once upon a time')) process.stdout.write(piece);
 */
export async function loadGpt(folder: string): Promise<LoadedGpt> {
  const { resolved, weights, tokenizer } = await readModel(present(checkpointFolder(folder)));
  const gpt = createGpt(resolved.model, { weights });
  const dispose = () => gpt.dispose();
  return { gpt, tokenizer, config: resolved.config, dispose, [Symbol.dispose]: dispose };
}

/** The checkpoint folder of a run folder, or the folder itself when it is one. */
function checkpointFolder(path: string): string {
  const inside = join(path, 'checkpoint');
  return existsSync(inside) || existsSync(inside + OLD) ? inside : path;
}

/** A JSON object among a file's metadata. @throws EnvironmentError */
function objectIn(path: string, metadata: Record<string, string>, key: string): Record<string, unknown> {
  const json = metadata[key];
  if (metadata.format !== 'tinygpt' || json === undefined)
    throw new EnvironmentError(`${path} was not written by tinygpt; expected its metadata to hold "${key}"`);
  if (metadata.version !== `${VERSION}`)
    throw new EnvironmentError(
      `${path} has checkpoint version ${metadata.version}, this tinygpt reads ${VERSION}; use the version that wrote it`,
    );
  const value: unknown = damagedIf(`${path}: its ${key}`, () => JSON.parse(json));
  if (!isObject(value))
    throw new EnvironmentError(`${path}: Expected its ${key} to be an object, got ${json}`);
  return value;
}

/** What `read` returns; its errors are reported as errors of the file. */
function damagedIf<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new EnvironmentError(`${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** What is wrong with a saved RunState, in one sentence; null when nothing is. */
function runProblem(run: Record<string, unknown>): string | null {
  const isAmount = (value: unknown) => typeof value === 'number' && value >= 0 && value < Infinity;
  const [meter, loader] = [run.meter, run.loader].map((part) => (isObject(part) ? part : {}));
  const parts: Record<string, boolean> = {
    seed: typeof run.seed === 'string' || Number.isFinite(run.seed),
    meter:
      ['steps', 'tokens', 'timedTokens'].every((name) => isNatural(meter![name])) &&
      isAmount(meter!.trainingSeconds),
    loader:
      isNatural(loader!.epoch) &&
      isNatural(loader!.nextDocument) &&
      Array.isArray(loader!.buffer) &&
      loader!.buffer.every(isNatural),
    smoothLoss: Number.isFinite(run.smoothLoss),
    evaluations: run.evaluations === undefined || isNatural(run.evaluations),
    tokenizerHash: typeof run.tokenizerHash === 'string',
    data: typeof run.data === 'string',
  };
  const bad = Object.keys(parts).find((name) => !parts[name]);
  return bad === undefined ? null : `Expected a valid ${bad} in its run, got ${JSON.stringify(run[bad])}`;
}

/** Compares the files with SHA256SUMS; checkpoints of earlier versions have none. @throws EnvironmentError */
async function checkSums(folder: string): Promise<void> {
  const path = join(folder, SUMS);
  if (!existsSync(path)) return;
  const lines = readFileSync(path, 'utf8').split('\n');
  for (const name of FILES)
    if (!lines.includes(`${await sha256OfFile(join(folder, name))}  ${name}`))
      throw new EnvironmentError(
        `${join(folder, name)} does not match ${SUMS}: it was damaged or replaced; use another checkpoint, or delete ${SUMS} if you changed the file yourself`,
      );
}
