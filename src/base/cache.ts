// What the cache folder holds, to list and to remove. All but the spool can be made or downloaded again.

import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from './errors.js';
import { describeReadError, describeWriteError } from './files.js';

/** Folders of the cache and what they hold; nothing else in the cache folder is touched. */
export const CACHE_KINDS = {
  datasets: 'prepared tokenizers and tokens',
  hub: 'downloads from the Hugging Face hub',
  native: 'compiled CPU kernels',
  cuda: 'compiled CUDA kernels',
  'cuda-matmuls': 'which matmul algorithms were fastest',
  'cuda-libraries': 'CUDA libraries that tinygpt setup downloaded',
  tensorflow: 'TensorFlow that tinygpt setup installed',
  'self-test': 'results of the self-test',
  commands: 'command lines that the dashboard can resume studies by',
  spool: 'records of studies that a server has not got yet; removed only by --kind spool',
} as const;
export type CacheKind = keyof typeof CACHE_KINDS;

/** A file or folder of the cache. */
export interface CacheEntry {
  kind: CacheKind;
  name: string;
  path: string;
  bytes: number;
  /** When any of it was last written or read, in milliseconds since 1970. */
  used: number;
}

/**
 * Lists the cache, the largest entries of each kind first. Links are not followed.
 * @param folder the cache folder; need not exist
 * @throws EnvironmentError when it cannot be read
 */
export function listCache(folder: string): CacheEntry[] {
  return (Object.keys(CACHE_KINDS) as CacheKind[]).flatMap((kind) => {
    const at = join(folder, kind);
    if (!lstatSync(at, { throwIfNoEntry: false })?.isDirectory()) return [];
    const entries = namesIn(at).map((name) => ({
      kind,
      name,
      path: join(at, name),
      ...measure(join(at, name)),
    }));
    return entries.sort((a, b) => b.bytes - a.bytes || a.name.localeCompare(b.name));
  });
}

/** Removes an entry. @throws EnvironmentError when that cannot be done */
export function removeCached({ path }: CacheEntry): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw describeWriteError(path, error);
  }
}

function measure(path: string): { bytes: number; used: number } {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return { bytes: 0, used: 0 }; // another process removed it meanwhile
  const own = { bytes: stats.size, used: Math.max(stats.mtimeMs, stats.atimeMs) };
  if (!stats.isDirectory()) return own;
  const inside = namesIn(path).map((name) => measure(join(path, name)));
  return {
    bytes: inside.reduce((sum, { bytes }) => sum + bytes, 0),
    used: Math.max(stats.mtimeMs, ...inside.map(({ used }) => used)),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw describeReadError(folder, error);
  }
}
