// The safetensors file format (huggingface/safetensors): 8 bytes of header length, a JSON header with dtype,
// shape and byte range of each tensor, then the bytes, without gaps. Float32 and int32 only.

import { closeSync, fstatSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EnvironmentError, messageOf } from './errors.js';
import {
  describeReadError,
  describeWriteError,
  discard,
  makeFolder,
  readAt,
  temporaryName,
  writeWhole,
} from './files.js';
import { show } from './json.js';
import { checkIsFile } from './textFile.js';
import { isNatural, isObject } from './valid.js';

/** A tensor in memory, row-major. */
export type NamedArray = { shape: number[]; values: Float32Array | Int32Array };

/** A file's tensors by name and its string metadata. */
export type TensorFile = { tensors: Map<string, NamedArray>; metadata: Record<string, string> };

/** The longest header that the format allows, bytes. */
const MAX_HEADER = 100_000_000;

/** Writes through a temporary name. @throws EnvironmentError when the disk is full or not writable */
export function writeSafetensors(path: string, file: TensorFile): void {
  const header: Record<string, unknown> = { __metadata__: file.metadata };
  let offset = 0;
  for (const [name, { shape, values }] of file.tensors) {
    const dtype = values instanceof Float32Array ? 'F32' : 'I32';
    header[name] = { dtype, shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' '); // data must start aligned
  head.writeBigUInt64LE(BigInt(head.length - 8));
  head.set(json, 8);
  const temporary = temporaryName(path);
  try {
    makeFolder(dirname(path));
    const fd = openSync(temporary, 'w');
    try {
      writeWhole(fd, head);
      for (const { values } of file.tensors.values()) writeWhole(fd, bytesOf(values));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    discard(temporary);
    throw describeWriteError(path, error);
  }
}

/**
 * Reads a whole file.
 * @throws UsageError when it is absent, EnvironmentError when it is not a complete safetensors file
 */
export function readSafetensors(path: string): TensorFile {
  let fd: number;
  try {
    checkIsFile(path, statSync(path));
    fd = openSync(path, 'r');
  } catch (error) {
    throw describeReadError(path, error);
  }
  try {
    return readTensors(fd);
  } catch (error) {
    if (error instanceof Damage)
      throw new EnvironmentError(`${path} is not a complete safetensors file: ${error.message}`);
    throw describeReadError(path, error);
  } finally {
    closeSync(fd);
  }
}

/** What is wrong with a file. */
class Damage extends Error {}

const check = (condition: boolean, what: () => string): void => {
  if (!condition) throw new Damage(what());
};

function readTensors(fd: number): TensorFile {
  const { size } = fstatSync(fd);
  check(size >= 8, () => `it has ${size} bytes`);
  const length = Number(readWhole(fd, Buffer.alloc(8), 0).readBigUInt64LE());
  const start = 8 + length;
  check(
    length <= MAX_HEADER && start <= size,
    () => `it declares a header of ${length} bytes in a file of ${size}`,
  );
  const { __metadata__: metadata = {}, ...entries } = parseHeader(readWhole(fd, Buffer.alloc(length), 8));
  check(
    isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string'),
    () => 'its __metadata__ is not an object of strings',
  );
  const checked = Object.entries(entries).map(([name, entry]) => [name, parseEntry(name, entry)] as const);
  let end = 0;
  for (const [name, { offsets }] of [...checked].sort(([, a], [, b]) => a.offsets[0] - b.offsets[0])) {
    check(
      offsets[0] === end,
      () => `${name} begins at byte ${offsets[0]} of the data where byte ${end} is next`,
    );
    end = offsets[1];
  }
  check(
    start + end === size,
    () =>
      `its tensors end at byte ${start + end} of a file of ${size}${start + end > size ? '; it is truncated' : ''}`,
  );
  const tensors = new Map<string, NamedArray>();
  for (const [name, { dtype, shape, offsets }] of checked) {
    const count = (offsets[1] - offsets[0]) / 4;
    const values = dtype === 'F32' ? new Float32Array(count) : new Int32Array(count);
    readWhole(fd, bytesOf(values), start + offsets[0]);
    tensors.set(name, { shape, values });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

function parseHeader(bytes: Buffer): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Damage(`its header is not JSON (${messageOf(error)})`);
  }
  check(isObject(header), () => 'its header is not a JSON object');
  return header as Record<string, unknown>;
}

type Entry = { dtype: 'F32' | 'I32'; shape: number[]; offsets: [number, number] };

function parseEntry(name: string, entry: unknown): Entry {
  check(isObject(entry), () => `${name} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  check(dtype === 'F32' || dtype === 'I32', () => `${name} has dtype ${show(dtype)}; expected F32 or I32`);
  check(isListOfSizes(shape), () => `${name} has shape ${show(shape)}; expected a list of integers >= 0`);
  check(
    isListOfSizes(offsets) && offsets.length === 2 && offsets[0]! <= offsets[1]!,
    () => `${name} has data_offsets ${show(offsets)}; expected [begin, end]`,
  );
  const [begin, end] = offsets as [number, number];
  const bytes = 4 * (shape as number[]).reduce((a, b) => a * b, 1);
  check(end - begin === bytes, () => `${name} has ${end - begin} bytes for shape [${shape}]`);
  return { dtype, shape, offsets: [begin, end] } as Entry;
}

const isListOfSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isNatural);

const bytesOf = (values: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Fills `into` from `position` on. */
function readWhole<T extends Uint8Array>(fd: number, into: T, position: number): T {
  const count = readAt(fd, into, position);
  check(count === into.length, () => `it ends at byte ${position + count}; it is truncated`);
  return into;
}
