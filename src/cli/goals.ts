// What a search is for, beyond one value that is as low as possible: --constraint and --objectives.

import { expect, UsageError } from '../base/errors.js';
import { describeConstraint, parseConstraints } from '../tune/constraints.js';
import { own } from '../tune/objects.js';
import type { Objective, TwoDirections } from '../tune/studyTypes.js';
import type { Direction } from '../tune/types.js';
import type { TaskOutline } from './task.js';
import type { TuneArguments } from './tuneOptions.js';

type GoalArguments = Pick<TuneArguments, 'constraint' | 'objectives'>;

/** Options of a study. */
export type Goals = {
  constraints: readonly string[];
  /** Of two objectives; null where there is one. */
  front: { directions: TwoDirections; metricNames: readonly [string, string] } | null;
};

/** `val_bpb,peak_memory_bytes:minimize` as names and, where given, directions. @throws UsageError */
function parseObjectives(text: string): [name: string, direction: Direction | undefined][] {
  const parts = text.split(',').map((part) => part.trim());
  const parsed = parts.map((part): [string, Direction | undefined] => {
    const [, name, direction] = /^([^:]+?)(?::(minimize|maximize))?$/.exec(part) ?? [];
    if (!name)
      throw new UsageError(
        `Expected --objectives as two metrics with :minimize or :maximize where need be, such as val_bpb,tokens_per_second:maximize, got "${text}"`,
      );
    return [name, direction as Direction | undefined];
  });
  expect(
    parsed.length === 2 && parsed[0]![0] !== parsed[1]![0],
    () =>
      `Expected --objectives to name two different metrics, got "${text}"; limit a further one with --constraint`,
  );
  return parsed;
}

/** The metrics that trials must record. @throws UsageError for options that cannot be parsed */
export function metricsOf({ constraint, objectives }: GoalArguments): string[] {
  const limited = parseConstraints(constraint).map(({ metric }) => metric);
  const named = objectives === undefined ? [] : parseObjectives(objectives).map(([name]) => name);
  return [...new Set([...named, ...limited])];
}

/** @throws UsageError for a metric that the task does not measure, or options that two objectives exclude */
export function goalsOf(
  args: GoalArguments &
    Pick<TuneArguments, 'pruner' | 'contest' | 'confirm' | 'reference' | 'stopWhenConverged'>,
  { metricName, direction, metrics }: Pick<TaskOutline, 'metricName' | 'direction' | 'metrics'>,
): Goals {
  const known = { [metricName]: direction, ...metrics };
  for (const name of metricsOf(args))
    expect(
      metrics === undefined || Object.hasOwn(known, name),
      () => `Expected a metric among ${Object.keys(known).join(', ')}, got ${name}`,
    );
  const constraints = parseConstraints(args.constraint).map(describeConstraint);
  if (args.objectives === undefined) return { constraints, front: null };
  for (const [option, given] of [
    ['--pruner', args.pruner !== undefined && args.pruner !== 'nop'],
    ['--contest', args.contest !== undefined],
    ['--confirm', (args.confirm ?? 0) > 0],
    ['--reference', args.reference !== undefined],
    ['--stop-when-converged', args.stopWhenConverged],
  ] as const)
    expect(!given, () => `Expected no ${option} with --objectives, which have no single value to compare by`);
  const [first, second] = parseObjectives(args.objectives);
  const directionOf = ([name, given]: [string, Direction | undefined]): Direction =>
    given ?? own(known, name) ?? 'minimize';
  return {
    constraints,
    front: {
      directions: [directionOf(first!), directionOf(second!)],
      metricNames: [first![0], second![0]],
    },
  };
}

/** The objective with both values, of which the task returns one and records the others. */
export function withGoals(run: Objective, { front }: Goals, metricName: string): Objective {
  if (front === null) return run;
  return async (trial) => {
    const recorded: Record<string, unknown> = {};
    const value = await run({
      ...trial,
      setUserAttr(key, given) {
        recorded[key] = given;
        trial.setUserAttr(key, given);
      },
    });
    return front.metricNames.map((name) => {
      if (name === metricName) return Number(value);
      const other = own(recorded, name);
      if (typeof other === 'number') return other;
      throw Object.assign(new Error(`The trial did not measure ${name}`), { reason: 'metric_missing' });
    });
  };
}

/** Lines for the start of a study. */
export function describeGoals({ constraints, front }: Goals): string[] {
  return [
    ...(front === null
      ? []
      : [
          `Objectives: ${front.metricNames.map((name, k) => `${name} (${front.directions[k]})`).join(' and ')}; ` +
            'the Pareto front takes the place of the best trial, without pruning and confirmation',
        ]),
    ...(constraints.length > 0 ? [`Constraints: ${constraints.join(', ')}`] : []),
  ];
}
