// What a user enqueues: checked, completed by the defaults, and if asked without what the study has already.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { activeParams } from './conditions.js';
import { contains, describeDistribution } from './distributions.js';
import { own } from './objects.js';
import { keyOf } from './samplers/admission.js';
import { unknownParameter } from './space.js';
import { enqueuedParams, isRetry } from './starting.js';
import type { Params, StudyView } from './types.js';

/**
 * Whole configurations from one or a list.
 * @throws UsageError for an unknown parameter or a value outside the space, naming the entry of a list
 */
export function configurationsOf(study: StudyView, given: unknown): Params[] {
  return Array.isArray(given)
    ? given.map((params, i) => wholeOf(study, params, `Entry ${i + 1}: `))
    : [wholeOf(study, given, '')];
}

function wholeOf({ space, defaults }: StudyView, params: unknown, where: string): Params {
  if (!isObject(params)) throw new UsageError(`${where}Expected parameters to enqueue, got ${show(params)}`);
  for (const [name, value] of Object.entries(params)) {
    const distribution = own(space, name);
    if (!distribution) throw unknownParameter(name, Object.keys(space), 'to enqueue', where);
    if (!contains(distribution, value))
      throw new UsageError(
        `${where}Parameter ${name}: expected a value within ${describeDistribution(distribution)}, got ${show(value)}`,
      );
  }
  return activeParams(space, { ...defaults, ...(params as Params) });
}

/** The configurations that the study does not have, waiting or begun, as often as the list does. */
export function missingOf({ space, defaults, trials }: StudyView, list: readonly Params[]): Params[] {
  const counts = new Map<string, number>();
  for (const trial of trials) {
    if (isRetry(trial)) continue;
    const unset = trial.state === 'waiting' ? defaults : {};
    const whole = { ...unset, ...enqueuedParams(trial), ...trial.params };
    const key = keyOf(space, activeParams(space, whole));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return list.filter((params) => {
    const key = keyOf(space, params);
    const count = counts.get(key) ?? 0;
    counts.set(key, count - 1);
    return count <= 0;
  });
}
