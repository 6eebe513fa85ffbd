// The folder of a setup: complete or absent, even if something fails or is interrupted.

import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EnvironmentError } from '../../base/errors.js';
import { describeWriteError, discard, removeLeftovers, temporaryName } from '../../base/files.js';

/**
 * Makes a folder: `make` fills a folder beside it, which takes its place when all has gone well.
 * @param options.bytes disk space that this takes, approximately
 * @returns what `make` returned
 * @throws EnvironmentError with the reason; nothing has changed then
 */
export async function buildFolder<T>(
  folder: string,
  { bytes, signal }: { bytes: number; signal?: AbortSignal | undefined },
  make: (work: string) => Promise<T>,
): Promise<T> {
  const root = dirname(folder);
  const work = temporaryName(folder);
  try {
    mkdirSync(work, { recursive: true });
    removeLeftovers(root);
    assertSpace(root, bytes);
    const made = await make(work);
    signal?.throwIfAborted();
    replaceFolder(folder, work);
    return made;
  } catch (error) {
    signal?.throwIfAborted();
    throw describeWriteError(root, error);
  } finally {
    // Retried while an interrupted write still creates files.
    await rm(work, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }).catch(() => {});
  }
}

/** Replaces `folder` by `work`; another process may do the same at the same time. */
function replaceFolder(folder: string, work: string): void {
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
function assertSpace(root: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < bytes)
    throw new EnvironmentError(
      `${root} has ${gigabytes(bavail * bsize)} free, and setup needs about ${gigabytes(bytes)}; ` +
        'free some space, or set TINYGPT_CACHE to another folder',
    );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
