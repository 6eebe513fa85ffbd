// A storage in memory, gone when the process ends.

import { createReplay } from '../journal/replay.js';
import { checkedLines } from '../journal/storage.js';
import type { Storage } from './types.js';

/** Records go through JSON here too, so that both storages hold the same. */
export function memoryStorage(): Storage {
  const log = createReplay();
  return {
    path: null,
    log,
    refresh() {},
    transact(build) {
      for (const { record } of checkedLines(build(), 'memory')) log.apply(record);
    },
  };
}
