// TensorBoard's event files: scalars over steps, and a trial's parameters and outcome for its HParams page.
//
// A file is a row of records (TFRecord): length (8 bytes, little endian), masked CRC32C of that, the bytes, their masked
// CRC32C. Each is a protocol buffer, event.proto: wall_time = 1 double, step = 2 varint, file_version = 3 or summary = 5 with
// values (tag = 1, simple_value = 2 float, metadata = 9). No library for Node writes them without TensorFlow.

import { closeSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describeWriteError, makeFolder, writeWhole } from '../base/files.js';
import type { Params } from '../tune/types.js';

/** An open event file. Times are milliseconds since the epoch. */
export type EventFile = {
  /** Writes values by tag at a step. */
  scalars(step: number, values: Readonly<Record<string, number | null>>, time?: number): void;
  /** The parameters that the run began with. */
  begin(params: Params, time?: number): void;
  /** How it ended. */
  end(ok: boolean, time?: number): void;
  close(): void;
};

let files = 0;

/**
 * Creates an event file in a folder, which TensorBoard shows as a run.
 * @throws EnvironmentError where it cannot be written
 */
export function createEventFile(folder: string, now = Date.now()): EventFile {
  makeFolder(folder);
  const name = `events.out.tfevents.${Math.floor(now / 1000)}.${hostname()}.${process.pid}.${files++}`;
  const path = join(folder, name);
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw describeWriteError(path, error);
    }
  };
  const fd = guarded(() => openSync(path, 'wx'));
  const write = (time: number, step: number, more: Buffer) =>
    guarded(() => writeWhole(fd, record(Buffer.concat([double(1, time / 1000), varint(2, step), more]))));
  /** A value of the HParams page: no number, but what `content` says. */
  const hparams = (time: number, tag: string, content: Buffer) => {
    const plugin = Buffer.concat([text(1, 'hparams'), bytes(2, Buffer.concat([varint(1, 0), content]))]);
    write(time, 0, bytes(5, bytes(1, Buffer.concat([text(1, tag), bytes(9, bytes(1, plugin))]))));
  };
  write(now, 0, text(3, 'brain.Event:2'));
  return {
    scalars(step, values, time = Date.now()) {
      const known = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== null);
      const each = known.map(([tag, value]) => bytes(1, Buffer.concat([text(1, tag), float(2, value)])));
      if (each.length > 0) write(time, step, bytes(5, Buffer.concat(each)));
    },
    begin(params, time = Date.now()) {
      const entries = Object.entries(params).map(([name, value]) =>
        bytes(1, Buffer.concat([text(1, name), bytes(2, protoValue(value))])),
      );
      const info = Buffer.concat([...entries, double(5, time / 1000)]);
      hparams(time, '_hparams_/session_start_info', bytes(3, info));
    },
    end(ok, time = Date.now()) {
      const info = Buffer.concat([varint(1, ok ? 1 : 2), double(2, time / 1000)]);
      hparams(time, '_hparams_/session_end_info', bytes(4, info));
    },
    close: () => closeSync(fd),
  };
}

/** google.protobuf.Value. */
const protoValue = (value: Params[string]): Buffer =>
  value === null
    ? varint(1, 0)
    : typeof value === 'number'
      ? double(2, value)
      : typeof value === 'boolean'
        ? varint(4, Number(value))
        : text(3, value);

const LENGTH_DELIMITED = 2;
const varintBytes = (value: number): number[] => {
  const digits: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...digits, rest];
    digits.push((rest % 128) | 128);
  }
};
const varint = (field: number, value: number): Buffer => Buffer.from([field << 3, ...varintBytes(value)]);
const bytes = (field: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | LENGTH_DELIMITED, ...varintBytes(content.length)]), content]);
const text = (field: number, content: string): Buffer => bytes(field, Buffer.from(content));
function double(field: number, value: number): Buffer {
  const buffer = Buffer.from([(field << 3) | 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  buffer.writeDoubleLE(value, 1);
  return buffer;
}
function float(field: number, value: number): Buffer {
  const buffer = Buffer.from([(field << 3) | 5, 0, 0, 0, 0]);
  buffer.writeFloatLE(value, 1);
  return buffer;
}

function record(content: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(content.length));
  return Buffer.concat([length, maskedCrc(length), content, maskedCrc(content)]);
}

/** Castagnoli's polynomial, bit-reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC32C, RFC 3720. */
export function crc32c(content: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of content) crc = TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Rotated and shifted, since CRCs of CRCs are weak. */
function maskedCrc(content: Buffer): Buffer {
  const crc = crc32c(content);
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return buffer;
}
