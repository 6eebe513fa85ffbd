// Constraints on what a trial measured, such as num_params<30e6. A trial that violates one is complete and teaches the
// samplers, but is never the best. They are stored with the trial as Optuna stores them (system attribute `constraints`,
// one number each, at most 0 where it holds), so that its tools see them too.

import { UsageError } from '../base/errors.js';
import { parseDecimal } from '../base/format.js';
import { show } from '../base/json.js';
import { own } from './objects.js';
import type { Trial } from './types.js';

/** A limit on a metric: a user attribute of the trial, or an objective by its name. */
export type Constraint = {
  readonly metric: string;
  readonly operator: '<' | '<=' | '>' | '>=';
  readonly limit: number;
};

/** System attribute of a trial: the violation of each constraint. Optuna from 5 on may write one attribute for each. */
export const CONSTRAINTS = 'constraints';

/**
 * System attribute of a trial that did not record the metric of a constraint: it counts as infeasible, and for samplers as
 * failed, since by how much it violates the constraint is unknown.
 */
export const UNMEASURED = 'tinygpt:unmeasured';

/** Violations are written within these bounds: JSON without infinities is what dashboards read. */
const LARGEST = 1e6;
/** The violation of a limit that excludes the value itself. */
const SMALLEST = 1e-12;
/** The violation of a constraint whose metric the trial did not record: as if it were twice its limit. */
const UNKNOWN = 1;

/** @throws UsageError for anything but `metric<number`, with <, <=, > or >= */
export function parseConstraint(text: unknown): Constraint {
  const match =
    typeof text === 'string' ? /^\s*([\p{L}_][\p{L}\p{N}_.:/-]*)\s*([<>]=?)\s*(\S+)\s*$/u.exec(text) : null;
  const limit = match ? parseDecimal(match[3]!) : Number.NaN;
  if (!match || !Number.isFinite(limit))
    throw new UsageError(
      `Expected a constraint such as num_params<30e6 (a metric, one of < <= > >=, a number), got ${show(text)}`,
    );
  return { metric: match[1]!, operator: match[2] as Constraint['operator'], limit };
}

/** @throws UsageError for a bad constraint, or two that no value satisfies */
export function parseConstraints(texts: readonly string[]): Constraint[] {
  const constraints = texts.map(parseConstraint);
  for (const a of constraints)
    for (const b of constraints) {
      if (a.metric !== b.metric || isUpper(b.operator) || !isUpper(a.operator)) continue;
      const meet = a.operator === '<=' && b.operator === '>=' && a.limit === b.limit;
      if (a.limit <= b.limit && !meet)
        throw new UsageError(
          `Expected constraints that a value can satisfy, got ${describeConstraint(a)} and ${describeConstraint(b)}; change one of them`,
        );
    }
  return constraints;
}

const isUpper = (operator: Constraint['operator']): boolean => operator.startsWith('<');

/** The text that `parseConstraint` reads, the number in its shortest form. */
export const describeConstraint = ({ metric, operator, limit }: Constraint): string =>
  `${metric}${operator}${limit}`;

/**
 * How far a value is from satisfying a constraint, relative to the limit (absolute where that is 0): at most 0 where it
 * does. The signs are exact.
 */
export function violation({ operator, limit }: Constraint, value: number | undefined): number {
  if (value === undefined || Number.isNaN(value)) return UNKNOWN;
  const excess = isUpper(operator) ? value - limit : limit - value;
  if (excess === 0) return operator.endsWith('=') ? 0 : SMALLEST;
  const relative = limit === 0 ? excess : excess / Math.abs(limit);
  return Math.sign(excess) * Math.min(LARGEST, Math.max(SMALLEST, Math.abs(relative)));
}

/** The violations of a trial. @param values what the trial recorded beyond its user attributes, by name */
export function violations(
  constraints: readonly Constraint[],
  trial: Pick<Trial, 'userAttrs'>,
  values: Readonly<Record<string, number>>,
): number[] {
  return constraints.map((constraint) => violation(constraint, measured(constraint, trial, values)));
}

/** The value of a constraint's metric; undefined where the trial did not record a number. */
export function measured(
  { metric }: Constraint,
  { userAttrs }: Pick<Trial, 'userAttrs'>,
  values: Readonly<Record<string, number>>,
): number | undefined {
  const value = own(userAttrs, metric) ?? own(values, metric);
  return typeof value === 'number' && !Number.isNaN(value) ? value : undefined;
}

/** The violations that a trial has stored, by us or by any version of Optuna; none where it has no constraints. */
export function storedViolations({ systemAttrs }: Pick<Trial, 'systemAttrs'>): number[] {
  const found: unknown[] = [];
  for (const [key, value] of Object.entries(systemAttrs))
    if (key === CONSTRAINTS) found.push(...(Array.isArray(value) ? value : []));
    else if (key.startsWith(`${CONSTRAINTS}:`)) found.push(value);
  return found.map((value) => (typeof value === 'number' && !Number.isNaN(value) ? value : UNKNOWN));
}

/** Whether a trial satisfies its constraints; true where it has none, as in Optuna. */
export const isFeasible = (trial: Pick<Trial, 'systemAttrs'>): boolean =>
  storedViolations(trial).every((value) => value <= 0);

/** The sum of what a trial violates, by which Optuna ranks infeasible trials; 0 of a feasible one. */
export const totalViolation = (trial: Pick<Trial, 'systemAttrs'>): number =>
  storedViolations(trial).reduce((sum, value) => sum + Math.max(0, value), 0);
