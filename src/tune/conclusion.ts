// Who concludes a study that several workers share: whichever ends last, and once. Recorded with the study, so that
// workers of several machines agree.

import { studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import { WORKER } from './liveness.js';
import type { Storage } from './storage/types.js';
import { asWorker, identify, mayBeAlive } from './storage/worker.js';
import type { Trial } from './types.js';

/** System attribute of a study: by which process, and after how many trials, it was concluded. */
export const CONCLUDED = 'tinygpt:concluded';

/** `mine`: this process is to conclude; `done`: another one did; a number: so many trials still run. */
export type Conclusion = 'mine' | 'done' | number;

/** Whether a study was concluded and nothing was begun since. */
export function isConcluded({ systemAttrs, trials }: Pick<StudyLog, 'systemAttrs' | 'trials'>): boolean {
  return (systemAttrs[CONCLUDED] as { trials?: unknown } | undefined)?.trials === trials.length;
}

/** By a worker of ours that may be alive; Python's are not waited for. */
function isBeingRun({ state, systemAttrs }: Trial): boolean {
  const owner = asWorker(systemAttrs[WORKER]);
  return state === 'running' && owner !== null && mayBeAlive(owner);
}

/** Decides it, for all processes at once: true for one of them per number of trials. */
export function claimConclusion(storage: Storage, name: string): Conclusion {
  let decision: Conclusion = 'done';
  storage.transact(() => {
    const study = storage.log.study(name);
    if (!study) return [];
    const running = study.trials.filter(isBeingRun).length;
    const trials = study.trials.length;
    decision = running > 0 ? running : isConcluded(study) ? 'done' : 'mine';
    if (decision !== 'mine') return [];
    return [studyAttrEntry('system', study.id, CONCLUDED, { trials, worker: identify() })];
  });
  return decision;
}
