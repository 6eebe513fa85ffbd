// The lock of a study log, compatible with Optuna's JournalFileSymlinkLock (and, by its name, its OpenLock):
// whoever creates FILE.lock holds it; release is rename, then unlink; a lock is stale when the modification
// time seen through it has not changed for 30 s.
//
// Added to that protocol: a lock whose holder died on this machine is taken over at once. The holder is
// written into the link's target, which must stay a path to the log (Optuna reads the time through it), as
// redundant "." segments: /studies/a/././/./journal.log.

import {
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { hasCode } from '../../base/errors.js';
import { describeWriteError, sha256, temporaryName } from '../../base/files.js';
import { identify, processStatus } from './worker.js';

/** Bits of the holder in the link: pid (Linux allows 22), host, start time. */
const bits = { pid: 22, host: 16, start: 15 };
const total = bits.pid + bits.host + bits.start;
const longestPauseMs = 20;

type Holder = { pid: number; host: number; start: number };

let own: Holder | undefined;

function ownIdentity(): Holder {
  if (own) return own;
  const { host, namespace, boot, pid, start } = identify();
  const hostBits = Number.parseInt(sha256(host, namespace, boot).slice(0, 4), 16);
  return (own = { pid, host: hostBits, start: start % 2 ** bits.start });
}

/** A path to the same file with the holder in its segments. */
export function encodeHolder(path: string, holder: Holder): string {
  const cut = path.lastIndexOf('/');
  if (cut < 0) return path;
  const number = (holder.pid * 2 ** bits.host + holder.host) * 2 ** bits.start + holder.start;
  const segments = [...number.toString(2).padStart(total, '0')].map((bit) => (bit === '1' ? '.' : ''));
  return `${path.slice(0, cut)}/${segments.join('/')}${path.slice(cut)}`;
}

/** The holder in a link's target; null for Optuna's own locks. */
export function decodeHolder(target: string): Holder | null {
  const segments = target.slice(0, target.lastIndexOf('/')).split('/').slice(-total);
  if (segments.length < total || segments.some((segment) => segment !== '' && segment !== '.')) return null;
  const number = Number.parseInt(segments.map((segment) => (segment === '.' ? '1' : '0')).join(''), 2);
  const rest = Math.floor(number / 2 ** bits.start);
  const start = number % 2 ** bits.start;
  return { pid: Math.floor(rest / 2 ** bits.host), host: rest % 2 ** bits.host, start };
}

function isDead(target: string): boolean {
  const holder = decodeHolder(target);
  if (holder === null || holder.host !== ownIdentity().host) return false;
  const { alive, start } = processStatus(holder.pid);
  return !alive || (start !== 0 && start % 2 ** bits.start !== holder.start);
}

/** Undefined where the file is gone. */
function ifPresent<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Runs `work` while holding the lock of `path`; waits for other holders without yielding to the event loop.
 * @param path absolute path of the log
 * @param staleAfterMs when to take over a lock whose holder is unknown and has shown no life
 * @throws EnvironmentError where the folder is not writable
 */
export function withLock<T>(path: string, work: () => T, staleAfterMs = 30_000): T {
  const lock = `${path}.lock`;
  const target = encodeHolder(path, ownIdentity());
  acquire(lock, target, staleAfterMs);
  try {
    return work();
  } finally {
    release(lock, target);
  }
}

function acquire(lock: string, target: string, staleAfterMs: number): void {
  let pause = 1;
  let seen = '';
  let since = performance.now();
  while (!tryAcquire(lock, target)) {
    const link = ifPresent(() => lstatSync(lock));
    const holder = link?.isSymbolicLink() ? ifPresent(() => readlinkSync(lock)) : '';
    if (link === undefined || holder === undefined) continue;
    const throughLink = ifPresent(() => statSync(lock)) ?? link;
    const sight = `${link.ino}/${throughLink.mtimeMs}/${throughLink.size}`;
    if (sight !== seen) {
      seen = sight;
      since = performance.now();
    }
    if (isDead(holder) || performance.now() - since > staleAfterMs) takeAway(lock, link.ino);
    else Atomics.wait(sleeper, 0, 0, pause * (0.5 + Math.random() / 2)); // jitter is not part of any result
    pause = Math.min(2 * pause, longestPauseMs);
  }
}

function tryAcquire(lock: string, target: string): boolean {
  try {
    symlinkSync(target, lock);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    if (!hasCode(error, 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) throw describeWriteError(lock, error);
  }
  // A file system without symbolic links: Optuna's JournalFileOpenLock, under the same name.
  try {
    closeSync(openSync(lock, 'wx'));
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw describeWriteError(lock, error);
  }
}

function release(lock: string, target: string): void {
  const holder = ifPresent(() => (lstatSync(lock).isSymbolicLink() ? readlinkSync(lock) : target));
  if (holder !== target) return; // taken away from us as stale
  const aside = temporaryName(lock);
  ifPresent(() => renameSync(lock, aside));
  ifPresent(() => unlinkSync(aside));
}

/** Removes a dead holder's lock, and puts it back if another process had replaced it in between. */
function takeAway(lock: string, ino: number): void {
  if (ifPresent(() => lstatSync(lock).ino) !== ino) return;
  const aside = temporaryName(lock);
  ifPresent(() => renameSync(lock, aside));
  const taken = ifPresent(() => lstatSync(aside));
  if (taken === undefined) return; // released meanwhile
  if (taken.ino !== ino) {
    try {
      linkSync(aside, lock);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  }
  unlinkSync(aside);
}
