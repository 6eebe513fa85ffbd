// What every storage of studies offers.

import type { Entry } from '../journal/records.js';
import type { Replay } from '../journal/replay.js';

/**
 * Keeps the records of studies and the state they replay to, and is the only writer of records. What the reader would
 * refuse is never written.
 */
export interface Storage {
  /** Absolute path of the journal; null in memory. */
  readonly path: string | null;
  /** The studies and trials as last read; live. */
  readonly log: Replay;
  /** Reads what other processes have written. Needs no lock and costs next to nothing when that is nothing. */
  refresh(): void;
  /**
   * Takes the lock, reads what others have written, and appends the records that `build` makes of it, so that the
   * decision and the record are one step for all processes. Durable when it returns. `build` is called again where
   * another process took the lock away and wrote meanwhile.
   * @throws UsageError for a record that a reader would refuse; nothing is written then
   * @throws EnvironmentError where the record cannot be written
   */
  transact(build: () => Entry[]): void;
}
