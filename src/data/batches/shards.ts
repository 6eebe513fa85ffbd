// Token shards: the ids of one split on disk, in one or more files, read by position (shardWriter.ts writes).
// A file is a 128-byte header, the ids of all documents end to end (no BOS), and an index. docs/formats.md
// gives every field. Numbers are little-endian, as all common machines are.
// Integrity: CRC-32 of the header, of the index, and of each block of ids, checked when they are read.
// packing.ts decides the order of documents; dataset.ts lists the shards of a dataset.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { EnvironmentError, hasCode } from '../../base/errors.js';
import { describeReadError, readAt } from '../../base/files.js';

/** Version of the shard format; a reader accepts only its own. */
const SHARD_VERSION = 1;
/** Documents in a run at most: what the reference reads at once from a row group (`_document_batches`). */
export const RUN_DOCUMENTS = 128;

const MAGIC = 'tinygpt\n';
export const HEADER_BYTES = 128;
const CHECKED_BYTES = HEADER_BYTES - 4;
/** Ids are checked in blocks of this size. */
export const BLOCK_BYTES = 128 * 1024;

/** Ids in memory: two bytes while the vocabulary allows. */
export type TokenArray = Uint16Array | Uint32Array;

/** What a shard's header says. */
export interface ShardHeader {
  /** Bytes of an id: 2 or 4. */
  tokenBytes: 2 | 4;
  vocabSize: number;
  /** Hex SHA-256, `Tokenizer.hash`. */
  tokenizerHash: string;
  documents: number;
  /** Groups of the source that begin in this file. */
  groups: number;
  /** Runs: up to 128 consecutive documents of one group. */
  runs: number;
  /** Ids, without BOS. */
  tokens: number;
  /** UTF-8 bytes of the text. */
  bytes: number;
  /** CRC-32 of the index. */
  indexChecksum: number;
}

/** One finished file of a split. */
export interface ShardFile {
  /** Name within the folder. */
  file: string;
  documents: number;
  tokens: number;
  bytes: number;
}

/** Reads one shard file. */
export interface ShardReader {
  readonly header: ShardHeader;
  /** [documents] ids in each document, without BOS. */
  readonly lengths: Uint32Array;
  /** [runs] the document after each run's last. */
  readonly runEnds: Uint32Array;
  /**
   * Copies the first `count` ids of a document to `target` at `offset`.
   * @throws EnvironmentError when the file is truncated or damaged
   */
  read(document: number, count: number, target: TokenArray, offset: number): void;
  close(): void;
}

/** An array for ids of this width. */
export function tokenArray(tokenBytes: 2 | 4, length: number): TokenArray {
  return tokenBytes === 2 ? new Uint16Array(length) : new Uint32Array(length);
}

/** Bytes of an id: 2 when the vocabulary fits in 16 bits, else 4. */
export function tokenBytesOf(vocabSize: number): 2 | 4 {
  return vocabSize <= 65_536 ? 2 : 4;
}

/** The 128-byte header of a shard. */
export function encodeHeader(header: ShardHeader): Uint8Array {
  const out = Buffer.alloc(HEADER_BYTES);
  out.write(MAGIC, 0, 'latin1');
  out.writeUInt32LE(SHARD_VERSION, 8);
  out.writeUInt32LE(header.tokenBytes, 12);
  out.writeUInt32LE(header.vocabSize, 16);
  out.writeUInt32LE(header.documents, 20);
  out.writeUInt32LE(header.groups, 24);
  out.writeUInt32LE(header.runs, 28);
  out.writeBigUInt64LE(BigInt(header.tokens), 32);
  out.writeBigUInt64LE(BigInt(header.bytes), 40);
  out.writeUInt32LE(BLOCK_BYTES, 48);
  out.writeUInt32LE(header.indexChecksum, 52);
  out.write(header.tokenizerHash, 56, 32, 'hex');
  out.writeUInt32LE(crc32(out.subarray(0, CHECKED_BYTES)), CHECKED_BYTES);
  return out;
}

function decodeHeader(path: string, bytes: Buffer): ShardHeader {
  if (bytes.toString('latin1', 0, 8) !== MAGIC)
    throw new EnvironmentError(
      `Expected a token shard, got ${path}, which does not begin like one; prepare again`,
    );
  const version = bytes.readUInt32LE(8);
  if (version !== SHARD_VERSION)
    throw new EnvironmentError(
      `Expected version ${SHARD_VERSION} of token shard ${path}, got ${version}; prepare again`,
    );
  if (crc32(bytes.subarray(0, CHECKED_BYTES)) !== bytes.readUInt32LE(CHECKED_BYTES))
    throw new EnvironmentError(`Token shard ${path} has a damaged header (checksum differs); prepare again`);
  const vocabSize = bytes.readUInt32LE(16);
  const tokenBytes = tokenBytesOf(vocabSize);
  if (bytes.readUInt32LE(12) !== tokenBytes || bytes.readUInt32LE(48) !== BLOCK_BYTES)
    throw new EnvironmentError(
      `Token shard ${path} has a damaged header (sizes of ids or blocks); prepare again`,
    );
  return {
    tokenBytes,
    vocabSize,
    tokenizerHash: bytes.toString('hex', 56, 88),
    documents: bytes.readUInt32LE(20),
    groups: bytes.readUInt32LE(24),
    runs: bytes.readUInt32LE(28),
    tokens: Number(bytes.readBigUInt64LE(32)),
    bytes: Number(bytes.readBigUInt64LE(40)),
    indexChecksum: bytes.readUInt32LE(52),
  };
}

/** Blocks of ids in a shard; all but the last are full. */
function blockCount(header: ShardHeader): number {
  return Math.ceil((header.tokens * header.tokenBytes) / BLOCK_BYTES);
}

/** Opens the file and checks header and size; the caller closes `fd`. */
function openChecked(path: string): { fd: number; header: ShardHeader } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT'))
      throw new EnvironmentError(`Expected token shard ${path}, got no such file; prepare again`);
    throw describeReadError(path, error);
  }
  try {
    const size = fstatSync(fd).size;
    const bytes = Buffer.alloc(HEADER_BYTES);
    if (readAt(fd, bytes, 0) < HEADER_BYTES) throw truncated(path, HEADER_BYTES, size);
    const header = decodeHeader(path, bytes);
    const index = 4 * (header.documents + header.runs + blockCount(header));
    const expected = HEADER_BYTES + header.tokens * header.tokenBytes + index;
    if (size !== expected) throw truncated(path, expected, size);
    return { fd, header };
  } catch (error) {
    closeSync(fd);
    throw describeReadError(path, error);
  }
}

function truncated(path: string, expected: number, size: number): EnvironmentError {
  const what = size < expected ? 'truncated' : 'too long';
  return new EnvironmentError(
    `Token shard ${path} is ${what}: expected ${expected} bytes, got ${size}; prepare again`,
  );
}

/**
 * Reads a shard's header and compares its size with the file's.
 * @throws EnvironmentError when the file is absent, truncated, damaged or of another version
 */
export function readShardHeader(path: string): ShardHeader {
  const { fd, header } = openChecked(path);
  closeSync(fd);
  return header;
}

/**
 * Opens a shard for reading by position. Memory: 12 bytes per document and one block of ids.
 * @throws EnvironmentError when the file is absent, truncated, damaged or of another version
 */
export function openShard(path: string): ShardReader {
  const { fd, header } = openChecked(path);
  const { documents, runs, tokenBytes } = header;
  const blocks = blockCount(header);
  const blockTokens = BLOCK_BYTES / tokenBytes;
  const damaged = (what: string) =>
    new EnvironmentError(`Token shard ${path} is damaged (${what}); delete its folder and prepare again`);

  function read(bytes: Uint8Array, position: number): void {
    const count = readAt(fd, bytes, position);
    if (count < bytes.length) throw truncated(path, position + bytes.length, position + count);
  }

  try {
    const index = new Uint32Array(documents + runs + blocks);
    const indexBytes = new Uint8Array(index.buffer);
    read(indexBytes, HEADER_BYTES + header.tokens * tokenBytes);
    if (crc32(indexBytes) !== header.indexChecksum) throw damaged('checksum of the index differs');
    const lengths = index.subarray(0, documents);
    const runEnds = index.subarray(documents, documents + runs);
    const checksums = index.subarray(documents + runs);

    const starts = new Float64Array(documents + 1);
    for (let i = 0; i < documents; i++) starts[i + 1] = starts[i]! + lengths[i]!;
    const inOrder = runEnds.every((end, i) => end > (i === 0 ? 0 : runEnds[i - 1]!));
    if (starts[documents] !== header.tokens || !inOrder || (runEnds.at(-1) ?? 0) !== documents)
      throw damaged('its index does not add up');

    const block = tokenArray(tokenBytes, blockTokens);
    const blockBytes = new Uint8Array(block.buffer);
    let loaded = -1;
    function load(wanted: number): void {
      if (wanted === loaded) return;
      loaded = -1;
      const at = wanted * BLOCK_BYTES;
      const part = blockBytes.subarray(0, Math.min(BLOCK_BYTES, header.tokens * tokenBytes - at));
      read(part, HEADER_BYTES + at);
      if (crc32(part) !== checksums[wanted]) throw damaged(`checksum of block ${wanted} differs`);
      loaded = wanted;
    }

    return {
      header,
      lengths,
      runEnds,
      read(document, count, target, offset) {
        let from = starts[document]!;
        const end = from + count;
        while (from < end) {
          const number = Math.floor(from / blockTokens);
          load(number);
          const first = from - number * blockTokens;
          const some = Math.min(end - from, blockTokens - first);
          target.set(block.subarray(first, first + some), offset);
          from += some;
          offset += some;
        }
      },
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw describeReadError(path, error);
  }
}
