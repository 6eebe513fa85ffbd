// Reads zip archives, such as wheels: the directory, and single members as streams.
// Source: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14-16 and 4.5.3 (sizes beyond 4 GB).

import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { EnvironmentError, isSystemError } from '../../base/errors.js';
import { describeReadError, describeWriteError, makeFolder } from '../../base/files.js';

/** A member of an archive. */
export interface ZipEntry {
  name: string;
  /** 0 stored, 8 deflated. */
  method: number;
  crc: number;
  compressedSize: number;
  size: number;
  /** Of its local header. */
  offset: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

/** The archive's members. @throws EnvironmentError when it is not a zip archive */
export async function readZip(path: string): Promise<ZipEntry[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const { start, length } = await findDirectory(file, size, path);
    if (start + length > size) throw cutShort(path);
    const directory = await readAt(file, start, length);
    if (directory.length < length) throw cutShort(path);
    const entries: ZipEntry[] = [];
    for (let at = 0; at + 46 <= length && directory.readUInt32LE(at) === CENTRAL; ) {
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
        directory.readUInt16LE(at + field),
      );
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength!);
      const extra = directory.subarray(at + 46 + nameLength!, at + 46 + nameLength! + extraLength!);
      entries.push({
        name,
        method: directory.readUInt16LE(at + 10),
        crc: directory.readUInt32LE(at + 16),
        ...sizesOf(directory, at, extra),
      });
      at += 46 + nameLength! + extraLength! + commentLength!;
    }
    return entries;
  } catch (error) {
    throw isSystemError(error) && error.syscall ? describeReadError(path, error) : cutShort(path);
  } finally {
    await file.close();
  }
}

const cutShort = (path: string) =>
  new EnvironmentError(`${path} is not a wheel: not a zip archive, or truncated; download it again`);

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Where the central directory lies. */
async function findDirectory(
  file: FileHandle,
  size: number,
  path: string,
): Promise<{ start: number; length: number }> {
  const from = Math.max(0, size - 65_557);
  const tail = await readAt(file, from, size - from);
  for (let at = tail.length - 22; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END) continue;
    const [length, start] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
    if (start < 0xffffffff && length < 0xffffffff) return { start, length };
    if (at >= 20 && tail.readUInt32LE(at - 20) === LOCATOR64) {
      const end = await readAt(file, Number(tail.readBigUInt64LE(at - 12)), 56);
      if (end.readUInt32LE(0) === END64)
        return { length: Number(end.readBigUInt64LE(40)), start: Number(end.readBigUInt64LE(48)) };
    }
  }
  throw cutShort(path);
}

/** Sizes and offset of a central record; in the extra field where 32 bits are too few. */
function sizesOf(
  record: Buffer,
  at: number,
  extra: Buffer,
): Pick<ZipEntry, 'compressedSize' | 'size' | 'offset'> {
  let [compressedSize, size, offset] = [20, 24, 42].map((field) => record.readUInt32LE(at + field)) as [
    number,
    number,
    number,
  ];
  for (let field = 0; field + 4 <= extra.length; field += 4 + extra.readUInt16LE(field + 2)) {
    if (extra.readUInt16LE(field) !== 1) continue;
    let next = field + 4;
    const wide = () => Number(extra.readBigUInt64LE((next += 8) - 8));
    if (size === 0xffffffff) size = wide();
    if (compressedSize === 0xffffffff) compressedSize = wide();
    if (offset === 0xffffffff) offset = wide();
  }
  return { compressedSize, size, offset };
}

/**
 * Writes a member of the archive to `target`.
 * @throws EnvironmentError when its checksum is wrong
 */
export async function extract(
  path: string,
  entry: ZipEntry,
  target: string,
  { signal, onBytes }: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void } = {},
): Promise<void> {
  const damaged = () =>
    new EnvironmentError(`${path} is damaged (${readable(entry.name)}); download it again`);
  const file = await open(path, 'r');
  let start: number;
  try {
    const header = await readAt(file, entry.offset, 30);
    if (header.length < 30 || header.readUInt32LE(0) !== LOCAL) throw damaged();
    start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  } finally {
    await file.close();
  }
  makeFolder(dirname(target));
  let crc = 0;
  let bytes = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > entry.size) return done(damaged());
      crc = crc32(chunk, crc);
      onBytes?.(chunk.length);
      done(null, chunk);
    },
  });
  const source =
    entry.compressedSize === 0
      ? undefined
      : createReadStream(path, { start, end: start + entry.compressedSize - 1 });
  const sink = createWriteStream(target);
  try {
    if (!source) sink.end();
    else if (entry.method === 0) await pipeline(source, check, sink, { signal: signal as AbortSignal });
    else if (entry.method === 8)
      await pipeline(source, createInflateRaw(), check, sink, { signal: signal as AbortSignal });
    else
      throw new EnvironmentError(
        `${path} is compressed in a way that is not supported (method ${entry.method})`,
      );
  } catch (error) {
    if (error instanceof EnvironmentError || signal?.aborted) throw error;
    throw isSystemError(error) && error.syscall ? describeWriteError(target, error) : damaged();
  }
  if (source && (crc !== entry.crc || bytes !== entry.size)) throw damaged();
}

/** True when the member's name stays below the folder it is extracted to. */
export const isInside = (name: string): boolean =>
  !name.startsWith('/') && !name.includes('\0') && !name.split(/[\\/]/).includes('..');

/** A name for messages: on one line and not too long. */
const readable = (name: string): string => name.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
