// Who concludes a study that several workers share: whichever ends last, and once. Recorded with the study, so that
// workers of several machines agree.

import { formatJson } from '../base/json.js';
import { confirmationName } from './confirm.js';
import { studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import { createLiveness, WORKER } from './liveness.js';
import type { Storage } from './storage/types.js';
import { asWorker, identify, mayBeAlive } from './storage/worker.js';
import type { Trial } from './types.js';

/**
 * System attribute of a study: the process that concludes it, whether it has, and how many trials and confirmation runs had
 * begun then. Without `done` it has.
 */
const CONCLUDED = 'tinygpt:concluded';

/** `mine`: by this process; `done`: another one has, or is at it; a number: so many trials still run. */
export type Conclusion = 'mine' | 'done' | number;

const begun = (trials: readonly Trial[]): number => trials.filter(({ state }) => state !== 'waiting').length;

/** Whether a study was concluded and nothing was begun since. */
export function isConcluded({ systemAttrs, trials }: Pick<StudyLog, 'systemAttrs' | 'trials'>): boolean {
  const mark = Object(systemAttrs[CONCLUDED]) as { trials?: unknown; done?: unknown };
  return mark.done !== false && mark.trials === begun(trials);
}

/**
 * Concludes a study where no trial and no confirmation run is left running, in one process for all. One that fails, or dies
 * while it concludes, leaves that to the next.
 */
export async function concludeOnce(
  storage: Storage,
  name: string,
  conclude: (study: StudyLog) => Promise<void>,
): Promise<Conclusion> {
  const { isLost } = createLiveness(storage, identify(), 1); // each worker has told its own grace period
  // By a worker of ours; Python's are not waited for.
  const isBeingRun = (trial: Trial) =>
    trial.state === 'running' && asWorker(trial.systemAttrs[WORKER]) !== null && !isLost(trial);
  let decision = 'done' as Conclusion;
  let mark: object = {};
  storage.transact(() => {
    decision = 'done';
    const study = storage.log.study(name);
    if (!study) return [];
    const runs = storage.log.study(confirmationName(name))?.trials ?? [];
    const running = [...study.trials, ...runs].filter(isBeingRun).length;
    const counts = { trials: begun(study.trials), runs: begun(runs) };
    const known = Object(study.systemAttrs[CONCLUDED]) as Partial<typeof counts> & Record<string, unknown>;
    const owner = asWorker(known.worker);
    const isTaken = known.done !== false || (owner !== null && mayBeAlive(owner));
    if (running > 0) decision = running;
    else if (!isTaken || known.trials !== counts.trials || known.runs !== counts.runs) decision = 'mine';
    mark = { ...counts, worker: identify(), done: false };
    return decision === 'mine' ? [studyAttrEntry('system', study.id, CONCLUDED, mark)] : [];
  });
  if (decision !== 'mine') return decision;
  const study = storage.log.study(name)!;
  const end = (more: object) =>
    storage.transact(() => {
      const isOurs = formatJson(study.systemAttrs[CONCLUDED]) === formatJson(mark); // unless trials were run meanwhile
      return isOurs ? [studyAttrEntry('system', study.id, CONCLUDED, { ...mark, ...more })] : [];
    });
  try {
    await conclude(study);
  } catch (error) {
    end({ worker: null }); // a full disk: the next may
    throw error;
  }
  end({ done: true });
  return decision;
}
