// The folder of a setup: it is complete or absent, whatever fails or is interrupted.

import { existsSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EnvironmentError } from '../../base/errors.js';
import { describeWriteError, discard, temporaryName } from '../../base/files.js';

/** Replaces `folder` by `work`; another process may do the same at the same time. */
export function replaceFolder(folder: string, work: string): void {
  for (let attempt = 0; ; attempt++) {
    const old = temporaryName(folder);
    try {
      if (existsSync(folder)) renameSync(folder, old);
      renameSync(work, folder);
      return;
    } catch (error) {
      if (attempt === 3) throw error;
    } finally {
      discard(old);
    }
  }
}

/** Removes a folder. @returns whether there was one */
export function removeFolder(folder: string): boolean {
  if (!existsSync(folder)) return false;
  try {
    // Renamed first, so that no process sees part of it.
    const old = temporaryName(folder);
    renameSync(folder, old);
    rmSync(old, { recursive: true, force: true });
    return true;
  } catch (error) {
    throw describeWriteError(dirname(folder), error);
  }
}

/** @throws EnvironmentError where the disk of `root` has less than `bytes` free */
export function assertSpace(root: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < bytes)
    throw new EnvironmentError(
      `${root} has ${gigabytes(bavail * bsize)} free, and the setup needs about ${gigabytes(bytes)}; ` +
        'free some, or set TINYGPT_CACHE to another folder',
    );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
