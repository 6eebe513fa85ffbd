// Where the records of studies live: an Optuna journal on disk, or memory with the same behaviour. A storage
// keeps the replayed state and is the only writer of records, each one durable before the call returns.

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { formatJson, parseJson } from '../../base/json.js';
import { createJournalFile, openJournalFile } from './file.js';
import type { Entry } from './records.js';
import { createReplay, type Replay, type StudyLog } from './replay.js';

export type Storage = {
  /** Absolute path of the journal; null in memory. */
  readonly path: string | null;
  /** The studies and trials as last read; live. */
  readonly log: Replay;
  /** Takes in what other processes have written. Needs no lock and costs next to nothing when that is nothing. */
  refresh(): void;
  /**
   * Takes the lock, takes in what others have written, and appends what `build` makes of it, so that the
   * decision and the record are one step for all processes. Durable when it returns.
   * @throws EnvironmentError as the file does
   */
  transact(build: () => Entry[]): void;
};

/** An entry as its line. Records go through JSON in memory too, so that both storages hold the same. */
export function formatEntry(entry: Entry, workerId: string): string {
  const { op_code, ...fields } = entry;
  return formatJson({ op_code, worker_id: workerId, ...fields });
}

/** A storage that is gone with the process. */
export function memoryStorage(): Storage {
  const log = createReplay();
  return {
    path: null,
    log,
    refresh() {},
    transact(build) {
      for (const entry of build()) log.apply(parseJson(formatEntry(entry, 'memory')));
    },
  };
}

/**
 * Opens a journal file.
 * @param path of the file; created with its folder where `create` is set
 * @throws UsageError for an absent file
 * @throws EnvironmentError for an unreadable, foreign or corrupt one (naming the line)
 */
export function journalStorage(path: string, options: { create?: boolean } = {}): Storage {
  if (options.create) createJournalFile(resolve(path));
  const file = openJournalFile(path);
  const log = createReplay();
  const workerId = `tinygpt-${randomUUID()}`;
  const refresh = () => file.readNew(log.apply);
  refresh();
  return {
    path: file.path,
    log,
    refresh,
    transact(build) {
      file.locked(() => {
        refresh();
        const entries = build();
        if (entries.length === 0) return;
        file.append(entries.map((entry) => formatEntry(entry, workerId)));
        refresh(); // own records come back as others will read them
      });
    },
  };
}

/**
 * Reads any Optuna journal, ours or one that Python wrote, without taking its lock. A torn last line is
 * left out.
 * @returns the studies in order of creation
 * @throws UsageError for an absent file
 * @throws EnvironmentError for a foreign or corrupt one (naming the line)
 */
export function readJournal(path: string): StudyLog[] {
  return journalStorage(path).log.studies();
}
