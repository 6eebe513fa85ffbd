// Writes token shards, streaming: ids leave memory block by block, the index follows at the end of a file,
// the header comes last, and the file is renamed when it is complete. shards.ts describes the format.

import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describeWriteError, temporaryName, writeWhole } from '../../base/files.js';
import {
  BLOCK_BYTES,
  encodeHeader,
  HEADER_BYTES,
  RUN_DOCUMENTS,
  type ShardFile,
  tokenArray,
  tokenBytesOf,
} from './shards.js';

/** A new file begins at the first run after either limit; together they bound an open shard's index. */
const SHARD_TOKENS = 100_000_000;
const SHARD_DOCUMENTS = 1_000_000;

/** Writes one split, document by document. */
export interface ShardWriter {
  /** The next document begins a new group; runs never span groups. */
  startGroup(): void;
  /** Appends a document: its ids without BOS and its UTF-8 bytes. */
  add(ids: ArrayLike<number>, bytes: number): void;
  /** Finishes the last file and returns all of them, in order. */
  close(): ShardFile[];
  /** Removes the file under construction. */
  abort(): void;
}

/**
 * Writes the shards `<split>-00000.tokens`, `-00001`, ... of a folder; each appears under its name when it is complete.
 * @param options `shardTokens` and `shardDocuments`: limits after which a new file begins
 * @throws EnvironmentError when the disk is full or the folder not writable
 */
export function createShardWriter(
  folder: string,
  split: string,
  options: {
    vocabSize: number;
    tokenizerHash: string;
    shardTokens?: number;
    shardDocuments?: number;
  },
): ShardWriter {
  const { vocabSize, tokenizerHash, shardTokens = SHARD_TOKENS, shardDocuments = SHARD_DOCUMENTS } = options;
  const tokenBytes = tokenBytesOf(vocabSize);
  const block = tokenArray(tokenBytes, BLOCK_BYTES / tokenBytes);
  const blockBytes = new Uint8Array(block.buffer);
  const files: ShardFile[] = [];
  let open: OpenFile | undefined;
  let groupBegins = true;

  /** Runs a write; a failure removes the file under construction. */
  function guarded<T>(path: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      abort();
      throw describeWriteError(path, error);
    }
  }

  function abort(): void {
    if (!open) return;
    const { fd, temporary } = open;
    open = undefined;
    closeSync(fd);
    rmSync(temporary, { force: true });
  }

  function begin(): OpenFile {
    const file = `${split}-${String(files.length).padStart(5, '0')}.tokens`;
    const path = join(folder, file);
    const temporary = temporaryName(path);
    const fd = guarded(path, () => openSync(temporary, 'wx'));
    const counts = { groups: 0, tokens: 0, bytes: 0, filled: 0, run: 0 };
    open = { file, path, temporary, fd, lengths: [], runEnds: [], checksums: [], ...counts };
    // The header is written last; until then its place holds zeros.
    guarded(path, () => writeWhole(fd, new Uint8Array(HEADER_BYTES)));
    return open;
  }

  function flush(to: OpenFile): void {
    const part = blockBytes.subarray(0, to.filled * tokenBytes);
    to.checksums.push(crc32(part));
    to.filled = 0;
    guarded(to.path, () => writeWhole(to.fd, part));
  }

  function endRun(of: OpenFile): void {
    if (of.run > 0) of.runEnds.push(of.lengths.length);
    of.run = 0;
  }

  function finish(of: OpenFile): void {
    endRun(of);
    if (of.filled > 0) flush(of);
    const index = Uint32Array.from([...of.lengths, ...of.runEnds, ...of.checksums]);
    const indexBytes = new Uint8Array(index.buffer);
    const header = encodeHeader({
      tokenBytes,
      vocabSize,
      tokenizerHash,
      documents: of.lengths.length,
      groups: of.groups,
      runs: of.runEnds.length,
      tokens: of.tokens,
      bytes: of.bytes,
      indexChecksum: crc32(indexBytes),
    });
    guarded(of.path, () => {
      writeWhole(of.fd, indexBytes);
      writeSync(of.fd, header, 0, HEADER_BYTES, 0);
      renameSync(of.temporary, of.path);
    });
    open = undefined;
    closeSync(of.fd);
    files.push({ file: of.file, documents: of.lengths.length, tokens: of.tokens, bytes: of.bytes });
  }

  return {
    startGroup() {
      groupBegins = true;
    },
    add(ids, bytes) {
      let to = open;
      if (to && (groupBegins || to.run === RUN_DOCUMENTS)) {
        endRun(to);
        if (to.tokens >= shardTokens || to.lengths.length >= shardDocuments) {
          finish(to);
          to = undefined;
        }
      }
      to ??= begin();
      if (groupBegins) to.groups++;
      groupBegins = false;
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        if (!(id >= 0 && id < vocabSize))
          throw new RangeError(`Expected token ids below ${vocabSize}, got ${id}`);
        block[to.filled++] = id;
        if (to.filled === block.length) flush(to);
      }
      to.lengths.push(ids.length);
      to.tokens += ids.length;
      to.bytes += bytes;
      to.run++;
    },
    close() {
      if (open) finish(open);
      return files;
    },
    abort,
  };
}

/** The file under construction. */
type OpenFile = {
  file: string;
  path: string;
  temporary: string;
  fd: number;
  lengths: number[];
  runEnds: number[];
  checksums: number[];
  groups: number;
  tokens: number;
  bytes: number;
  /** Ids in the block. */
  filled: number;
  /** Documents in the current run. */
  run: number;
};
