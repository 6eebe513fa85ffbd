// What every storage of studies offers.

import type { Entry } from '../journal/records.js';
import type { StudyLog } from '../journal/replay.js';
import type { Trial } from '../types.js';

/** Studies and their trials as last read; live. */
export type Studies = {
  /** In order of creation, deleted ones left out. */
  studies(): StudyLog[];
  study(name: string): StudyLog | undefined;
  /** The id that entries of the next created study carry. */
  studyCount(): number;
};

/** What is read of other processes' records: a server is asked for the attributes of studies with calls of their own. */
export type Reads = 'all' | 'trials';

/**
 * Keeps studies, and is the only writer of records. What a reader would refuse is never written. All calls are
 * synchronous: a storage on the network blocks for a round trip, as a file does for its fsync.
 */
export interface Storage {
  /** How messages call it: the absolute path of a journal, a URL without its password, or `memory`. */
  readonly place: string;
  /** Absolute path of the journal; null where there is no file. */
  readonly path: string | null;
  readonly log: Studies;
  /** Reads what other processes have written. Needs no lock and costs next to nothing when that is nothing. */
  refresh(reads?: Reads): void;
  /**
   * Reads what others have written, and appends the records that `build` makes of it, so that the decision and the
   * record are one step for all processes. Durable when it returns. `build` is called again where another process
   * wrote meanwhile.
   * @param reads what `build` decides by
   * @returns the trials that the records created
   * @throws UsageError for a record that a reader would refuse; nothing is written then
   * @throws EnvironmentError where the record cannot be written
   */
  transact(build: () => Entry[], reads?: Reads): Trial[];
  /**
   * Appends records about a running trial; nothing where another process has finished it. A storage on the network
   * that cannot be reached keeps them on this machine's disk until it is back.
   * @param options.passing records that say nothing later (a heartbeat), dropped where it cannot be reached
   * @throws as `transact`
   */
  record(trial: Trial, entries: Entry[], options?: { passing?: boolean }): void;
  /** Resolves once the storage can be reached and all records are in it; at once for files and memory. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends the connection; a file has none. */
  close(): void;
}
