// What a program prints: kept in a log of bounded size, and split into lines of bounded length.

import { closeSync, openSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '../../base/errors.js';
import { writeWhole } from '../../base/files.js';

/** Of a log's beginning and end, each. */
const KEPT_BYTES = 2 ** 22;
const LONGEST_LINE = 2 ** 20;

/**
 * A log file that keeps the first and the last 4 MiB of what is written to it. Once it cannot be written (a full disk), the
 * rest is dropped, and `close` says why: a program is not ended for its log.
 */
export function openBoundedLog(path: string): { write(chunk: Buffer): void; close(): string | null } {
  const file = openSync(path, 'w');
  let failure: string | null = null;
  const put = (chunk: string | Buffer) => {
    if (failure !== null) return;
    try {
      writeWhole(file, Buffer.from(chunk));
    } catch (error) {
      failure = messageOf(error);
    }
  };
  let head = 0;
  let dropped = 0;
  let tail: Buffer[] = [];
  let size = 0;
  return {
    write(chunk) {
      const first = chunk.subarray(0, Math.max(0, KEPT_BYTES - head));
      if (first.length > 0) put(first);
      head += first.length;
      const rest = chunk.subarray(first.length);
      if (rest.length === 0) return;
      tail.push(rest);
      size += rest.length;
      while (size - tail[0]!.length >= KEPT_BYTES) {
        const gone = tail.shift()!.length;
        size -= gone;
        dropped += gone;
      }
    },
    close() {
      if (dropped > 0) put(`\n[${dropped} bytes are left out here]\n`);
      for (const chunk of tail) put(chunk);
      tail = [];
      closeSync(file);
      return failure;
    },
  };
}

/**
 * Splits what is written into lines, which \n, \r\n or \r end (progress bars rewrite theirs by \r). Bytes that are no text
 * become replacement characters, colors and cursor movements nothing; of a longer line the last MiB is kept.
 */
export function lineSplitter(onLine: (line: string) => void): { write(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder('utf8');
  let open = '';
  const take = (text: string) => {
    const cut = open.endsWith('\r'); // of a \r\n, perhaps
    const lines = (cut ? `\r${text}` : text).split(/\r\n|\n|\r(?!$)/);
    lines[0] = (cut ? open.slice(0, -1) : open) + lines[0];
    open = lines.pop()!.slice(-LONGEST_LINE);
    for (const line of lines) onLine(stripVTControlCharacters(line.slice(-LONGEST_LINE)));
  };
  return {
    write: (chunk) => take(decoder.write(chunk)),
    end() {
      take(`${decoder.end()}\n`);
    },
  };
}
