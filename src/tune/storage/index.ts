// Where studies are kept. Every storage holds what Optuna's does, so that a study means the same in each.

import type { StudyLog } from '../journal/replay.js';
import { fileStorage } from './fileStorage.js';
import { memoryStorage } from './memoryStorage.js';
import type { Storage } from './types.js';

export type { Storage } from './types.js';

/**
 * Opens the storage that a study asks for.
 * @param place path of a journal; in memory when left out
 * @param options.create makes the journal where there is none
 * @throws UsageError for an absent journal that is not to be made
 * @throws EnvironmentError for a corrupt, foreign or unwritable journal
 */
export function openStorage(place: string | undefined, options: { create?: boolean } = {}): Storage {
  return place === undefined ? memoryStorage() : fileStorage(place, options);
}

/**
 * Reads the studies of any storage, ours or one that Python wrote to, without taking a lock. A torn last line of a
 * journal is left out.
 * @returns the studies in order of creation
 * @throws UsageError for an absent journal
 * @throws EnvironmentError for a foreign or corrupt one (naming the line)
 */
export function readJournal(place: string): StudyLog[] {
  const storage = openStorage(place);
  try {
    return storage.log.studies();
  } finally {
    storage.close();
  }
}
