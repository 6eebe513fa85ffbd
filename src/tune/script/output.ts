// What a program prints: kept in a log of bounded size, and split into lines of bounded length.

import { closeSync, openSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** Of a log's beginning and end, each. */
const KEPT_BYTES = 2 ** 22;
const LONGEST_LINE = 2 ** 20;
/** ANSI's colors and cursor movements. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const ESCAPES = /\x1b\[[\d;?]*[A-Za-z]/g;

/** A log file that keeps the first and the last 4 MiB of what is written to it. */
export function openBoundedLog(path: string): { write(chunk: Buffer): void; close(): void } {
  const file = openSync(path, 'w');
  let head = 0;
  let dropped = 0;
  let tail: Buffer[] = [];
  let size = 0;
  return {
    write(chunk) {
      const first = chunk.subarray(0, Math.max(0, KEPT_BYTES - head));
      if (first.length > 0) writeSync(file, first);
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
      if (dropped > 0) writeSync(file, `\n[${dropped} bytes are left out here]\n`);
      for (const chunk of tail) writeSync(file, chunk);
      tail = [];
      closeSync(file);
    },
  };
}

/**
 * Splits what is written into lines, which \n, \r\n or \r end (progress bars rewrite theirs by \r). Bytes that are no text
 * become replacement characters; of a longer line the last MiB is kept.
 */
export function lineSplitter(onLine: (line: string) => void): { write(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder('utf8');
  let open = '';
  const take = (text: string) => {
    const cut = open.endsWith('\r'); // of a \r\n, perhaps
    const lines = (cut ? `\r${text}` : text).split(/\r\n|\n|\r(?!$)/);
    lines[0] = (cut ? open.slice(0, -1) : open) + lines[0];
    open = lines.pop()!.slice(-LONGEST_LINE);
    for (const line of lines) onLine(line.slice(-LONGEST_LINE).replace(ESCAPES, ''));
  };
  return {
    write: (chunk) => take(decoder.write(chunk)),
    end() {
      take(`${decoder.end()}\n`);
    },
  };
}
