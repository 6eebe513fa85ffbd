// Reads text in pieces of bounded size, whole characters and whole lines. Text is UTF-8, with or without a byte order
// mark, or UTF-16. textSource.ts and jsonlSource.ts make documents of it.

import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UsageError } from '../../base/errors.js';
import { describeReadError } from '../../base/files.js';
import { CONVERT, checkIsFile, detectEncoding, type Encoding, HEAD_BYTES } from '../../base/textFile.js';

/** Bytes read at a time. */
const CHUNK_BYTES = 1 << 20;

/** The most characters a line or document may have; beyond it something is wrong with the file. */
export const MOST_CHARACTERS = 1 << 28;

/**
 * Opens a regular file.
 * @throws UsageError when it does not exist or is not a regular file
 * @throws EnvironmentError when it may not be read
 */
export async function openForReading(path: string): Promise<FileHandle> {
  try {
    checkIsFile(path, await stat(path));
    return await open(path, 'r');
  } catch (error) {
    throw describeReadError(path, error);
  }
}

/** How a file is read. */
export type ReadOptions = {
  /** Bytes at a time; what is read does not depend on it. */
  chunkBytes?: number | undefined;
  /** Stops reading; its reason is thrown. */
  signal?: AbortSignal | undefined;
};

/** The bytes of a file in pieces; each is valid until the next is asked for. */
async function* readBytes(
  path: string,
  { chunkBytes = CHUNK_BYTES, signal }: ReadOptions,
): AsyncGenerator<Buffer> {
  const file = await openForReading(path);
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw describeReadError(path, error);
  } finally {
    await file.close();
  }
}

async function encodingOf(path: string): Promise<Encoding> {
  for await (const head of readBytes(path, { chunkBytes: HEAD_BYTES })) return detectEncoding(head, path);
  return 'utf-8';
}

/**
 * The text of a file in pieces that end at character boundaries. A byte order mark at the beginning is dropped.
 * @throws UsageError at the first byte that is not UTF-8, with its offset, and for UTF-16 that is cut; and as
 * `openForReading`
 */
export async function* readText(path: string, options: ReadOptions = {}): AsyncGenerator<string> {
  const encoding = await encodingOf(path);
  if (encoding !== 'utf-8') yield* readUtf16(path, options, encoding);
  else yield* readUtf8(path, options);
}

async function* readUtf16(path: string, options: ReadOptions, encoding: Encoding): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (error) {
      throw new UsageError(`Expected UTF-16 text in ${path}, got half a character; is the file truncated?`, {
        cause: error,
      });
    }
  };
  for await (const chunk of readBytes(path, options)) {
    const text = decode(chunk);
    if (text) yield text;
  }
  decode();
}

async function* readUtf8(path: string, options: ReadOptions): AsyncGenerator<string> {
  let carried = Buffer.alloc(0);
  let offset = 0; // of the first carried byte
  for await (const chunk of readBytes(path, options)) {
    const bytes = carried.length > 0 ? Buffer.concat([carried, chunk]) : chunk;
    const whole = bytes.subarray(0, bytes.length - unfinished(bytes));
    if (!isUtf8(whole)) throw notUtf8(path, whole, offset);
    const text = whole.toString('utf8');
    carried = Buffer.from(bytes.subarray(whole.length));
    if (text) yield offset === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text;
    offset += whole.length;
  }
  if (carried.length > 0) throw notUtf8(path, carried, offset);
}

/**
 * The lines of a text file in batches, without their line ends (\n or \r\n).
 * @throws UsageError for a line of more than MOST_CHARACTERS; and as `readText`
 */
export async function* readLines(path: string, options: ReadOptions = {}): AsyncGenerator<string[]> {
  const begun: string[] = []; // pieces of a line that has not ended
  let length = 0;
  for await (const text of readText(path, options)) {
    const lines = text.split('\n');
    const last = lines.pop()!;
    if (lines.length > 0) {
      lines[0] = begun.join('') + lines[0];
      begun.length = length = 0;
      yield lines.map(withoutReturn);
    }
    begun.push(last);
    length += last.length;
    if (length > MOST_CHARACTERS)
      throw new UsageError(
        `Expected lines of at most ${MOST_CHARACTERS} characters in ${path}, got a longer one; is it text?`,
      );
  }
  if (length > 0) yield [withoutReturn(begun.join(''))];
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

/** How many bytes at the end belong to a character that has not ended: 0 to 3. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < characterBytes(byte) ? back : 0;
  }
  return 0;
}

function characterBytes(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function notUtf8(path: string, bytes: Buffer, offset: number): UsageError {
  let at = 0;
  for (let next = 0; at < bytes.length; at = next) {
    next = at + characterBytes(bytes[at]!);
    if (next > bytes.length || !isUtf8(bytes.subarray(at, next))) break;
  }
  const byte = bytes[at]!.toString(16).toUpperCase().padStart(2, '0');
  return new UsageError(
    `Expected UTF-8 text, got byte 0x${byte} at offset ${offset + at} of ${path}; ${CONVERT}`,
  );
}
