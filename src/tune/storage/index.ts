// Where studies are kept. Every storage holds what Optuna's does, so that a study means the same in each.

import type { StudyLog } from '../journal/replay.js';
import { fileStorage } from './fileStorage.js';
import { grpcRemote } from './grpcStorage.js';
import { memoryStorage } from './memoryStorage.js';
import { checkAddress, shownPlace } from './network/address.js';
import { openConnection } from './network/connection.js';
import { redisRemote } from './redisStorage.js';
import { remoteStorage } from './remoteStorage.js';
import type { Storage } from './types.js';

export { shownPlace } from './network/address.js';
export type { Storage } from './types.js';

export type OpenOptions = {
  /** Makes a journal where there is none. */
  create?: boolean;
  /** Called when a connection is lost, and when it is back; a warning of the process unless set. */
  onNote?: ((line: string) => void) | undefined;
  /** Seconds that connecting may take, where that is less than usual. */
  connectSeconds?: number | undefined;
};

/** Whether a place is a server, not a file. */
export const isRemote = (place: string): boolean => /^[a-z][a-z0-9+.-]+:\//i.test(place);

/**
 * Opens the storage that a study asks for.
 * @param place path of a journal; `redis://`, `rediss://` (Optuna's JournalRedisBackend, its prefix as `?prefix=P`) or
 *   `grpc://HOST:PORT` (Optuna's gRPC storage proxy); in memory when left out
 * @throws UsageError for an absent journal that is not to be made, or another kind of URL
 * @throws EnvironmentError for a corrupt, foreign or unwritable journal, or a server that cannot be reached
 */
export function openStorage(place: string | undefined, options: OpenOptions = {}): Storage {
  if (place === undefined) return memoryStorage();
  return isRemote(place) ? openRemote(place, options) : fileStorage(place, options);
}

function openRemote(url: string, { onNote = warn, connectSeconds }: OpenOptions): Storage {
  checkAddress(url);
  const place = shownPlace(url);
  const connection = openConnection(url);
  const open = () =>
    url.startsWith('grpc:') ? grpcRemote(connection, place) : redisRemote(connection, place);
  return remoteStorage(connection, open, { place, onNote, connectSeconds });
}

const warn = (line: string) => process.emitWarning(line, 'TinygptWarning');

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
