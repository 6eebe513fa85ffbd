// The records that create a study.

import type { Identity } from './identity.js';
import { createStudyEntry, type Entry, studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import type { AnyOptions } from './objectives.js';
import { nopPruner } from './pruners/nop.js';
import { waitingEntry } from './starting.js';
import type { Attributes } from './types.js';
import { checkWarmStart, WARM_START } from './warmStart.js';

/** Records of a new study, its defaults enqueued as trial 0. */
export function creationEntries(
  id: number,
  options: AnyOptions,
  { space, defaults, directions, constraints, metricNames, objective }: Identity,
): Entry[] {
  const { name = 'study', sampler, pruner = nopPruner(), seed = 0, metricName, runDefaults = true } = options;
  const attributes: Attributes = {
    space,
    defaults,
    seed,
    sampler: sampler.name,
    pruner: pruner.name,
    ...(objective && { objective }),
    ...(constraints.length > 0 && { constraints }),
    ...options.userAttrs,
  };
  const names = metricNames ?? (metricName && [metricName]);
  const entries = [createStudyEntry(name, ...directions)];
  const { warmStart = [] } = options;
  const known = checkWarmStart(warmStart);
  if (known.length > 0) entries.push(studyAttrEntry('system', id, WARM_START, known));
  if (names) entries.push(studyAttrEntry('system', id, 'study:metric_names', names));
  for (const [key, value] of Object.entries(attributes)) entries.push(studyAttrEntry('user', id, key, value));
  if (runDefaults) entries.push(waitingEntry(id, defaults));
  return entries;
}

/** Whether a record of the creation says something that the study does not know yet. */
export function isMissing(log: StudyLog, entry: Entry): boolean {
  const { user_attr: user, system_attr: system } = entry as { user_attr?: object; system_attr?: object };
  if (user) return !Object.hasOwn(log.userAttrs, Object.keys(user)[0]!);
  if (system) return !Object.hasOwn(log.systemAttrs, Object.keys(system)[0]!);
  return log.trials.length === 0; // the defaults, as trial 0 or not at all
}
