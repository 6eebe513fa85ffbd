// A trial under way, as the objective sees it, and how it ends. Every report is on disk when the call returns.

import { UsageError } from '../base/errors.js';
import { formatJson } from '../base/json.js';
import { type Entry, finishEntry, intermediateEntry, isFinished, trialAttrEntry } from './journal/records.js';
import type { Storage } from './journal/storage.js';
import { lastStep } from './pruners/steps.js';
import type { Params, Pruner, StudyView, Trial } from './types.js';

/** Thrown by an objective that `shouldPrune` told to stop. */
export class TrialPruned extends Error {
  override readonly name: string = 'TrialPruned';
  constructor(message = 'pruned') {
    super(message);
  }
}

/**
 * How a trial ended: a value, pruned, or failed for a reason (`diverged`, `out_of_memory`, `nan`, `infeasible`,
 * `killed`, `interrupted`, `exception` or the objective's own).
 */
export type Outcome = number | { state: 'pruned' } | { state: 'fail'; reason: string; message?: string };

/** A trial that was asked for and not told yet. */
export type RunningTrial = {
  readonly number: number;
  readonly id: number;
  readonly params: Params;
  /** Aborts when the study is asked to stop; the objective may throw then, or return if it is about to finish. */
  readonly signal: AbortSignal;
  /**
   * Records an intermediate value; the first report of a step counts.
   * @param step an integer >= 0, such as the percentage of the budget used
   * @throws UsageError for another step, or when the trial is finished
   */
  report(step: number, value: number): void;
  /** Whether the study's pruner would stop the trial now; the objective then throws `TrialPruned`. */
  shouldPrune(): boolean;
  /**
   * Stores something with the trial: the effective configuration, tokens seen, a path.
   * @throws UsageError for null (the dashboard cannot show it) or what JSON cannot hold
   */
  setUserAttr(key: string, value: unknown): void;
};

export function openTrial(
  storage: Storage,
  study: StudyView,
  pruner: Pruner,
  trial: Trial,
  signal: AbortSignal,
): RunningTrial {
  const { number, id } = trial;

  /** Appends unless another process has finished the trial (took it for dead, or Python told it). */
  function record(entries: Entry[]): void {
    if (isFinished(trial.state)) throw new UsageError(`Trial ${number} is already finished (${trial.state})`);
    storage.transact(() => (isFinished(trial.state) ? [] : entries));
  }

  return {
    number,
    id,
    params: { ...trial.params },
    signal,
    report(step, value) {
      if (!(Number.isInteger(step) && step >= 0))
        throw new UsageError(`Expected step to be an integer >= 0, got ${step}`);
      if (typeof value !== 'number')
        throw new UsageError(`Expected a number to report, got ${String(value)}`);
      if (!trial.intermediate.has(step)) record([intermediateEntry(id, step, value)]);
    },
    shouldPrune() {
      storage.refresh();
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

/** @throws UsageError for null or what JSON cannot hold */
export function checkAttribute(key: string, value: unknown): void {
  if (value === null || value === undefined)
    throw new UsageError(`Expected a value for the attribute ${key}, got ${value}; leave it out`);
  try {
    formatJson(value);
  } catch (error) {
    throw new UsageError(`Expected attribute ${key} to be JSON: ${(error as Error).message}`);
  }
}

/** Records that end a trial; none where it is already finished. */
export function outcomeEntries(trial: Trial, outcome: Outcome, now: number): Entry[] {
  if (isFinished(trial.state)) return [];
  const times = { start: trial.start, end: now };
  if (typeof outcome === 'number' && !Number.isNaN(outcome))
    return [finishEntry(trial.id, 'complete', outcome, times)];
  if (typeof outcome === 'object' && outcome?.state === 'pruned') {
    const step = lastStep(trial);
    const last = step === null ? Number.NaN : trial.intermediate.get(step)!;
    return [finishEntry(trial.id, 'pruned', Number.isNaN(last) ? null : last, times)];
  }
  const failure =
    typeof outcome === 'object' && outcome !== null
      ? outcome
      : { reason: 'nan', message: `Expected the objective to return a number, got ${String(outcome)}` };
  const note = (key: string, value: unknown) => trialAttrEntry('user', trial.id, key, value);
  const entries = [note('fail_reason', failure.reason)];
  if (failure.message) entries.push(note('fail_message', failure.message.slice(0, 2000)));
  if (trial.start !== null) entries.push(note('cost_seconds', (now - trial.start) / 1000));
  return [...entries, finishEntry(trial.id, 'fail', null, times)];
}
