// Prepares a corpus once: trains the tokenizer on the train split, encodes both splits on worker threads and writes a
// dataset to the cache, in a folder named by a hash of its inputs. The folder is built under a temporary name and renamed
// when complete, so that it is never seen half-written and processes do not interfere. dataset.ts reads it back;
// docs/formats.md describes cache and reuse.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as letEventsIn } from 'node:timers/promises';
import { EnvironmentError, expect, hasCode } from '../base/errors.js';
import {
  defaultCacheFolder,
  describeWriteError,
  makeFolder,
  removeLeftovers,
  sha256,
  temporaryName,
} from '../base/files.js';
import type { OnProgress } from '../base/progress.js';
import { usableThreads } from '../base/threads.js';
import type { LoaderSettings } from './batches/loader.js';
import type { ShardFile } from './batches/shards.js';
import { createShardWriter } from './batches/shardWriter.js';
import {
  DATASET_VERSION,
  describeSplit,
  type Manifest,
  openDataset,
  readManifest,
  splitWarnings,
  TOKENIZER_FOLDER,
  writeManifest,
} from './dataset.js';
import { openSource, type SourceSpec } from './sources/openSource.js';
import { saveTokenizer } from './tokenizer/files.js';
import { createEncoderPool, type EncodedTexts, type EncoderPool } from './tokenizer/pool.js';
import { runsOf } from './tokenizer/texts.js';
import { trainTokenizer } from './tokenizer/train.js';
import { takeTurn } from './turn.js';
import type { Dataset, DocumentSource, Split, Tokenizer } from './types.js';

/** Texts go to the encoder in pieces of about this many UTF-16 units. */
const PIECE_UNITS = 1 << 20;
/** Starting threads does not pay for a train split of fewer bytes. */
const SMALL_BYTES = 2 << 20;
/** A train split of up to this many bytes is read once: it stays in memory from training to encoding. */
const KEPT_BYTES = 64 << 20;
const DEFAULT_VOCAB_SIZE = 8192;

type Groups = AsyncIterable<string[]> | Iterable<string[]>;

/** What to prepare (`bundled`, `text`, `documents`, `hub`, or a `source` of your own), and how. */
export interface PrepareOptions extends SourceSpec {
  /** A corpus of your own, in the place of the other names. */
  source?: DocumentSource;
  /** Vocabulary of the tokenizer that is trained; default 8,192, which takes some megabytes of text. */
  vocabSize?: number;
  /** Used instead of training one. */
  tokenizer?: Tokenizer;
  /** Default `defaultCacheFolder()`. */
  cacheFolder?: string;
  /** Threads that count and encode; all cores, at most 8, by default. The result does not depend on it. */
  threads?: number;
  /** Ids after which a new shard begins; default 100 million. Does not change an existing folder. */
  shardTokens?: number;
  /** How the dataset's loaders work. */
  loader?: LoaderSettings;
  onProgress?: OnProgress;
  /** Receives lines for the log: why a folder in the cache is rebuilt, what looks wrong about the splits. */
  onNote?: (line: string) => void;
  /** Stops; the promise rejects with the signal's reason and nothing is left behind. */
  signal?: AbortSignal;
}

/**
 * Opens the corpus's dataset in the cache, after building it where it is absent or damaged. Train on it with `train`.
 * @throws UsageError when a split has no text, or the text does not support the vocabulary
 * @throws EnvironmentError when the source cannot be read, the disk is full or the cache not writable
 * @example
 * const data = await prepareDataset({ bundled: 16 }); // MB of generated stories
 * const own = await prepareDataset({ text: 'poems.txt', vocabSize: 1024 });
 * const few = await prepareDataset({ documents: ['One.', 'Two.'], vocabSize: 256 });
 */
export async function prepareDataset(options: PrepareOptions = {}): Promise<Dataset> {
  const { cacheFolder = defaultCacheFolder(), onNote, signal } = options;
  signal?.throwIfAborted();
  const source = options.source ?? (await openSource(options, { ...options, cacheFolder }));
  const fingerprint = await source.fingerprint();
  const tokenizer = options.tokenizer
    ? `given:${options.tokenizer.hash}`
    : `trained:${options.vocabSize ?? DEFAULT_VOCAB_SIZE}`;
  const key = { fingerprint, tokenizer };
  const named = sha256(`${DATASET_VERSION}`, key.fingerprint, key.tokenizer).slice(0, 24);
  const folder = join(cacheFolder, 'datasets', named);
  removeLeftovers(dirname(folder));
  const open = async () => {
    const manifest = readManifest(folder);
    const { fingerprint, tokenizer } = manifest;
    if (fingerprint !== key.fingerprint || tokenizer !== key.tokenizer)
      throw new EnvironmentError(`${folder} was prepared from something else; prepare again`);
    const data = await openDataset(folder, options.loader);
    for (const warning of splitWarnings(manifest)) onNote?.(warning);
    // The same documents may have another name today.
    return { ...data, name: source.name };
  };
  /** The dataset, or why it cannot be used. */
  const tryOpen = () =>
    open().catch((error: unknown) => {
      if (error instanceof EnvironmentError) return error;
      throw error;
    });

  if (existsSync(folder)) {
    const found = await tryOpen();
    if (!(found instanceof EnvironmentError)) return found;
    onNote?.(`Rebuilding ${source.name}: ${found.message.replace(/; prepare again$/, '')}`);
  }
  makeFolder(dirname(folder));
  const damaged = existsSync(folder);
  const isDone = () => !damaged && existsSync(folder);
  const onWait = () => onNote?.(`Another process prepares ${source.name}; waiting for it`);
  const giveTurn = await takeTurn(folder, isDone, { onWait, signal });
  if (giveTurn === null) return open();
  const temporary = temporaryName(folder);
  try {
    const made = existsSync(folder) && (await tryOpen()); // by the process before this one
    if (made && !(made instanceof EnvironmentError)) return made;
    makeFolder(temporary);
    await build(temporary, source, key, options);
    await publish(temporary, folder, async () => !((await tryOpen()) instanceof EnvironmentError));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    giveTurn();
  }
  return open();
}

/** Renames the finished folder, unless another process was faster; replaces a folder that cannot be used. */
async function publish(temporary: string, folder: string, agrees: () => Promise<boolean>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      renameSync(temporary, folder);
      return;
    } catch (error) {
      if (attempt === 5 || !existsSync(folder)) throw describeWriteError(folder, error);
    }
    if (await agrees()) return;
    const old = temporaryName(folder);
    try {
      renameSync(folder, old);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw describeWriteError(folder, error);
    }
    rmSync(old, { recursive: true, force: true });
  }
}

/** Fills a folder with a dataset. */
async function build(
  folder: string,
  source: DocumentSource,
  key: { fingerprint: string; tokenizer: string },
  options: PrepareOptions,
): Promise<void> {
  const { vocabSize = DEFAULT_VOCAB_SIZE, onProgress, signal } = options;
  const threads = usableThreads(options.threads);
  const aborts = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
  /** What training read, when that was all: its bytes, and the groups while they are few. */
  let read: { bytes: number; groups: string[][] | undefined } | undefined;

  async function* trainGroups(): AsyncGenerator<string[]> {
    let bytes = 0;
    let groups: string[][] | undefined = [];
    for await (const group of source.groups('train')) {
      for (const text of group) bytes += Buffer.byteLength(text);
      if (bytes > KEPT_BYTES) groups = undefined;
      groups?.push(group);
      yield group;
    }
    read = { bytes, groups };
  }
  const tokenizer =
    options.tokenizer ?? (await trainTokenizer(trainGroups(), { vocabSize, threads, ...aborts }));
  saveTokenizer(join(folder, TOKENIZER_FOLDER), tokenizer);

  const pool = createEncoderPool(tokenizer, (read?.bytes ?? Infinity) < SMALL_BYTES ? 1 : threads);
  try {
    const encode = (split: Split, groups: Groups = source.groups(split), total?: number) =>
      encodeSplit(folder, split, groups, { ...options, source, tokenizer, threads }, pool, total);
    // The small split first, so that a missing one is reported at once.
    const val = await encode('val');
    const train = await encode('train', read?.groups, read?.bytes);
    writeManifest(folder, {
      version: DATASET_VERSION,
      name: source.name,
      ...key,
      tokenizerHash: tokenizer.hash,
      vocabSize: tokenizer.vocabSize,
      bosId: tokenizer.bosId,
      ...(source.documentRule && { documentRule: await source.documentRule() }),
      longestDocument: Math.max(train.longest, val.longest),
      splits: { train: describeSplit(train.files), val: describeSplit(val.files) },
    } satisfies Manifest);
  } finally {
    await pool.close();
  }
}

/** Encodes one split into shards, in order, a few pieces ahead of the writer. @returns them, and the longest document's bytes */
async function encodeSplit(
  folder: string,
  split: Split,
  groups: Groups,
  options: PrepareOptions & { source: DocumentSource; tokenizer: Tokenizer; threads: number },
  pool: EncoderPool,
  total: number | undefined,
): Promise<{ files: ShardFile[]; longest: number }> {
  const { source, tokenizer, threads, shardTokens, onProgress, signal } = options;
  const { vocabSize, hash: tokenizerHash } = tokenizer;
  const writer = createShardWriter(folder, split, {
    vocabSize,
    tokenizerHash,
    ...(shardTokens !== undefined && { shardTokens }),
  });
  const pieces: { texts: string[]; startsGroup: boolean; encoded: Promise<EncodedTexts> }[] = [];
  let done = 0;
  let longest = 0; // bytes of a document

  async function writeOldest(): Promise<void> {
    const { texts, startsGroup, encoded } = pieces.shift()!;
    const { ids, offsets } = await encoded;
    if (startsGroup) writer.startGroup();
    texts.forEach((text, i) => {
      const bytes = Buffer.byteLength(text);
      writer.add(ids.subarray(offsets[i], offsets[i + 1]), bytes);
      done += bytes;
      longest = Math.max(longest, bytes);
    });
    onProgress?.({ stage: `encode ${split}`, done, ...(total && { total }), unit: 'bytes' });
    // Lets signals in when everything runs on this thread.
    await letEventsIn();
    signal?.throwIfAborted();
  }

  try {
    for await (const group of groups)
      for (const [from, to] of runsOf(group, PIECE_UNITS)) {
        const texts = group.slice(from, to);
        const encoded = pool.encode(texts);
        // Awaited in its turn; until then a failure must not count as unhandled.
        encoded.catch(() => {});
        pieces.push({ texts, startsGroup: from === 0, encoded });
        if (pieces.length > 2 * threads) await writeOldest();
      }
    while (pieces.length > 0) await writeOldest();
    expect(
      done > 0,
      () =>
        `Expected text in the ${split} split of ${source.name}, got none; give more text` +
        (split === 'val' ? ', or a separate validation text' : ''),
    );
    return { files: writer.close(), longest };
  } catch (error) {
    writer.abort();
    throw error;
  }
}
