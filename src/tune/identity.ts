// What a study records about itself when it is created (space, defaults, objective, seed, sampler, pruner, as
// user attributes), and the refusal to continue a study that another space or objective wrote.

import { UsageError } from '../base/errors.js';
import { formatJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { checkDistribution, describeDistribution, sameDistribution } from './distributions.js';
import type { StudyLog } from './journal/replay.js';
import { own } from './objects.js';
import { shownPlace } from './storage/index.js';
import type { Attributes, Direction, Params, SearchSpace, Trial } from './types.js';

/** The part of a study's options that must agree when it is continued. */
export type Identity = {
  space: SearchSpace;
  defaults: Params;
  directions: readonly Direction[];
  /** Names of the objectives, where there are two. */
  metricNames?: readonly string[] | undefined;
  /** As recorded: their texts. */
  constraints: readonly string[];
  /** Whatever else decides what a value means: budgets, fixed settings, data. Plain data. */
  objective?: Attributes | undefined;
};

/** Whether a study holds the confirmation runs of another. */
export const isConfirmation = ({ userAttrs }: Pick<StudyLog, 'userAttrs'>): boolean =>
  typeof userAttrs.confirms === 'string';

/**
 * The study of this name, or the only one where none is given.
 * @param where the journal, for the message
 * @throws UsageError naming those there are
 */
export function studyNamed(studies: readonly StudyLog[], name: string | undefined, where: string): StudyLog {
  // Confirmation runs are part of the study that they confirm.
  const found =
    name === undefined
      ? studies.filter((study) => !isConfirmation(study))
      : studies.filter((study) => study.name === name);
  if (found.length === 1) return found[0]!;
  const place = shownPlace(where);
  if (studies.length === 0) throw new UsageError(`No study in ${place}; give another journal`);
  const names = studies.map((study) => study.name).join(', ');
  throw new UsageError(`Expected a study name among ${names} of ${place}, got ${name ?? 'none'}`);
}

/**
 * The space that a log's study searches: the recorded one, else what its trials used.
 * @returns null where the study says neither
 */
export function recordedSpace(
  log: Pick<StudyLog, 'userAttrs'> & { trials: readonly Trial[] },
): SearchSpace | null {
  const { space } = log.userAttrs;
  if (isObject(space))
    return Object.fromEntries(
      Object.entries(space).map(([name, value]) => [name, checkDistribution(name, value)]),
    );
  let used: SearchSpace = {};
  for (const trial of log.trials) used = { ...used, ...trial.distributions };
  return Object.keys(used).length > 0 ? used : null;
}

/** Defaults as recorded, or null in a study that Python created. */
export function recordedDefaults(log: StudyLog): Params | null {
  return (log.userAttrs.defaults as Params | undefined) ?? null;
}

/**
 * @param where the journal, for the message
 * @throws UsageError naming the first difference between what the log holds and what is asked for
 */
export function checkSameStudy(log: StudyLog, asked: Identity, where: string): void {
  const difference =
    directionsDifference(log, asked) ??
    spaceDifference(recordedSpace(log), asked.space, !isObject(log.userAttrs.space)) ??
    valuesDifference('default', recordedDefaults(log), asked.defaults) ??
    constraintsDifference(log, asked.constraints) ??
    valuesDifference('objective', log.userAttrs.objective, asked.objective);
  if (difference !== null)
    throw new UsageError(
      `Study ${log.name} in ${where} is a different one: ${difference}; use another name or folder`,
    );
}

function directionsDifference(log: StudyLog, { directions, metricNames }: Identity): string | null {
  const [there, here] = [log.directions, directions];
  if (there.length !== here.length) {
    const needed = here.length === 1 ? 'one is needed' : 'two are needed';
    return `it has ${there.length} objective${there.length === 1 ? '' : 's'}, ${needed}`;
  }
  const names = recordedNames(log);
  for (const [k, direction] of here.entries()) {
    if (there[k] !== direction)
      return here.length === 1
        ? `its direction is ${there[k]}, this one's is ${direction}`
        : `its directions are ${there.join(', ')}, this one's are ${here.join(', ')}`;
    if (metricNames && names && names[k] !== metricNames[k])
      return `its objectives are ${names.join(', ')}, this one's are ${metricNames.join(', ')}`;
  }
  return null;
}

/** The names of the objectives, where the study says them. */
export function recordedNames({ systemAttrs, directions }: StudyLog): string[] | null {
  const names = systemAttrs['study:metric_names'];
  const isWhole = Array.isArray(names) && names.length === directions.length;
  return isWhole && names.every((name) => typeof name === 'string') ? names : null;
}

/** The constraints as recorded; null in a study that Python created, whose trials carry what they violate. */
export function recordedConstraints({ userAttrs }: StudyLog): string[] | null {
  if (Array.isArray(userAttrs.constraints)) return userAttrs.constraints.map(String);
  return 'space' in userAttrs ? [] : null;
}

function constraintsDifference(log: StudyLog, asked: readonly string[]): string | null {
  const recorded = recordedConstraints(log);
  const list = (constraints: readonly string[]) => constraints.join(', ') || 'none';
  return recorded === null || list(recorded) === list(asked)
    ? null
    : `its constraints are ${list(recorded)}, this one's are ${list(asked)}`;
}

/**
 * @param inferred whether trials alone say what the study searches: they do not tell conditions and priors, nor parameters
 * that have not applied yet
 */
function spaceDifference(recorded: SearchSpace | null, asked: SearchSpace, inferred: boolean): string | null {
  if (recorded === null) return null;
  for (const name of Object.keys({ ...recorded, ...asked })) {
    const [there, here] = [own(recorded, name), own(asked, name)];
    if (!here) return `it searches ${name}, this one does not`;
    if (!there && inferred && here.when) continue;
    if (!there) return `it does not search ${name}, this one does`;
    const { when, prior, ...shown } = here;
    if (!sameDistribution(there, inferred ? shown : here))
      return `it searches ${name} in ${describeDistribution(there)}, this one in ${describeDistribution(here)}`;
  }
  return null;
}

function valuesDifference(what: string, recorded: unknown, asked: Attributes | undefined): string | null {
  if (!isObject(recorded) || asked === undefined) return null;
  for (const name of Object.keys({ ...recorded, ...asked })) {
    const [there, here] = [own(recorded, name), own(asked, name)].map((value) =>
      value === undefined ? 'nothing' : formatJson(value),
    );
    if (there !== here) return `its ${what} ${name} is ${there}, here ${here}`;
  }
  return null;
}
