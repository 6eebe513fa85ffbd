// The records of Optuna's journal: one builder for each operation we write, dates, and distributions as the JSON strings
// that Optuna stores. Reading them is decode.ts, what they mean replay.ts, where they are kept storage.ts.
// Written from the format's description; checked against Optuna 5.0 by experiments/optuna-interop.

import { formatJson } from '../../base/json.js';
import { toInternal } from '../distributions.js';
import type {
  Attributes,
  Choice,
  Direction,
  Distribution,
  Params,
  SearchSpace,
  TrialState,
} from '../types.js';

/** Operation codes; 1 and 10 are read, never written. */
export const op = {
  createStudy: 0,
  deleteStudy: 1,
  studyUserAttr: 2,
  studySystemAttr: 3,
  createTrial: 4,
  setParam: 5,
  setState: 6,
  intermediate: 7,
  trialUserAttr: 8,
  trialSystemAttr: 9,
  discardTrials: 10,
} as const;

/** Trial states in the order of their codes. */
export const states: readonly TrialState[] = ['running', 'complete', 'pruned', 'fail', 'waiting'];

/** A record without its worker id, which the storage adds. */
export type Entry = { op_code: number } & Record<string, unknown>;

export function isFinished(state: TrialState): boolean {
  return state === 'complete' || state === 'pruned' || state === 'fail';
}

/** Milliseconds since the epoch as `2026-11-23T12:00:00.000000+00:00`; Python 3.7 reads no Z. */
export function formatDate(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000+00:00');
}

/** The reverse; dates without an offset are local time, as in Python. NaN for anything else. */
export function parseDate(text: string): number {
  return Date.parse(text);
}

/** @example distributionToJson(int(1, 12)) // {"name":"IntDistribution","attributes":{"log":false,...}} */
export function distributionToJson(distribution: Distribution): string {
  if (distribution.kind === 'categorical')
    return formatJson({ name: 'CategoricalDistribution', attributes: { choices: distribution.choices } });
  const { kind, low, high, log, step } = distribution;
  const name = kind === 'int' ? 'IntDistribution' : 'FloatDistribution';
  return formatJson({ name, attributes: { step, low, high, log } });
}

export function createStudyEntry(name: string, ...directions: readonly Direction[]): Entry {
  const codes = directions.map((direction) => (direction === 'minimize' ? 1 : 2));
  return { op_code: op.createStudy, study_name: name, directions: codes };
}

export function studyAttrEntry(kind: 'user' | 'system', studyId: number, key: string, value: unknown): Entry {
  return kind === 'user'
    ? { op_code: op.studyUserAttr, study_id: studyId, user_attr: { [key]: value } }
    : { op_code: op.studySystemAttr, study_id: studyId, system_attr: { [key]: value } };
}

/** Internal values by name, for the distributions given. */
function internals(params: Params, space: SearchSpace): Record<string, number> {
  const entries = Object.entries(params).map(([name, value]) => [name, toInternal(space[name]!, value)]);
  return Object.fromEntries(entries) as Record<string, number>;
}

/** What a trial is created with; `end` and `state: 'fail'` for one that never ran. */
export type NewTrial = {
  state: 'running' | 'waiting' | 'fail';
  params: Params;
  start: number | null;
  end?: number;
  userAttrs?: Attributes;
  systemAttrs?: Attributes;
};

export function createTrialEntry(studyId: number, space: SearchSpace, trial: NewTrial): Entry {
  const { state, params, start, end, userAttrs = {}, systemAttrs = {} } = trial;
  const distributions = Object.keys(params).map((name) => [name, distributionToJson(space[name]!)]);
  return {
    op_code: op.createTrial,
    study_id: studyId,
    datetime_start: start === null ? null : formatDate(start),
    ...(end === undefined ? {} : { datetime_complete: formatDate(end) }),
    state: states.indexOf(state),
    value: null,
    values: null,
    distributions: Object.fromEntries(distributions),
    params: internals(params, space),
    user_attrs: userAttrs,
    system_attrs: systemAttrs,
    intermediate_values: {},
  };
}

export function setParamEntry(
  trialId: number,
  name: string,
  value: Choice,
  distribution: Distribution,
): Entry {
  return {
    op_code: op.setParam,
    trial_id: trialId,
    param_name: name,
    param_value_internal: toInternal(distribution, value),
    distribution: distributionToJson(distribution),
  };
}

/** A waiting trial becomes running. */
export function claimEntry(trialId: number, start: number): Entry {
  return {
    op_code: op.setState,
    trial_id: trialId,
    state: 0,
    values: null,
    datetime_start: formatDate(start),
  };
}

export function finishEntry(
  trialId: number,
  state: 'complete' | 'pruned' | 'fail',
  values: readonly number[] | null,
  times: { start: number | null; end: number },
): Entry {
  return {
    op_code: op.setState,
    trial_id: trialId,
    state: states.indexOf(state),
    values,
    ...(times.start === null ? {} : { datetime_start: formatDate(times.start) }),
    datetime_complete: formatDate(times.end),
  };
}

export function intermediateEntry(trialId: number, step: number, value: number): Entry {
  return { op_code: op.intermediate, trial_id: trialId, step, intermediate_value: value };
}

export function trialAttrEntry(kind: 'user' | 'system', trialId: number, key: string, value: unknown): Entry {
  return kind === 'user'
    ? { op_code: op.trialUserAttr, trial_id: trialId, user_attr: { [key]: value } }
    : { op_code: op.trialSystemAttr, trial_id: trialId, system_attr: { [key]: value } };
}
