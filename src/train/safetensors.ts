// The safetensors file format (huggingface/safetensors): 8 bytes of header length, a JSON header with dtype,
// shape and byte range of each tensor, then the bytes. Float32 and int32 only.

import { readFileSync } from 'node:fs';
import { EnvironmentError, messageOf, UsageError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';

/** A tensor in memory, row-major. */
export type NamedArray = { shape: number[]; values: Float32Array | Int32Array };

/** A file's tensors by name and its string metadata. */
export type TensorFile = { tensors: Map<string, NamedArray>; metadata: Record<string, string> };

type Entry = { dtype: string; shape: number[]; data_offsets: [number, number] };

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
  const padded = Math.ceil(json.length / 8) * 8; // data must start aligned
  const bytes = new Uint8Array(8 + padded + offset).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  let at = 8 + padded;
  for (const { values } of file.tensors.values()) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  writeFileAtomic(path, bytes);
}

/**
 * Reads a whole file.
 * @throws UsageError when it is absent, EnvironmentError when it is truncated or not safetensors
 */
export function readSafetensors(path: string): TensorFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const broken = (why: string) => new EnvironmentError(`${path} is not a whole safetensors file: ${why}`);
  if (bytes.length < 8) throw broken(`${bytes.length} bytes`);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const start = 8 + headerLength;
  if (start > bytes.length) throw broken(`header of ${headerLength} bytes in a file of ${bytes.length}`);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(bytes.toString('utf8', 8, start));
  } catch (error) {
    throw broken(`its header is not JSON (${messageOf(error)})`);
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, NamedArray>();
  for (const [name, entry] of Object.entries(entries as Record<string, Entry>)) {
    if (entry?.dtype !== 'F32' && entry?.dtype !== 'I32')
      throw broken(`${name} has dtype ${entry?.dtype}; expected F32 or I32`);
    const [begin, end] = entry.data_offsets;
    const size = entry.shape.reduce((a, b) => a * b, 1);
    if (end - begin !== 4 * size) throw broken(`${name} has ${end - begin} bytes for shape [${entry.shape}]`);
    if (start + end > bytes.length)
      throw broken(`${name} ends at byte ${start + end} of a file of ${bytes.length}; it was cut short`);
    const copy = new Uint8Array(bytes.subarray(start + begin, start + end)); // aligned and private
    const values = entry.dtype === 'F32' ? new Float32Array(copy.buffer) : new Int32Array(copy.buffer);
    tensors.set(name, { shape: entry.shape, values });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}
