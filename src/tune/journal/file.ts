// Lines of a journal on disk: incremental reading from the last offset, durable appends under the lock, and
// the repair of a torn last line. What the lines mean is left to replay.ts.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EnvironmentError, hasCode, messageOf, UsageError } from '../../base/errors.js';
import { describeWriteError, makeFolder } from '../../base/files.js';
import { parseJson } from '../../base/json.js';
import { withLock } from './lock.js';

const newline = 0x0a;
const chunkBytes = 16 * 2 ** 20;

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
  locked<T>(work: () => T): T;
  /**
   * Appends lines with one write and one fsync. Call it under the lock, after `readNew`.
   * @param lines without their newlines
   * @throws EnvironmentError where the disk is full (nothing is then left behind) or the file not writable
   */
  append(lines: string[]): void;
};

/** Creates an empty journal and its folder where there is none. */
export function createJournalFile(path: string): void {
  try {
    makeFolder(dirname(path));
    closeSync(openSync(path, 'a'));
    if (process.platform === 'win32') return; // it cannot sync folders
    const folder = openSync(dirname(path), 'r');
    fsyncSync(folder); // the file's name must survive a power cut as its records do
    closeSync(folder);
  } catch (error) {
    throw describeWriteError(path, error);
  }
}

/** @throws UsageError where there is no such file */
export function openJournalFile(givenPath: string): JournalFile {
  const path = resolve(givenPath); // Optuna follows the lock's target from its own working folder
  if (!existsSync(path)) throw new UsageError(`No study log at ${path}; check the path`);
  let offset = 0;
  let line = 0;

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
    } catch (error) {
      if (!hasCode(error, 'EISDIR')) throw error;
      throw new EnvironmentError(`Expected ${path} to be a study log, got a folder`);
    } finally {
      closeSync(fd);
    }
  }

  function applyLine(text: string, apply: (record: unknown) => void): void {
    line++;
    try {
      apply(parseJson(text));
    } catch (error) {
      if (line === 1 && !text.startsWith('{"op_code"')) throw foreign(text);
      const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text;
      throw new EnvironmentError(
        `${path}:${line}: ${messageOf(error)} in ${shown === '' ? 'a blank line' : shown}; ` +
          'restore the log or remove this line',
      );
    }
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
      if (size < offset) throw new EnvironmentError(`${path} was cut or replaced while in use; start again`);
      let length = chunkBytes;
      while (offset < size) {
        const buffer = Buffer.allocUnsafe(Math.min(length, size - offset));
        const got = readSync(fd, buffer, 0, buffer.length, offset);
        const end = buffer.subarray(0, got).lastIndexOf(newline) + 1;
        if (end === 0) {
          if (offset + got >= size || got === 0) break; // a torn line, or one still being written
          length *= 2; // a line longer than the chunk
          continue;
        }
        const text = buffer.toString('utf8', 0, end);
        for (let from = 0; from < text.length; ) {
          const to = text.indexOf('\n', from);
          applyLine(text.slice(from, to), apply);
          from = to + 1;
        }
        offset += end;
      }
    });
  }

  /** Cuts what follows the last newline: a record that was never acknowledged. */
  function repair(fd: number): number {
    const { size } = fstatSync(fd);
    if (size === offset) return size;
    const tail = Buffer.alloc(Math.min(size - offset, 4096));
    readSync(fd, tail, 0, tail.length, offset);
    if (offset === 0) {
      // Nothing but this fragment: only cut what we or Optuna may have begun to write.
      const text = tail.toString('utf8');
      const start = '{"op_code":';
      const torn = text.startsWith(start) || start.startsWith(text) || /^\0+$/.test(text);
      if (!torn) throw foreign(text);
    }
    ftruncateSync(fd, offset);
    return offset;
  }

  function append(lines: string[]): void {
    const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
    withFile('append', (fd) => {
      const end = repair(fd);
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
        fsyncSync(fd);
      } catch (error) {
        ftruncateSync(fd, end);
        throw describeWriteError(path, error);
      }
    });
  }

  return { path, readNew, locked: (work) => withLock(path, work), append };
}
