// Conditional parameters: one with `when` is part of a configuration only where other parameters have certain values,
// such as a momentum that only one of several optimizers has. Elsewhere it is absent from the trial, as in Optuna's
// define-by-run studies.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { contains } from './distributions.js';
import { own } from './objects.js';
import type { Choice, Params, SearchSpace } from './types.js';

const allowed = (value: Choice | readonly Choice[]): readonly Choice[] =>
  (Array.isArray(value) ? value : [value]) as readonly Choice[];

/** Whether a space has conditional parameters at all. */
export function isConditional(space: SearchSpace): boolean {
  return Object.values(space).some(({ when }) => when !== undefined);
}

/** Whether the configuration has this parameter, by the values of those that it depends on. */
export function isActive(space: SearchSpace, name: string, params: Params): boolean {
  return Object.entries(own(space, name)?.when ?? {}).every(
    ([parent, value]) => allowed(value).includes(own(params, parent)!) && isActive(space, parent, params),
  );
}

/** The configuration without its inactive parameters. */
export function activeParams(space: SearchSpace, params: Params): Params {
  if (!isConditional(space)) return params;
  return Object.fromEntries(Object.entries(params).filter(([name]) => isActive(space, name, params)));
}

/**
 * Checks that every condition names another parameter and values of it, without circles.
 * @throws UsageError naming the parameter
 */
export function checkConditions(space: SearchSpace): void {
  for (const [name, { when }] of Object.entries(space))
    for (const [parent, value] of Object.entries(when ?? {})) {
      const distribution = own(space, parent);
      if (!distribution)
        throw new UsageError(
          `Parameter ${name}: expected when to name other parameters of the space, got ${show(parent)}`,
        );
      for (const choice of allowed(value))
        if (!contains(distribution, choice))
          throw new UsageError(`Parameter ${name}: ${parent} in when cannot be ${show(choice)}`);
      if (dependsOn(space, parent, name))
        throw new UsageError(`Parameter ${name}: expected when without a cycle, got one through ${parent}`);
    }
}

/** Whether `name` depends on `other`, directly or not; every parameter on itself. */
function dependsOn(space: SearchSpace, name: string, other: string, seen = new Set<string>()): boolean {
  if (name === other) return true;
  if (seen.has(name)) return false;
  seen.add(name);
  return Object.keys(own(space, name)?.when ?? {}).some((parent) => dependsOn(space, parent, other, seen));
}

/** Whether some configuration has the parameter, given the values of those that are fixed. */
export function canApply(space: SearchSpace, name: string, fixed: Params): boolean {
  return Object.entries(own(space, name)?.when ?? {}).every(
    ([parent, value]) =>
      (!Object.hasOwn(fixed, parent) || allowed(value).includes(own(fixed, parent)!)) &&
      canApply(space, parent, fixed),
  );
}

/**
 * The space after some of its parameters were fixed: conditions on these are dropped where they hold; parameters whose
 * conditions do not hold leave the space.
 */
export function withFixed(space: SearchSpace, fixed: Params): SearchSpace {
  let entries = Object.entries(space);
  for (let before = -1; before !== entries.length; ) {
    before = entries.length;
    const kept = Object.fromEntries(entries);
    entries = entries.flatMap(([name, { when, ...distribution }]) => {
      if (when === undefined) return [[name, distribution]];
      const open = Object.entries(when).filter(([parent]) => Object.hasOwn(kept, parent));
      const closed = Object.entries(when).filter(([parent]) => !Object.hasOwn(kept, parent));
      if (!closed.every(([parent, value]) => allowed(value).includes(own(fixed, parent)!))) return [];
      return [[name, open.length > 0 ? { ...distribution, when: Object.fromEntries(open) } : distribution]];
    });
  }
  return Object.fromEntries(entries) as SearchSpace;
}
