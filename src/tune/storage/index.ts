// Where the records of studies are stored. Every storage keeps records of Optuna's journal format, so that all hold
// the same data.

import { journalStorage } from '../journal/storage.js';
import { memoryStorage } from './memory.js';
import type { Storage } from './types.js';

export { readJournal } from '../journal/storage.js';
export type { Storage } from './types.js';

/**
 * Opens the storage that a study asks for.
 * @param place path of a journal, created where there is none; in memory when left out
 * @throws EnvironmentError for a corrupt, foreign or unwritable journal
 */
export function openStorage(place: string | undefined): Storage {
  return place === undefined ? memoryStorage() : journalStorage(place, { create: true });
}
