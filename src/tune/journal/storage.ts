// Studies in an Optuna journal on disk.

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { messageOf, UsageError } from '../../base/errors.js';
import { formatJson, parseJson } from '../../base/json.js';
import type { Storage } from '../storage/types.js';
import { decodeRecord } from './decode.js';
import { createJournalFile, longestLine, openJournalFile } from './file.js';
import type { Entry } from './records.js';
import { createReplay, type StudyLog } from './replay.js';

/** An entry as its line. */
export function formatEntry(entry: Entry, workerId: string): string {
  const { op_code, ...fields } = entry;
  return formatJson({ op_code, worker_id: workerId, ...fields });
}

/**
 * Lines of entries and what they read back as, each checked by the reader's rules.
 * @throws UsageError for an entry that a reader would refuse
 */
export function checkedLines(
  entries: readonly Entry[],
  workerId: string,
): { line: string; record: unknown }[] {
  return entries.map((entry) => {
    try {
      const line = formatEntry(entry, workerId);
      if (line.length > longestLine / 3) throw new Error(`the record is ${line.length} characters long`);
      const record = parseJson(line);
      decodeRecord(record);
      return { line, record };
    } catch (error) {
      throw new UsageError(`Cannot record this in a study: ${messageOf(error)}`, { cause: error });
    }
  });
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
  /** False where it must be done again: another process took the lock away and wrote meanwhile. */
  const attempt = (build: () => Entry[]) =>
    file.locked((isHeld) => {
      refresh();
      const lines = checkedLines(build(), workerId).map(({ line }) => line);
      if (lines.length === 0) return true;
      if (!isHeld() || !file.append(lines)) return false;
      refresh(); // own records come back as others will read them
      return true;
    });
  return {
    path: file.path,
    log,
    refresh,
    transact(build) {
      while (!attempt(build));
    },
  };
}

/**
 * Reads any Optuna journal, ours or one that Python wrote, without taking its lock. A torn last line is left out.
 * @returns the studies in order of creation
 * @throws UsageError for an absent file
 * @throws EnvironmentError for a foreign or corrupt one (naming the line)
 */
export function readJournal(path: string): StudyLog[] {
  return journalStorage(path).log.studies();
}
