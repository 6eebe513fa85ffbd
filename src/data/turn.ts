// One process prepares a dataset, the others wait for it: a link beside the folder, whose modification time the holder
// keeps current. Only to save work: should two ever prepare the same, the first to finish wins (prepare.ts), as without it.

import { lstatSync, lutimesSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../base/errors.js';
import { isOrphan, temporaryName } from '../base/files.js';

const TOUCH_MS = 5000;
/** A lock whose time has not moved for so long, by the waiting process's clock, was left behind. */
const STALE_MS = 60_000;
const POLL_MS = 250;

/**
 * Waits until this process may prepare `folder`, or `isDone`.
 * @param onWait called once where another process is at it
 * @returns gives the turn to the next; null where it is done already
 * @throws the signal's reason
 */
export async function takeTurn(
  folder: string,
  isDone: () => boolean,
  { onWait, signal }: { onWait?: () => void; signal?: AbortSignal | undefined },
): Promise<(() => void) | null> {
  const lock = `${folder}.lock`;
  let seen = { mtime: -1, at: performance.now() };
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted();
    if (waited && isDone()) return null;
    try {
      symlinkSync(temporaryName(''), lock); // names this process and machine; made and filled in one step
      return hold(lock);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) return () => {}; // no links here: prepare at once
    }
    if (!waited) onWait?.();
    const mtime = lstatSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (mtime !== undefined && mtime !== seen.mtime) seen = { mtime, at: performance.now() };
    if (performance.now() - seen.at > STALE_MS || isLeft(lock)) {
      if (!remove(lock)) return () => {}; // not ours to remove: prepare at once
    } else await delay(POLL_MS, undefined, { ...(signal && { signal }) });
  }
}

function hold(lock: string): () => void {
  const timer = setInterval(() => {
    try {
      const now = new Date();
      lutimesSync(lock, now, now);
    } catch {
      // taken away: another process prepares the same
    }
  }, TOUCH_MS).unref();
  return () => {
    clearInterval(timer);
    remove(lock);
  };
}

/** Removes a link that leads nowhere, which rmSync takes for absent. @returns whether it is gone */
function remove(lock: string): boolean {
  try {
    unlinkSync(lock);
    return true;
  } catch (error) {
    return hasCode(error, 'ENOENT'); // another process was faster
  }
}

/** Whether a process of this machine that is gone has left it. */
function isLeft(lock: string): boolean {
  try {
    return isOrphan(readlinkSync(lock));
  } catch {
    return false; // just given back
  }
}
