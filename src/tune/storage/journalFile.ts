// Lines of a journal on disk: incremental reading from the last offset, durable appends under the lock, and
// the repair of a torn last line. What the lines mean is left to replay.ts.

import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EnvironmentError, hasCode, messageOf, UsageError } from '../../base/errors.js';
import { describeWriteError, makeFolder, readAt, removeLeftovers } from '../../base/files.js';
import { parseJson } from '../../base/json.js';
import { longestLine } from '../journal/lines.js';
import { withLock } from './lock.js';

const newline = 0x0a;
const chunkBytes = 16 * 2 ** 20;
const scanBytes = 2 ** 16;
const headBytes = 2 ** 12;

/** A journal file, read up to some line. */
export type JournalFile = {
  /** Absolute. */
  readonly path: string;
  /**
   * Hands every complete line since the last call to `apply`; a last line still being written waits.
   * @throws EnvironmentError naming file and line where one cannot be parsed or applied
   */
  readNew(apply: (record: unknown) => void): void;
  /** Runs `work` under the log's lock, which other processes and Optuna respect. */
  locked<T>(work: (isHeld: () => boolean) => T): T;
  /**
   * Appends lines with one write and one fsync. Call it under the lock, after `readNew`.
   * @param lines without their newlines
   * @returns false, and appends nothing, where another process has written since `readNew`
   * @throws EnvironmentError where the disk is full (nothing is then left behind) or the file not writable
   */
  append(lines: string[]): boolean;
};

/** Creates an empty journal and its folder where there is none. */
export function createJournalFile(path: string): void {
  try {
    makeFolder(dirname(path));
    removeLeftovers(dirname(path));
    checkRegular(path);
    closeSync(openSync(path, 'a'));
    if (process.platform === 'win32') return; // it cannot sync folders
    const folder = openSync(dirname(path), 'r');
    fsyncSync(folder); // the file's name must survive a power cut as its records do
    closeSync(folder);
  } catch (error) {
    throw describeWriteError(path, error);
  }
}

/** Refuses folders, pipes (which block whoever opens them) and devices. @throws EnvironmentError */
function checkRegular(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats && !stats.isFile())
    throw new EnvironmentError(
      `Expected ${path} to be a study log, got ${stats.isDirectory() ? 'a folder' : 'a pipe or device'}`,
    );
}

/** @throws UsageError where there is no such file */
export function openJournalFile(givenPath: string): JournalFile {
  const path = resolve(givenPath); // Optuna follows the lock's target from its own working folder
  if (!existsSync(path)) throw new UsageError(`No study log at ${path}; check the path`);
  checkRegular(path);
  let offset = 0; // where the next line starts
  let scanned = 0; // there is no newline between offset and here
  let line = 0;
  let last = { at: 0, head: Buffer.alloc(0) }; // the last line that was read begins so

  function withFile<T>(use: 'read' | 'append', work: (fd: number) => T): T {
    let fd: number;
    try {
      fd = openSync(path, use === 'read' ? constants.O_RDONLY : constants.O_RDWR | constants.O_APPEND);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new EnvironmentError(`${path} was removed while in use`);
      if (use === 'read')
        throw new EnvironmentError(`Cannot read ${path} (${messageOf(error)})`, { cause: error });
      throw describeWriteError(path, error);
    }
    try {
      return work(fd);
    } finally {
      closeSync(fd);
    }
  }

  function applyLine(bytes: Buffer, apply: (record: unknown) => void): void {
    line++;
    const text = bytes.toString('utf8');
    try {
      if (!isUtf8(bytes)) throw new Error('invalid UTF-8');
      apply(parseJson(text));
    } catch (error) {
      if (line === 1 && !text.startsWith('{"op_code"')) throw foreign(text);
      const shown = (text.length > 80 ? `${text.slice(0, 80)}...` : text).replace(/\p{Cc}/gu, '\u2423');
      throw damaged(line, `${messageOf(error)} in ${shown === '' ? 'a blank line' : shown}`);
    }
  }

  function damaged(at: number, reason: string): EnvironmentError {
    return new EnvironmentError(`${path}:${at}: ${reason}; restore the log or remove this line`);
  }

  function foreign(text: string): EnvironmentError {
    const shown = JSON.stringify(text.slice(0, 40));
    return new EnvironmentError(
      `${path}:1: expected a study log (a journal of Optuna), got ${shown}; choose another file`,
    );
  }

  function readNew(apply: (record: unknown) => void): void {
    withFile('read', (fd) => {
      const { size } = fstatSync(fd);
      const head = Buffer.alloc(last.head.length);
      if (size < offset || readAt(fd, head, last.at) < head.length || !head.equals(last.head))
        throw new EnvironmentError(`${path} was cut or replaced while in use; start again`);
      scanned = Math.min(scanned, size); // a torn line may have been cut
      for (let end = endOfLine(fd, size); end !== null; end = endOfLine(fd, size)) {
        if (end - offset > longestLine)
          throw damaged(
            line + 1,
            `the line is ${end - offset} bytes long, the longest read is ${longestLine}`,
          );
        const buffer = Buffer.allocUnsafe(Math.max(end - offset, Math.min(chunkBytes, size - offset)));
        const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset));
        if (!bytes.includes(newline)) return; // the file is being cut
        for (let from = 0, to = 0; (to = bytes.indexOf(newline, from)) >= 0; from = to + 1) {
          applyLine(bytes.subarray(from, to), apply);
          last = { at: offset, head: bytes.subarray(from, Math.min(to, from + headBytes)) };
          scanned = offset += to + 1 - from;
        }
        last.head = Buffer.from(last.head); // so that the rest can go
      }
    });
  }

  /** Where the line at `offset` ends, its newline included; null for a torn line, or one still being written. */
  function endOfLine(fd: number, size: number): number | null {
    let buffer = Buffer.allocUnsafe(Math.max(0, Math.min(scanBytes, size - scanned)));
    for (; scanned < size; buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - scanned))) {
      const got = readSync(fd, buffer, 0, buffer.length, scanned);
      const at = buffer.subarray(0, got).indexOf(newline);
      if (at >= 0) return scanned + at + 1;
      if (got === 0) break;
      scanned += got;
    }
    return null;
  }

  /** Cuts what follows the last newline, a record that was never acknowledged; false where there are newer lines. */
  function repair(fd: number): boolean {
    const { size } = fstatSync(fd);
    if (size === offset) return true;
    if (endOfLine(fd, size) !== null) return false;
    if (offset === 0) {
      // Nothing but this fragment: only cut what we or Optuna may have begun to write.
      const head = Buffer.alloc(Math.min(size, 4096));
      readSync(fd, head, 0, head.length, 0);
      const text = head.toString('utf8');
      const start = '{"op_code":';
      const torn = text.startsWith(start) || start.startsWith(text) || /^\0+$/.test(text);
      if (!torn) throw foreign(text);
    }
    ftruncateSync(fd, (scanned = offset));
    return true;
  }

  function append(lines: string[]): boolean {
    const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
    return withFile('append', (fd) => {
      if (!repair(fd)) return false;
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
        fsyncSync(fd);
      } catch (error) {
        undo(fd, bytes);
        throw describeWriteError(path, error);
      }
      return true;
    });
  }

  /** Takes back an append that failed part-way, unless there is more in its place than we wrote. */
  function undo(fd: number, bytes: Buffer): void {
    const written = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
    if (written.length > bytes.length) return;
    readSync(fd, written, 0, written.length, offset);
    if (written.equals(bytes.subarray(0, written.length))) ftruncateSync(fd, offset);
  }

  return { path, readNew, locked: (work) => withLock(path, work), append };
}
