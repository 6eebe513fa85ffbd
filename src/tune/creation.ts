// What a study is created with: its options, checked, and the records.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { describeConstraint, parseConstraints } from './constraints.js';
import type { Identity } from './identity.js';
import { createStudyEntry, type Entry, studyAttrEntry } from './journal/records.js';
import type { StudyLog } from './journal/replay.js';
import { type AnyOptions, directionsOf } from './objectives.js';
import { nopPruner } from './pruners/nop.js';
import { checkSpace } from './space.js';
import { waitingEntry } from './starting.js';
import { checkAttribute, type Scoring } from './trial.js';
import type { Attributes } from './types.js';
import { checkWarmStart, WARM_START } from './warmStart.js';

/** User attributes of a study that say what it is. */
const RESERVED = ['space', 'defaults', 'constraints', 'seed', 'sampler', 'pruner', 'objective'];

/** What options say that a study is. @throws UsageError for a bad option (named), space or constraint */
export function checkOptions(options: AnyOptions): { identity: Identity; scoring: Scoring } {
  const { name = 'study', seed, objective, graceSeconds = 1, maxInfeasible = 1, metricNames } = options;
  const { sampler, pruner } = options;
  if (typeof sampler?.ask !== 'function')
    throw new UsageError(`Expected a sampler such as gpSampler(), got ${show(sampler)}`);
  if (pruner !== undefined && typeof pruner?.shouldPrune !== 'function')
    throw new UsageError(`Expected a pruner such as medianPruner(), got ${show(pruner)}`);
  const directions = directionsOf(options);
  const { space, defaults } = checkSpace(options.space, options.defaults);
  if (typeof name !== 'string' || name === '')
    throw new UsageError(`Expected the name of a study to be a text, got ${show(name)}`);
  if (seed !== undefined && !isSeed(seed))
    throw new UsageError(`Expected seed to be a finite number or a string, got ${show(seed)}`);
  for (const [key, value] of Object.entries(options.userAttrs ?? {})) checkStudyAttribute(key, value);
  if (objective !== undefined) checkAttribute('objective', objective);
  if (!(graceSeconds > 0)) throw new UsageError(`Expected graceSeconds > 0, got ${show(graceSeconds)}`);
  if (!(maxInfeasible >= 1)) throw new UsageError(`Expected maxInfeasible >= 1, got ${show(maxInfeasible)}`);
  const constraints = parseConstraints(options.constraints ?? []);
  const texts = constraints.map(describeConstraint);
  const objectives =
    directions.length === 1 ? [options.metricName ?? 'value'] : (metricNames ?? ['values_0', 'values_1']);
  return {
    identity: { space, defaults, directions, metricNames, constraints: texts, objective },
    scoring: { objectives, constraints },
  };
}

export const isSeed = (value: unknown): value is number | string =>
  typeof value === 'string' || Number.isFinite(value);

/** @throws UsageError as `Study.setUserAttr` */
export function checkStudyAttribute(key: string, value: unknown): void {
  checkAttribute(key, value);
  if (RESERVED.includes(key))
    throw new UsageError(`Expected a name other than ${key}, which the study itself uses`);
}

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
