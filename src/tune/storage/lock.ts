// The lock of a study log, compatible with Optuna's JournalFileSymlinkLock (and, by its name, its OpenLock):
// the process that creates FILE.lock holds it; release is rename, then unlink; a lock is stale when the modification
// time seen through it has not changed for 30 s.
//
// Added to that protocol: a lock whose holder died on this machine is taken over at once. The holder is
// written into the link's target, which must stay a path to the log (Optuna reads the time through it), as
// redundant "." segments: /studies/a/././/./journal.log.
//
// Taking a lock away. Between the decision that a holder is dead and the rename, another process may have taken over
// and hold the lock. So what was renamed is compared with what was judged, by holder, inode and the link's own
// modification time (inodes alone are reused), and put back where it is another one. Should a third process get in
// before it is back, the holder finds that it no longer holds the lock (`isHeld`) before it writes, and starts again.

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
import { EnvironmentError, hasCode } from '../../base/errors.js';
import { describeWriteError, sha256, temporaryName } from '../../base/files.js';
import { sleepSync } from '../../base/pause.js';
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

/** The holder in a link's target; null for locks of Optuna's. */
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
    if (hasCode(error, 'ENOENT', 'ELOOP')) return undefined; // a link to nothing, or to itself
    throw error;
  }
}

/** A lock as it is found: its target (empty for a plain file), and what tells it from all others. */
type Sight = { target: string; identity: string };

function look(lock: string): Sight | undefined {
  return ifPresent(() => {
    const link = lstatSync(lock, { bigint: true });
    if (link.isDirectory()) throw new EnvironmentError(`Expected a lock at ${lock}, got a folder; remove it`);
    const target = link.isSymbolicLink() ? readlinkSync(lock) : '';
    return { target, identity: `${target}|${link.ino}|${link.mtimeNs}` };
  });
}

/**
 * Runs `work` while holding the lock of `path`; waits for other holders without yielding to the event loop.
 * @param path absolute path of the log
 * @param work gets a function that says whether the lock is still held, to call before it writes
 * @param staleAfterMs when to take over a lock whose holder is unknown and that has not changed
 * @throws EnvironmentError where the folder is not writable
 */
export function withLock<T>(path: string, work: (isHeld: () => boolean) => T, staleAfterMs = 30_000): T {
  const lock = `${path}.lock`;
  const identity = acquire(lock, encodeHolder(path, ownIdentity()), staleAfterMs);
  try {
    return work(() => look(lock)?.identity === identity);
  } finally {
    remove(lock, identity);
  }
}

/** @returns the identity of our lock */
function acquire(lock: string, target: string, staleAfterMs: number): string {
  let pause = 1;
  let seen = '';
  let since = performance.now();
  while (true) {
    if (tryAcquire(lock, target)) {
      const own = look(lock);
      if (own?.target === target || own?.target === '') return own.identity;
      continue; // taken away at once
    }
    const sight = look(lock);
    if (sight === undefined) continue;
    const throughLink = ifPresent(() => statSync(lock));
    const life = `${sight.identity}/${throughLink?.mtimeMs}/${throughLink?.size}`;
    if (life !== seen) {
      seen = life;
      since = performance.now();
    }
    if (isDead(sight.target) || performance.now() - since > staleAfterMs) remove(lock, sight.identity);
    else sleepSync(pause * (0.5 + Math.random() / 2)); // jitter is not part of any result
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

/** Removes the lock with this identity; any other stays, or is put back. */
function remove(lock: string, identity: string): void {
  if (look(lock)?.identity !== identity) return;
  const aside = temporaryName(lock);
  ifPresent(() => renameSync(lock, aside));
  const taken = look(aside);
  if (taken === undefined) return; // gone meanwhile
  if (taken.identity !== identity)
    try {
      linkSync(aside, lock);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  ifPresent(() => unlinkSync(aside));
}
