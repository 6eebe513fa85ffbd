// The objectives that a study's options ask for: one, or two for a Pareto front, which not every sampler can search for.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import type { ParetoOptions, StudyOptions } from './studyTypes.js';
import type { Direction, SearchSpace } from './types.js';

/** Options of studies of one and two objectives. */
export type AnyOptions<S extends SearchSpace = SearchSpace> = StudyOptions<S> & Partial<ParetoOptions<S>>;

/**
 * The directions that options ask for.
 * @throws UsageError for anything but one or two directions, or a sampler or pruner that cannot have two
 */
export function directionsOf(options: AnyOptions): Direction[] {
  const { direction, directions, metricNames, sampler, pruner } = options;
  const given = directions ?? [direction ?? 'minimize'];
  const known = (value: unknown) => value === 'minimize' || value === 'maximize';
  if (directions === undefined) {
    if (!known(given[0]))
      throw new UsageError(`Expected direction to be minimize or maximize, got ${show(direction)}`);
    if (metricNames !== undefined)
      throw new UsageError(
        'Expected directions beside metricNames, got none; name one objective by metricName',
      );
    return [...given];
  }
  if (!Array.isArray(directions) || directions.length !== 2 || !directions.every(known))
    throw new UsageError(`Expected directions to be two of minimize and maximize, got ${show(directions)}`);
  if (options.warmStart !== undefined)
    throw new UsageError('Expected one objective with warmStart, got two; leave warmStart out');
  if (direction !== undefined)
    throw new UsageError('Expected direction or directions, got both; give directions for two objectives');
  const isNames = Array.isArray(metricNames) && metricNames.length === 2 && metricNames[0] !== metricNames[1];
  if (metricNames !== undefined && !(isNames && metricNames.every((name) => typeof name === 'string')))
    throw new UsageError(`Expected metricNames to be two different names, got ${show(metricNames)}`);
  if (!sampler.paretoFronts)
    throw new UsageError(
      `Expected a sampler for two objectives (gp, tpe, nsga2, auto or random), got ${sampler.name}, which searches for one`,
    );
  if (pruner !== undefined && pruner.name !== 'nop')
    throw new UsageError(
      `Expected no pruner with two objectives, got ${pruner.name}: it compares trials by one; leave it out`,
    );
  return [...given];
}
