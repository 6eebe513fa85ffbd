// Makes the batches of one split: reads documents from the shards run by run, keeps those that wait for a
// row, and packs rows in packing.ts's order. Synchronous; loader.ts runs it on a worker thread.
// Letters: B rows, T tokens in a row. Memory: the first T ids of at most 1,127 documents, one open shard.

import { join } from 'node:path';
import { EnvironmentError, UsageError } from '../../base/errors.js';
import type { BatchOptions, LoaderState } from '../types.js';
import { BUFFER_DOCUMENTS, createWaitingDocuments, packRow } from './packing.js';
import {
  openShard,
  RUN_DOCUMENTS,
  type ShardFile,
  type ShardReader,
  tokenArray,
  tokenBytesOf,
} from './shards.js';

/** One split on disk; cloneable, so that a worker can be given it. */
export interface ShardSet {
  folder: string;
  files: ShardFile[];
  vocabSize: number;
  tokenizerHash: string;
  bosId: number;
}

/** Where a loader is: `LoaderState` in a form that a worker hands over without copying. */
export type Position = Omit<LoaderState, 'buffer'> & { buffer: Float64Array<ArrayBuffer> };

/** A batch, and the position after it. */
export interface PackedBatch {
  /** [B * T] */
  inputs: Int32Array<ArrayBuffer>;
  /** [B * T] */
  targets: Int32Array<ArrayBuffer>;
  position: Position;
}

/** Endless batches. */
export interface BatchMaker {
  make(): PackedBatch;
  close(): void;
}

/** Documents in all files. */
function documentsIn(files: ShardFile[]): number {
  return files.reduce((sum, { documents }) => sum + documents, 0);
}

/** Opens one shard at a time, checked against what the dataset says of it. */
function openShardSet(set: ShardSet) {
  /** First document of each file, and the number of all documents. */
  const bounds = [0];
  for (const { documents } of set.files) bounds.push(bounds.at(-1)! + documents);
  let file = -1;
  let reader: ShardReader | undefined;

  function open(wanted: number): ShardReader {
    reader?.close();
    reader = undefined;
    const expected = set.files[wanted]!;
    const path = join(set.folder, expected.file);
    const opened = openShard(path);
    const { header } = opened;
    if (
      header.documents !== expected.documents ||
      header.tokens !== expected.tokens ||
      header.vocabSize !== set.vocabSize ||
      header.tokenizerHash !== set.tokenizerHash
    ) {
      opened.close();
      throw new EnvironmentError(`Token shard ${path} belongs to another dataset; prepare again`);
    }
    file = wanted;
    return (reader = opened);
  }

  return {
    /** The shard that holds a document, and the number of its first one. */
    at(document: number): { reader: ShardReader; first: number } {
      let wanted = file;
      if (!reader || document < bounds[file]! || document >= bounds[file + 1]!)
        wanted = bounds.findIndex((first) => document < first) - 1;
      return { reader: reader && wanted === file ? reader : open(wanted), first: bounds[wanted]! };
    },
    close(): void {
      reader?.close();
      reader = undefined;
    },
  };
}

/**
 * Opens a split and, when given a state, reads its waiting documents.
 * @throws UsageError when the state cannot be one of this dataset
 * @throws EnvironmentError when a shard is absent, truncated or damaged
 */
export function createBatchMaker(set: ShardSet, options: BatchOptions): BatchMaker {
  const { batchSize: B, seqLen: T, state = firstState(), separatePasses = false } = options;
  const documents = documentsIn(set.files);
  const shards = openShardSet(set);
  const capacity = T + 1;
  const slots = BUFFER_DOCUMENTS + RUN_DOCUMENTS;
  const waiting = createWaitingDocuments(slots);
  // A row takes at most T ids of a document after its BOS, so only the first T are kept.
  const ids = tokenArray(tokenBytesOf(set.vocabSize), slots * T);
  let { epoch, nextDocument } = state ?? {};

  function arrive(document: number): void {
    const { reader, first } = shards.at(document);
    const length = reader.lengths[document - first]!;
    const slot = waiting.add(document, length + 1);
    reader.read(document - first, Math.min(length, T), ids, slot * T);
  }

  /** Reads the next run: up to 128 documents of one group. False when the pass has no more. */
  function refill(): boolean {
    if (nextDocument === documents) {
      if (separatePasses) return false;
      beginPass();
    }
    const { reader, first } = shards.at(nextDocument);
    const end = first + reader.runEnds[runOf(reader, nextDocument - first)]!;
    while (nextDocument < end) arrive(nextDocument++);
    return true;
  }

  function beginPass(): void {
    nextDocument = 0;
    epoch++;
  }

  try {
    checkState(state, documents);
    state.buffer.forEach(arrive);
    if (nextDocument < documents) {
      const { reader, first } = shards.at(nextDocument);
      const run = runOf(reader, nextDocument - first);
      if (nextDocument - first !== (run > 0 ? reader.runEnds[run - 1]! : 0))
        throw foreignState(`next document ${nextDocument}, inside a run`);
    }
  } catch (error) {
    shards.close();
    throw error;
  }

  const row = new Int32Array(capacity);

  function place(slot: number, position: number, count: number): void {
    row[position] = set.bosId;
    const from = slot * T - 1;
    for (let i = 1; i < count; i++) row[position + i] = ids[from + i]!;
  }

  return {
    make() {
      const inputs = new Int32Array(B * T);
      const targets = new Int32Array(B * T);
      for (let b = 0; b < B; b++) {
        // False only with separate passes: a pass fills a row at least (loader.ts), so the next one does.
        while (!packRow(waiting, capacity, BUFFER_DOCUMENTS, refill, place)) beginPass();
        inputs.set(row.subarray(0, T), b * T);
        targets.set(row.subarray(1), b * T);
      }
      return { inputs, targets, position: { epoch, nextDocument, buffer: waiting.documents() } };
    },
    close: () => shards.close(),
  };
}

/** The run that holds a document of a shard. */
function runOf({ runEnds }: ShardReader, document: number): number {
  let low = 0;
  for (let high = runEnds.length - 1; low < high; ) {
    const middle = (low + high) >>> 1;
    if (runEnds[middle]! > document) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The start of a split. */
export function firstState(): LoaderState {
  return { epoch: 1, nextDocument: 0, buffer: [] };
}

function foreignState(what: string): UsageError {
  return new UsageError(
    `Expected a loader state of this dataset, got ${what}; resume with the data that the state was saved with`,
  );
}

function checkState(state: LoaderState, documents: number): void {
  if (typeof state !== 'object' || state === null) throw foreignState(String(state));
  const { epoch, nextDocument, buffer } = state;
  const limit = BUFFER_DOCUMENTS + RUN_DOCUMENTS;
  if (!(Number.isInteger(epoch) && epoch >= 1)) throw foreignState(`epoch ${epoch}`);
  if (!(Number.isInteger(nextDocument) && nextDocument >= 0 && nextDocument <= documents))
    throw foreignState(`next document ${nextDocument} of ${documents}`);
  if (!Array.isArray(buffer) || buffer.length >= limit)
    throw foreignState(`a buffer of ${buffer?.length} documents (limit ${limit - 1})`);
  for (const document of buffer)
    if (!(Number.isInteger(document) && document >= 0 && document < documents))
      throw foreignState(`document ${document} of ${documents}`);
}
