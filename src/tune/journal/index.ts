// The study log for the layers above: reading any journal, and storages for studies.

export type { StudyLog } from './replay.js';
export { journalStorage, memoryStorage, readJournal, type Storage } from './storage.js';
