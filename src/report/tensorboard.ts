// TensorBoard's event files: scalars over steps, and a trial's parameters and outcome for its HParams page.
//
// A file is a row of records (TFRecord): length (8 bytes, little endian), masked CRC32C of that, the bytes, their masked
// CRC32C. Each is a protocol buffer, event.proto: wall_time = 1 double, step = 2 varint, file_version = 3 or summary = 5 with
// values (tag = 1, simple_value = 2 float, metadata = 9). No library for Node writes them without TensorFlow.

import { closeSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describeWriteError, makeFolder, writeWhole } from '../base/files.js';
import { Message } from '../base/protobuf.js';
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
  const write = (time: number, step: number, add: (event: Message) => Message) => {
    const event = add(new Message().double(1, time / 1000).int(2, step));
    guarded(() => writeWhole(fd, record(event.encode())));
  };
  /** A value of the HParams page: no number, but what a message in this field says. */
  const hparams = (time: number, tag: string, field: number, info: Message) => {
    const plugin = new Message().text(1, 'hparams').message(2, new Message().int(1, 0).message(field, info));
    const value = new Message().text(1, tag).message(9, new Message().message(1, plugin));
    write(time, 0, (event) => event.message(5, new Message().message(1, value)));
  };
  write(now, 0, (event) => event.text(3, 'brain.Event:2'));
  return {
    scalars(step, values, time = Date.now()) {
      const known = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== null);
      const summary = new Message();
      for (const [tag, value] of known) summary.message(1, new Message().text(1, tag).float(2, value));
      if (known.length > 0) write(time, step, (event) => event.message(5, summary));
    },
    begin(params, time = Date.now()) {
      const info = new Message();
      for (const [name, value] of Object.entries(params))
        info.message(1, new Message().text(1, name).message(2, protoValue(value)));
      hparams(time, '_hparams_/session_start_info', 3, info.double(5, time / 1000));
    },
    end(ok, time = Date.now()) {
      const info = new Message().int(1, ok ? 1 : 2).double(2, time / 1000);
      hparams(time, '_hparams_/session_end_info', 4, info);
    },
    close: () => closeSync(fd),
  };
}

/** google.protobuf.Value. */
function protoValue(value: Params[string]): Message {
  if (value === null) return new Message().int(1, 0);
  if (typeof value === 'number') return new Message().double(2, value);
  return typeof value === 'boolean' ? new Message().int(4, value) : new Message().text(3, value);
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
