// Writing files so that a reader never sees a partial one, read and write errors, and the cache folder.

import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EnvironmentError, hasCode, isSystemError, messageOf, UsageError } from './errors.js';

/** Names this machine since it started, and its container, in temporary names: only here does a process id say anything. */
const HOST_TAG = sha256(
  hostname(),
  readSystemFile('/proc/sys/kernel/random/boot_id'),
  readSystemFile('/proc/self/ns/pid', readlinkSync),
).slice(0, 4);
/** What another machine may be working on is left over when untouched for this long. */
const LEFTOVER_MILLISECONDS = 3_600_000;

/** Pid and machine in a temporary name. */
const TEMPORARY = /\.(\d+)\.([0-9a-f]{4})[0-9a-f]+\.tmp$/;

/** A sibling name for a file under construction; unique, so that processes do not interfere. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}.${HOST_TAG}${randomBytes(4).toString('hex')}.tmp`;
}

/** Whether a process of this machine that is gone made this temporary name. */
export function isOrphan(name: string): boolean {
  const [, pid, host] = TEMPORARY.exec(name) ?? [];
  return pid !== undefined && host === HOST_TAG && !isAlive(Number(pid));
}

/**
 * Removes files and folders under a temporary name that processes left which were killed: those of this machine's
 * processes that are gone, and others untouched for an hour.
 * @param folder holds them; need not exist
 */
export function removeLeftovers(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, pid, host] = TEMPORARY.exec(name) ?? [];
      if (pid === undefined || isAlive(Number(pid))) continue;
      const path = join(folder, name);
      const touched = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
      if (host === HOST_TAG || Date.now() - touched > LEFTOVER_MILLISECONDS) discard(path);
    }
  } catch {
    // Nothing there, or not ours to clean.
  }
}

function readSystemFile(path: string, read: (path: string) => string | Buffer = readFileSync): string {
  try {
    return String(read(path));
  } catch {
    return ''; // another system than Linux
  }
}

/** Whether a process of this machine is running; one that has ended and whose parent has not noticed is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) [ZX] /.test(readSystemFile(`/proc/${pid}/stat`));
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

/**
 * Makes a folder and its parents where they are missing. Node's own recursive mode never returns where a parent exists
 * but takes no entries, as under /proc.
 * @throws EnvironmentError when that cannot be done
 */
export function makeFolder(path: string, mode = 0o777): void {
  try {
    makeMissing(resolve(path), mode);
  } catch (error) {
    throw describeWriteError(path, error);
  }
}

function makeMissing(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (hasCode(error, 'EEXIST') && statSync(path).isDirectory()) return;
    if (!hasCode(error, 'ENOENT') || isFolder(dirname(path))) throw error;
    makeMissing(dirname(path), mode);
    // Another process may have made it meanwhile.
    makeMissing(path, mode);
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Removes a file or folder where it exists; never throws, since it runs while another error is on its way. */
export function discard(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch {
    // What cannot be reached was not written either.
  }
}

/**
 * Writes to a temporary name, then renames; on failure nothing is left behind.
 * @param options.owned nobody else may write the file or a folder that is made for it, and the contents are on the disk
 *   before the file has its name: for code that is loaded later
 * @throws EnvironmentError when the disk is full or the folder not writable
 */
export function writeFileAtomic(path: string, contents: string | Uint8Array, { owned = false } = {}): void {
  const temporary = temporaryName(path);
  try {
    makeFolder(dirname(path), owned ? 0o700 : 0o777);
    writeFileSync(temporary, contents, { mode: owned ? 0o600 : 0o666 });
    if (owned) syncFile(temporary);
    renameSync(temporary, path);
  } catch (error) {
    discard(temporary);
    throw describeWriteError(path, error);
  }
}

/** Writes a file's contents through to the disk, so that a name given afterwards never stands for less. */
export function syncFile(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes all bytes at a file's position: one call of the system may write a part only. */
export function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** Fills `bytes` from a file's `position` on; returns how many there are, fewer only at the end of the file. */
export function readAt(fd: number, bytes: Uint8Array, position: number): number {
  let done = 0;
  for (let count = 1; count > 0 && done < bytes.length; done += count)
    count = readSync(fd, bytes, done, bytes.length - done, position + done);
  return done;
}

/** Hex SHA-256 of a file's contents. @throws as `describeReadError` */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (error) {
    throw describeReadError(path, error);
  }
  return hash.digest('hex');
}

/**
 * Turns a system error of a write into an EnvironmentError that says what to do, on one line; other errors pass unchanged.
 */
export function describeWriteError(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  if (hasCode(error, 'ENOSPC', 'EDQUOT'))
    return new EnvironmentError(`No space left to write ${path}; free some space or choose another folder`, {
      cause: error,
    });
  if (hasCode(error, 'ENAMETOOLONG'))
    return new EnvironmentError(`Cannot write ${shorten(path)}: the name is too long; choose a shorter one`, {
      cause: error,
    });
  return new EnvironmentError(`Cannot write ${path} (${messageOf(error)}); choose a writable folder`, {
    cause: error,
  });
}

/**
 * Turns a system error of a read into a typed error that says what to do, on one line; other errors pass unchanged.
 */
export function describeReadError(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  if (hasCode(error, 'ENOENT', 'ENOTDIR'))
    return new UsageError(`Expected a file or folder at ${path}, found none; check the path`, {
      cause: error,
    });
  if (hasCode(error, 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE', 'ELOOP'))
    return new UsageError(`Expected a file or folder at ${shorten(path)}, which is not a valid path`, {
      cause: error,
    });
  return new EnvironmentError(
    `Cannot read ${path} (${messageOf(error)}); check the file and its permissions`,
    { cause: error },
  );
}

const shorten = (path: string): string =>
  JSON.stringify(path.length > 100 ? `${path.slice(0, 100)}...` : path);

/** Folder for prepared data and compiled kernels: $TINYGPT_CACHE, else $XDG_CACHE_HOME/tinygpt, else ~/.cache/tinygpt. */
export function defaultCacheFolder(): string {
  return (
    process.env.TINYGPT_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tinygpt')
  );
}

/** Hex SHA-256 of the parts, each length-prefixed so that boundaries count. */
export function sha256(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(`${part.length}:`);
    hash.update(part);
  }
  return hash.digest('hex');
}
