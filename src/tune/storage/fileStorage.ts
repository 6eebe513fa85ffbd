// Studies in an Optuna journal on disk.

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { checkedLines } from '../journal/lines.js';
import { type Entry, isFinished } from '../journal/records.js';
import { createReplay } from '../journal/replay.js';
import type { Trial } from '../types.js';
import { createJournalFile, openJournalFile } from './journalFile.js';
import type { Storage } from './types.js';

/**
 * Opens a journal file.
 * @param path of the file; created with its folder where `create` is set
 * @throws UsageError for an absent file
 * @throws EnvironmentError for an unreadable, foreign or corrupt one (naming the line)
 */
export function fileStorage(path: string, options: { create?: boolean } = {}): Storage {
  if (options.create) createJournalFile(resolve(path));
  const file = openJournalFile(path);
  const log = createReplay();
  const workerId = `tinygpt-${randomUUID()}`;
  const refresh = () => file.readNew(log.apply);
  refresh();
  /** Null where it must be done again: another process took the lock away and wrote meanwhile. */
  const attempt = (build: () => Entry[]): Trial[] | null =>
    file.locked((isHeld) => {
      refresh();
      const lines = checkedLines(build(), workerId).map(({ line }) => line);
      if (lines.length === 0) return [];
      const before = log.trialCount();
      if (!isHeld() || !file.append(lines)) return null;
      refresh(); // own records come back as others will read them
      return log.trialsFrom(before);
    });
  const transact: Storage['transact'] = (build) => {
    for (;;) {
      const created = attempt(build);
      if (created) return created;
    }
  };
  return {
    place: file.path,
    path: file.path,
    log,
    refresh,
    transact,
    record: (trial, entries) => void transact(() => (isFinished(trial.state) ? [] : entries)),
    ready: () => Promise.resolve(),
    close() {},
  };
}
