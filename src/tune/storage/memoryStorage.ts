// A storage in memory, gone when the process ends.

import { checkedLines } from '../journal/lines.js';
import { isFinished } from '../journal/records.js';
import { createReplay } from '../journal/replay.js';
import type { Storage } from './types.js';

/** Records go through JSON here too, so that all storages hold the same. */
export function memoryStorage(): Storage {
  const log = createReplay();
  const transact: Storage['transact'] = (build) => {
    const before = log.trialCount();
    for (const { record } of checkedLines(build(), 'memory')) log.apply(record);
    return log.trialsFrom(before);
  };
  return {
    place: 'memory',
    path: null,
    log,
    refresh() {},
    transact,
    record: (trial, entries) => void (isFinished(trial.state) || transact(() => entries)),
    ready: () => Promise.resolve(),
    close() {},
  };
}
