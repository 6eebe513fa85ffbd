// The user's text and JSON files, read whole: encodings, byte order marks, and errors that name the file.
// Corpora are streamed instead, by data/sources/readText.ts, with the same rules.

import { isUtf8 } from 'node:buffer';
import { readFileSync, type Stats, statSync } from 'node:fs';
import JSON5 from 'json5';
import { hasCode, messageOf, UsageError } from './errors.js';
import { describeReadError } from './files.js';

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** What to do about another encoding. */
export const CONVERT =
  'convert it from its encoding (`file -i NAME` guesses which), for example Western European text of Windows: ' +
  'iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW';

/** Bytes that `detectEncoding` looks at. */
export const HEAD_BYTES = 4096;

/**
 * The encoding of a text that begins with `head`: told by a byte order mark, or for UTF-16 without one by the zero
 * bytes of its ASCII characters, of which spaces and line ends suffice where it is no UTF-8; else UTF-8.
 * @throws UsageError for UTF-32 and for binary files with many zero bytes
 */
export function detectEncoding(head: Uint8Array, path: string): Encoding {
  const mark = head[0]! * 256 + head[1]!;
  const isWide = head.length >= 4 && head[2] === 0 && head[3] === 0; // UTF-32's mark is longer
  if (mark === 0xfffe && !isWide) return 'utf-16le';
  if (mark === 0xfeff) return 'utf-16be';
  const pairs = Math.min(head.length, HEAD_BYTES) >> 1;
  const zeros = [0, 0]; // at even and at odd offsets
  for (let i = 0; i < 2 * pairs; i++) if (head[i] === 0) zeros[i & 1]!++;
  const [even, odd] = zeros as [number, number];
  // Spaces and line ends alone are more than 8% of a text that has words.
  if (odd > 0.08 * pairs && even < 0.05 * odd) return 'utf-16le';
  if (even > 0.08 * pairs && odd < 0.05 * even) return 'utf-16be';
  if (even + odd > 0.3 * pairs)
    throw new UsageError(`Expected text in ${path}, got UTF-32 or a binary file; convert it to UTF-8 first`);
  return (even + odd > 0 && !isUtf8(withoutLastCharacter(head)) && byWhiteSpace(head)) || 'utf-8';
}

/** UTF-16 of a script without ASCII letters (Chinese, Japanese), which has spaces or line ends in one byte order only. */
function byWhiteSpace(head: Uint8Array): Encoding | null {
  let [little, big] = [0, 0];
  const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d;
  for (let i = 0; i + 1 < head.length; i += 2) {
    const [first, second] = [head[i]!, head[i + 1]!];
    if (second === 0 && isSpace(first)) little++;
    if (first === 0 && isSpace(second)) big++;
  }
  if (little > 0 === big > 0) return null;
  return little > 0 ? 'utf-16le' : 'utf-16be';
}

/** UTF-8 up to where its last character begins, which may be cut. */
function withoutLastCharacter(head: Uint8Array): Uint8Array {
  let end = Math.max(0, head.length - 1);
  while (end > 0 && head.length - end < 4 && (head[end]! & 0xc0) === 0x80) end--;
  return head.subarray(0, end);
}

/**
 * Refuses what cannot be read from its beginning to its end as often as needed: folders, named pipes (to open one
 * blocks until another program writes to it), devices.
 * @throws UsageError
 */
export function checkIsFile(path: string, stats: Pick<Stats, 'isFile' | 'isFIFO' | 'isDirectory'>): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? 'a folder' : stats.isFIFO() ? 'a named pipe' : 'a device or socket';
  throw new UsageError(
    `Expected a regular file at ${path}, got ${kind}${stats.isFIFO() ? '; write its contents to a file first' : ''}`,
  );
}

/**
 * The text of a file in UTF-8, with or without a byte order mark, or UTF-16. A pipe of the shell's (`<(command)`,
 * /dev/stdin) can be read too.
 * @param what names the file in errors, e.g. `--config`
 * @throws UsageError when there is no such file or it is not text
 * @throws EnvironmentError when it cannot be read
 */
export function readTextFile(path: string, what = 'file'): string {
  let bytes: Buffer;
  try {
    const stats = statSync(path);
    if (!(stats.isFIFO() && path.startsWith('/dev/'))) checkIsFile(path, stats);
    bytes = readFileSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR'))
      throw new UsageError(`Cannot read ${what} ${path}: there is no such file; check the path`);
    throw describeReadError(path, error);
  }
  try {
    return new TextDecoder(detectEncoding(bytes, path), { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`Expected UTF-8 text in ${what} ${path}; ${CONVERT}`, { cause: error });
  }
}

/**
 * What a JSON file that people write holds. JSON5 is accepted: comments, commas after the last member, NaN, Infinity.
 * @param what names the file in errors, e.g. `--config`
 * @throws UsageError when there is no such file or it is not JSON, with the line
 * @throws EnvironmentError when it cannot be read
 */
export function readJsonFile(path: string, what = 'file'): unknown {
  const text = readTextFile(path, what);
  try {
    return JSON5.parse(text);
  } catch (error) {
    const [, reason, line] = /^JSON5: (.*?)(?: at (\d+):\d+)?$/.exec(messageOf(error)) ?? [];
    throw new UsageError(
      `Expected JSON in ${what} ${path}${line ? `, line ${line}` : ''}: ${reason ?? messageOf(error)}`,
      { cause: error },
    );
  }
}
