// Records that a storage on the network could not take, on this machine's disk until it can: a file per process, JSON
// lines, the first of which says for which storage and by which process.

import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../base/errors.js';
import {
  defaultCacheFolder,
  describeWriteError,
  isOrphan,
  makeFolder,
  sha256,
  temporaryName,
  writeFileAtomic,
  writeWhole,
} from '../../base/files.js';
import { formatJson, parseJson } from '../../base/json.js';
import type { Entry } from '../journal/records.js';
import { asWorker, identify, mayBeAlive } from './worker.js';

/** Records about one trial, by the ids of the storage, and the worker that the trial names. */
export type Batch = { study: number; trial: number; owner?: unknown; entries: Entry[] };

export type Spool = {
  /** Where the records are; null while there are none. */
  readonly path: string | null;
  /** Durable when it returns. @throws EnvironmentError where the disk does not take it */
  add(batch: Batch): void;
  /** Takes over what processes that are gone have left for this storage on this machine. */
  adopt(): Batch[];
  /** Keeps what the storage has no trials for in a file of its own, which nobody takes over. @returns the file */
  setAside(batches: readonly Batch[]): string;
  /** Everything is recorded. */
  clear(): void;
};

/** @param place of the storage */
export function openSpool(place: string, folder = join(defaultCacheFolder(), 'spool')): Spool {
  const base = sha256(place).slice(0, 16);
  const newName = (suffix: string) => join(folder, `${temporaryName(base)}.${suffix}`);
  let path: string | null = null;
  const adopted: string[] = [];

  function write(text: string): void {
    const to = path ?? newName('jsonl');
    const head = path === null ? formatJson({ place, owner: identify() }) : '';
    try {
      makeFolder(folder);
      const fd = openSync(to, 'a', 0o600);
      try {
        writeWhole(fd, Buffer.from(`${head}\n${text}\n`)); // on a new line, whatever a full disk left before it
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      path = to;
    } catch (error) {
      throw describeWriteError(path ?? folder, error);
    }
  }

  function list(): string[] {
    try {
      return readdirSync(folder).filter(
        (name) =>
          name.startsWith(base) && (name.endsWith('.jsonl') || isOrphan(name.replace(/\.adopted$/, ''))), // one died while it took over
      );
    } catch {
      return []; // none was ever needed
    }
  }

  /** The batches of a file whose process is gone; null where another process has it. */
  function take(name: string): Batch[] | null {
    try {
      const from = join(folder, name);
      const [head, ...lines] = readFileSync(from, 'utf8').split('\n');
      const owner = asWorker((parseJson(head!) as { owner?: unknown }).owner);
      if (owner === null || mayBeAlive(owner)) return null;
      const mine = newName('adopted');
      renameSync(from, mine); // one process gets it
      adopted.push(mine);
      return lines.flatMap(wholeBatch);
    } catch (error) {
      if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return null;
      throw error;
    }
  }

  return {
    get path() {
      return path;
    },
    add: (batch) => write(formatJson(batch)),
    adopt() {
      const batches = list().flatMap((name) => take(name) ?? []);
      for (const batch of batches) write(formatJson(batch)); // under this process's name before they go
      for (const file of adopted.splice(0)) unlinkSync(file);
      return batches;
    },
    setAside(batches) {
      const file = join(folder, `unsent-${newName('jsonl').slice(folder.length + 1)}`);
      writeFileAtomic(file, [{ place }, ...batches].map((each) => `${formatJson(each)}\n`).join(''));
      return file;
    },
    clear() {
      if (path !== null) unlinkSync(path);
      path = null;
    },
  };
}

/** None of a line that is blank or torn. */
function wholeBatch(line: string): Batch[] {
  try {
    return [parseJson(line) as Batch];
  } catch {
    return [];
  }
}
