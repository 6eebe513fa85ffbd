// Downloads wheels, checking their hashes, and extracts members.

import { basename, join } from 'node:path';
import { EnvironmentError } from '../../base/errors.js';
import { downloadFile } from '../../net/download.js';
import type { HttpOptions } from '../../net/http.js';
import { indexHttp, type Wheel } from './pypi.js';
import { extract, isInside, type ZipEntry } from './zip.js';

/** What the caller shows. */
export interface SetupProgress {
  note(line: string): void;
  /** Progress of a step: its name, bytes done and in total. */
  advance(what: string, done: number, total: number): void;
}

const labelOf = ({ project, version }: Wheel): string => `${project} ${version}`;

/**
 * Downloads a wheel into `folder`, or resumes an earlier download.
 * @returns its path
 * @throws EnvironmentError where the download fails or the index gives no SHA-256
 */
export async function fetchWheel(
  wheel: Wheel,
  folder: string,
  { progress, http }: { progress: SetupProgress; http: HttpOptions },
): Promise<string> {
  const { url, sha256, size, file } = wheel;
  const path = join(folder, basename(file));
  if (sha256 === undefined)
    throw new EnvironmentError(
      `Expected the index to give a SHA-256 for ${file}, got none; use an index that does, or --from`,
    );
  const onBytes = (bytes: number) => progress.advance(`Downloading ${labelOf(wheel)}`, bytes, size ?? 0);
  await downloadFile({ url, path, sha256, size }, { ...indexHttp(http), onBytes });
  progress.note(`${labelOf(wheel)}: downloaded`);
  return path;
}

/** Extracts members of a wheel, except folders and names that lead out of it. @returns their paths */
export async function extractAll(
  wheel: Wheel,
  path: string,
  entries: readonly ZipEntry[],
  targetOf: (name: string) => string,
  { progress, signal }: { progress: SetupProgress; signal?: AbortSignal | undefined },
): Promise<string[]> {
  const wanted = entries.filter(({ name }) => !name.endsWith('/') && isInside(name));
  const total = wanted.reduce((sum, { size }) => sum + size, 0);
  const targets: string[] = [];
  let done = 0;
  for (const entry of wanted) {
    const target = targetOf(entry.name);
    const onBytes = (bytes: number) =>
      progress.advance(`Unpacking ${labelOf(wheel)}`, (done += bytes), total);
    await extract(path, entry, target, { signal, onBytes });
    targets.push(target);
  }
  return targets;
}
