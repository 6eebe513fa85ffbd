// Makes the batches of one split: reads documents from the shards run by run, keeps those that wait for a
// row, and packs rows in packing.ts's order. Synchronous; loader.ts runs it on a worker thread.
// Letters: B rows, T tokens in a row. Memory: the first T ids of at most 1,127 documents, one open shard.

import { join } from 'node:path';
import { EnvironmentError, UsageError } from '../base/errors.js';
import {
  BUFFER_DOCUMENTS,
  createWaitingDocuments,
  documentOf,
  epochOf,
  firstState,
  packRow,
} from './packing.js';
import {
  openShard,
  RUN_DOCUMENTS,
  type ShardFile,
  type ShardReader,
  tokenArray,
  tokenBytesOf,
} from './shards.js';
import type { LoaderState } from './types.js';

/** One split on disk; cloneable, so that a worker can be given it. */
export interface ShardSet {
  folder: string;
  files: ShardFile[];
  vocabSize: number;
  tokenizerHash: string;
  bosId: number;
}

/** What a loader packs. */
export interface BatchOptions {
  /** Rows (B). */
  batchSize: number;
  /** Tokens in a row (T). */
  seqLen: number;
  /** Where to go on; absent: the beginning. */
  state?: LoaderState;
}

/** A batch and how it moved the position (see `createPosition`). */
export interface PackedBatch {
  /** [B * T] */
  inputs: Int32Array<ArrayBuffer>;
  /** [B * T] */
  targets: Int32Array<ArrayBuffer>;
  epoch: number;
  /** Documents that had arrived since the start. */
  arrived: number;
  /** Arrival numbers of the documents placed in this batch. */
  placed: Float64Array<ArrayBuffer>;
}

/** Endless batches. */
export interface BatchMaker {
  make(): PackedBatch;
  close(): void;
}

/** Documents in all files. */
export function documentsIn(files: ShardFile[]): number {
  return files.reduce((sum, { documents }) => sum + documents, 0);
}

/** Opens one shard at a time, checked against what the dataset says of it. */
function openShardSet(set: ShardSet) {
  const firsts: number[] = [];
  let total = 0;
  for (const { documents } of set.files) {
    firsts.push(total);
    total += documents;
  }
  let reader: ShardReader | undefined;
  let current = -1;

  return {
    /** Number of the file that holds a document (0 to documents - 1). */
    fileOf(document: number): number {
      let low = 0;
      let high = firsts.length;
      while (high - low > 1) {
        const middle = (low + high) >>> 1;
        if (firsts[middle]! <= document) low = middle;
        else high = middle;
      }
      return low;
    },
    /** First document of a file. */
    firstOf: (file: number) => firsts[file]!,
    open(file: number): ShardReader {
      if (reader && file === current) return reader;
      reader?.close();
      reader = undefined;
      const expected = set.files[file]!;
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
      reader = opened;
      current = file;
      return opened;
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
  const { batchSize: B, seqLen: T, state: start = firstState() } = options;
  const documents = documentsIn(set.files);
  const shards = openShardSet(set);
  const capacity = T + 1;
  const slots = BUFFER_DOCUMENTS + RUN_DOCUMENTS;
  const waiting = createWaitingDocuments(slots);
  // A document never gives a row more than T ids behind its BOS: the first T are all that must be kept.
  const ids = tokenArray(tokenBytesOf(set.vocabSize), slots * T);
  let arrived = 0;

  function arrive(reader: ShardReader, document: number): void {
    const length = reader.lengths[document]!;
    const slot = waiting.add(length + 1, arrived++);
    reader.read(document, Math.min(length, T), ids, slot * T);
  }

  let file: number;
  let run: number;
  try {
    ({ file, run } = restore());
  } catch (error) {
    shards.close();
    throw error;
  }

  /** Reads the buffer of `start`; returns where `start.nextDocument` begins a run. */
  function restore(): { file: number; run: number } {
    checkState(start, documents);
    for (let i = 0; i < start.buffer.length; i++) {
      const document = documentOf(start, documents, i);
      const from = shards.fileOf(document);
      arrive(shards.open(from), document - shards.firstOf(from));
    }
    if (start.nextDocument === documents) return { file: set.files.length, run: 0 };
    const from = shards.fileOf(start.nextDocument);
    const within = start.nextDocument - shards.firstOf(from);
    const run = within === 0 ? 0 : shards.open(from).runEnds.indexOf(within) + 1;
    if (within > 0 && run === 0) throw foreignState(`document ${start.nextDocument}, inside a run`);
    shards.open(from);
    return { file: from, run };
  }

  function refill(): void {
    if (file === set.files.length) {
      file = 0;
      run = 0;
    }
    const reader = shards.open(file);
    const end = reader.runEnds[run]!;
    for (let document = run > 0 ? reader.runEnds[run - 1]! : 0; document < end; document++)
      arrive(reader, document);
    run++;
    if (run === reader.runEnds.length) {
      file++;
      run = 0;
    }
  }

  const row = new Int32Array(capacity);
  let placed: number[] = [];

  function place(slot: number, position: number, count: number): void {
    row[position] = set.bosId;
    const from = slot * T - 1;
    for (let i = 1; i < count; i++) row[position + i] = ids[from + i]!;
    placed.push(waiting.arrivals[slot]!);
  }

  return {
    make() {
      const inputs = new Int32Array(B * T);
      const targets = new Int32Array(B * T);
      placed = [];
      for (let b = 0; b < B; b++) {
        packRow(waiting, capacity, BUFFER_DOCUMENTS, refill, place);
        inputs.set(row.subarray(0, T), b * T);
        targets.set(row.subarray(1), b * T);
      }
      const epoch = epochOf(start, documents, arrived);
      return { inputs, targets, epoch, arrived, placed: Float64Array.from(placed) };
    },
    close: () => shards.close(),
  };
}

function foreignState(what: string): UsageError {
  return new UsageError(
    `Expected a loader state of this dataset, got ${what}; resume with the data that the state was saved with`,
  );
}

function checkState(state: LoaderState, documents: number): void {
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
