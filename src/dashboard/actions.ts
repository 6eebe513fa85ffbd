// What the dashboard can ask of a study. Each goes through the study itself, so that its rules hold.

import { UsageError } from '../base/errors.js';
import { counted } from '../base/format.js';
import { isObject } from '../base/valid.js';
import { studyNamed } from '../tune/identity.js';
import { randomSampler } from '../tune/samplers/random.js';
import { stopEntry } from '../tune/stopping.js';
import { openStorage } from '../tune/storage/index.js';
import { loadStudy } from '../tune/study.js';
import type { Params } from '../tune/types.js';

/** Continues studies whose command this user ran on this machine. */
export type Actions = {
  resumption?: { isKnown(place: string): boolean; resume(place: string): string } | undefined;
};

/** Enqueues a configuration. @throws UsageError naming the parameter that does not fit */
export function enqueue(place: string, name: string, body: unknown): string {
  const params = isObject(body) ? body.params : undefined;
  if (!isObject(params)) throw new UsageError('Expected {"params": {...}} to enqueue');
  // Samplers propose, which this process does not.
  const study = loadStudy({ storage: place, name, sampler: randomSampler() });
  try {
    const before = study.trials.length;
    study.enqueue(params as Params);
    return `Enqueued as trial ${study.trials.length - 1}${study.trials.length - before === 1 ? '' : ` (${counted(study.trials.length - before, 'trial')})`}`;
  } finally {
    study.close();
  }
}

/** Asks to stop after the running trials, or withdraws that. */
export function stop(place: string, name: string, asked: boolean): string {
  const storage = openStorage(place);
  try {
    const { id } = studyNamed(storage.log.studies(), name, place);
    storage.transact(() => [stopEntry(id, asked)]);
    return asked ? 'Stops after the running trial' : 'Goes on';
  } finally {
    storage.close();
  }
}
