// A running trial, as the objective sees it, and how it ends. Every report is on disk when the call returns.

import { UsageError } from '../base/errors.js';
import { formatJson, parseJson, show } from '../base/json.js';
import { CONSTRAINTS, type Constraint, measured, UNMEASURED, violations } from './constraints.js';
import { type Entry, finishEntry, intermediateEntry, isFinished, trialAttrEntry } from './journal/records.js';
import { lastStep } from './pruners/steps.js';
import type { Storage } from './storage/types.js';
import type { Params, Pruner, StudyView, Trial } from './types.js';

/** Thrown by an objective when `shouldPrune` says to stop. */
export class TrialPruned extends Error {
  override readonly name: string = 'TrialPruned';
  constructor(message = 'pruned') {
    super(message);
  }
}

/**
 * A value: a number, or an array or typed array of one, as `tensor.data()` gives; of two in a study of two objectives.
 * Infinite values count, NaN does not.
 */
export type ObjectiveValue = number | ArrayLike<number>;

/**
 * How a trial ended: a value, pruned, or failed for a reason (`diverged`, `out_of_memory`, `nan`, `infeasible`,
 * `killed`, `interrupted`, `exception` or the objective's own).
 */
export type Outcome = ObjectiveValue | Ending;
export type Ending<V = ObjectiveValue> =
  | { state: 'complete'; value: V }
  | { state: 'pruned' }
  | { state: 'fail'; reason?: string; message?: string };

/** What a study makes of a trial's outcome. */
export type Scoring = {
  /** The names of the objectives, of which there are one or two. */
  readonly objectives: readonly string[];
  readonly constraints: readonly Constraint[];
};

/** A trial that was asked for and has not been told yet. */
export type RunningTrial<P extends Params = Params> = {
  readonly number: number;
  readonly id: number;
  readonly params: P;
  /** Aborts when the study is asked to stop; the objective may throw then, or return if it is about to finish. */
  readonly signal: AbortSignal;
  /**
   * Records an intermediate value; the first report of a step counts.
   * @param step an integer >= 0, such as the percentage of the budget used
   * @param value may be NaN
   * @throws UsageError for another step or value, when the trial is finished, or in a study of two objectives
   */
  report(step: number, value: ObjectiveValue): void;
  /** Whether the study's pruner would stop the trial now; the objective then throws `TrialPruned`. */
  shouldPrune(): boolean;
  /**
   * Stores something with the trial: the effective configuration, tokens seen, a path.
   * @throws UsageError for null (the dashboard cannot show it) or what JSON cannot hold
   */
  setUserAttr(key: string, value: unknown): void;
};

/** Whether another process has failed a trial because it took its worker for dead. */
export const isGivenUp = ({ state, userAttrs }: Trial): boolean =>
  state === 'fail' && userAttrs.fail_reason === 'killed';

/** @param late what the trial records after it was given up */
export function openTrial(
  storage: Storage,
  study: StudyView,
  pruner: Pruner,
  trial: Trial,
  signal: AbortSignal,
  late: Entry[],
): RunningTrial {
  const { number, id } = trial;

  /** Appends, or keeps in `late` where another process took this one for dead. @throws UsageError where one told the trial */
  function record(entries: Entry[]): void {
    if (isGivenUp(trial)) {
      late.push(...entries);
      return;
    }
    if (isFinished(trial.state)) throw new UsageError(`Trial ${number} is already finished (${trial.state})`);
    storage.record(trial, entries);
  }

  return {
    number,
    id,
    params: { ...trial.params },
    signal,
    report(step, given) {
      if (study.directions)
        throw new UsageError('Expected one objective for intermediate values, got two; leave reports out');
      if (!(Number.isSafeInteger(step) && step >= 0))
        throw new UsageError(`Expected step to be an integer >= 0, got ${show(step)}`);
      const value = numbersOf(given)?.[0];
      if (value === undefined) throw new UsageError(`Expected a number to report, got ${show(given)}`);
      if (!trial.intermediate.has(step)) record([intermediateEntry(id, step, value)]);
    },
    shouldPrune() {
      storage.refresh('trials');
      const notes: Entry[] = [];
      const prune = pruner.shouldPrune(study, trial, (key, value) =>
        notes.push(trialAttrEntry('system', id, key, value)),
      );
      if (notes.length > 0) record(notes);
      return prune;
    },
    setUserAttr(key, value) {
      checkAttribute(key, value);
      record([trialAttrEntry('user', id, key, value)]);
    },
  };
}

/** A value alone, or those of an array or typed array. */
export const listOf = (given: unknown): unknown[] =>
  Array.isArray(given) || ArrayBuffer.isView(given) ? Array.from(given as ArrayLike<unknown>) : [given];

/** The numbers that an objective returned, which may be NaN; null for anything else. */
function numbersOf(given: unknown, count = 1): number[] | null {
  const list = listOf(given);
  return list.length === count && list.every((value) => typeof value === 'number') ? list : null;
}

/** @throws UsageError for null or what JSON cannot hold */
export function checkAttribute(key: string, value: unknown): void {
  if (typeof key !== 'string')
    throw new UsageError(`Expected the name of an attribute to be a string, got ${show(key)}`);
  let read: unknown;
  try {
    read = value === undefined ? null : parseJson(formatJson(value));
  } catch (error) {
    throw new UsageError(`Expected attribute ${key} to be JSON: ${(error as Error).message}`);
  }
  if (read === null)
    throw new UsageError(`Expected a value for the attribute ${key}, got ${show(value)}; leave it out`);
}

/** Records of what a trial violates; none without constraints, or where a pruned trial did not record their metrics. */
function constraintEntries(
  trial: Trial,
  { constraints }: Scoring,
  values: Readonly<Record<string, number>> | null,
): Entry[] {
  if (constraints.length === 0) return [];
  const unmeasured = constraints
    .filter((constraint) => measured(constraint, trial, values ?? {}) === undefined)
    .map(({ metric }) => metric);
  if (values === null && unmeasured.length > 0) return [];
  const note = (key: string, value: unknown) => trialAttrEntry('system', trial.id, key, value);
  const violated = note(CONSTRAINTS, violations(constraints, trial, values ?? {}));
  return unmeasured.length > 0 ? [violated, note(UNMEASURED, unmeasured)] : [violated];
}

/** @throws UsageError for an object with another state, or a reason or message that is not a string */
function checkEnding(outcome: Outcome): Ending {
  if (typeof outcome !== 'object' || outcome === null || !('state' in outcome))
    return { state: 'complete', value: outcome };
  const { state, reason, message } = outcome as Record<string, unknown>;
  const isText = (value: unknown) => value === undefined || typeof value === 'string';
  if (!['complete', 'pruned', 'fail'].includes(state as string) || !isText(reason) || !isText(message))
    throw new UsageError(
      `Expected a value, { state: 'pruned' } or { state: 'fail', reason, message } to tell, got ${show(outcome)}`,
    );
  return outcome;
}

/**
 * Records that end a trial; none where it is already finished. NaN, and anything that is not a number (or two numbers, of
 * two objectives), fail it.
 * @throws UsageError for an object that is not an outcome
 */
export function outcomeEntries(trial: Trial, outcome: Outcome, now: number, scoring: Scoring): Entry[] {
  let ending = checkEnding(outcome);
  if (isFinished(trial.state)) return [];
  const times = { start: trial.start, end: now };
  if (ending.state === 'complete') {
    const { objectives } = scoring;
    const values = numbersOf(ending.value, objectives.length);
    if (values !== null && !values.some(Number.isNaN)) {
      const byName = Object.fromEntries(objectives.map((name, k) => [name, values[k]!]));
      return [...constraintEntries(trial, scoring, byName), finishEntry(trial.id, 'complete', values, times)];
    }
    const wanted = objectives.length === 1 ? 'a number' : `two numbers (${objectives.join(', ')})`;
    const message = `Expected the objective to return ${wanted}, got ${show(ending.value)}`;
    ending = { state: 'fail', reason: 'nan', message };
  }
  if (ending.state === 'pruned') {
    const step = lastStep(trial);
    const last = step === null ? Number.NaN : trial.intermediate.get(step)!;
    return [
      ...constraintEntries(trial, scoring, null),
      finishEntry(trial.id, 'pruned', Number.isNaN(last) ? null : [last], times),
    ];
  }
  const notes: [string, unknown][] = [
    ['fail_reason', ending.reason?.slice(0, 2000)],
    ['fail_message', ending.message?.slice(0, 2000)],
    ['cost_seconds', trial.start === null ? undefined : (now - trial.start) / 1000],
  ];
  const entries = notes.filter(([, value]) => value !== undefined && value !== '');
  return [
    ...entries.map(([key, value]) => trialAttrEntry('user', trial.id, key, value)),
    finishEntry(trial.id, 'fail', null, times),
  ];
}
