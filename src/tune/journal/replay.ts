// Turns the records of a journal into studies and trials, with Optuna's semantics: records about unknown or
// finished trials are ignored, the first claim of a waiting trial wins, ids count what was created.
// Malformed records throw, since Optuna could not load them either; the caller adds the file and line.

import { formatJson } from '../../base/json.js';
import { fromInternal } from '../distributions.js';
import type { Attributes, Direction, Distribution, Trial } from '../types.js';
import { distributionFromJson, isFinished, op, parseDate, states } from './records.js';

/** A study as the log holds it. `trials[i].number === i`. */
export type StudyLog = {
  readonly id: number;
  readonly name: string;
  readonly directions: readonly Direction[];
  readonly userAttrs: Attributes;
  readonly systemAttrs: Attributes;
  readonly trials: Trial[];
};

/** The state of a log after the records so far; live. */
export type Replay = {
  /** In order of creation, deleted ones left out. */
  studies(): StudyLog[];
  study(name: string): StudyLog | undefined;
  /** How many studies were ever created: the next one's id. */
  studyCount(): number;
  trial(id: number): Trial | undefined;
  /** @throws Error for a record that no version of Optuna accepts */
  apply(record: unknown): void;
};

type Fields = Record<string, unknown>;

function describe(value: unknown): string {
  return value === undefined ? 'nothing' : formatJson(value).slice(0, 60);
}

function field<T>(record: Fields, key: string, accepts: (value: unknown) => boolean, kind: string): T {
  if (!accepts(record[key])) throw new Error(`expected ${key} to be ${kind}, got ${describe(record[key])}`);
  return record[key] as T;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isString = (value: unknown) => typeof value === 'string';
const isNumber = (value: unknown) => typeof value === 'number';
const isId = (value: unknown) => Number.isInteger(value);

function oneAttribute(record: Fields, key: string): Attributes {
  const attribute = field<Attributes>(record, key, isObject, 'an object');
  if (Object.keys(attribute).length !== 1)
    throw new Error(`expected one key in ${key}, got ${describe(attribute)}`);
  return attribute;
}

/** Milliseconds; null where the key is absent or null. */
function date(record: Fields, key: string): number | null {
  if (record[key] === undefined || record[key] === null) return null;
  const ms = parseDate(field(record, key, isString, 'a date'));
  if (Number.isNaN(ms)) throw new Error(`expected ${key} to be a date, got ${describe(record[key])}`);
  return ms;
}

function stateOf(code: unknown) {
  const state = states[code as number];
  if (!state) throw new Error(`expected state to be 0 to 4, got ${describe(code)}`);
  return state;
}

/** Same class, log flag and choices: what Optuna asks of two distributions under one name. */
export function compatible(a: Distribution, b: Distribution): boolean {
  if (a.kind === 'categorical' || b.kind === 'categorical')
    return a.kind === b.kind && formatJson(a) === formatJson(b);
  return a.kind === b.kind && a.log === b.log;
}

/** An empty log. */
export function createReplay(): Replay {
  const studies = new Map<number, StudyLog>();
  const firstDistributions = new Map<number, Map<string, Distribution>>();
  const trials: { trial: Trial; studyId: number }[] = [];
  const parsed = new Map<string, Distribution>();
  let studyCount = 0;

  function distribution(text: unknown): Distribution {
    if (typeof text !== 'string')
      throw new Error(`expected a distribution as a string, got ${describe(text)}`);
    let found = parsed.get(text);
    if (!found) parsed.set(text, (found = distributionFromJson(text)));
    return found;
  }

  function ownStudy(record: Fields): StudyLog | undefined {
    return studies.get(field<number>(record, 'study_id', isId, 'an integer'));
  }

  /** The trial meant, or undefined where the record has no effect. */
  function openTrial(record: Fields): { trial: Trial; studyId: number } | undefined {
    const entry = trials[field<number>(record, 'trial_id', isId, 'an integer')];
    return entry && !isFinished(entry.trial.state) ? entry : undefined;
  }

  function setParam(trial: Trial, studyId: number, name: string, dist: Distribution, internal: number): void {
    const first = firstDistributions.get(studyId)!;
    if (!first.has(name)) first.set(name, dist);
    trial.distributions[name] = dist;
    trial.params[name] = fromInternal(dist, internal);
  }

  function setState(trial: Trial, state: Trial['state'], value: number | null): void {
    // A complete trial without a usable value would poison every reader; Optuna never writes one.
    const unusable = state === 'complete' && (value === null || Number.isNaN(value));
    trial.state = unusable ? 'fail' : state;
    trial.value = unusable ? null : value;
  }

  function createStudy(record: Fields): void {
    const name = field<string>(record, 'study_name', isString, 'a string');
    const codes = field<unknown[]>(record, 'directions', Array.isArray, 'an array');
    const directions = codes.map((code) => (code === 2 ? 'maximize' : 'minimize') as Direction);
    for (const study of studies.values()) if (study.name === name) return;
    const id = studyCount++;
    studies.set(id, { id, name, directions, userAttrs: {}, systemAttrs: {}, trials: [] });
    firstDistributions.set(id, new Map());
  }

  function createTrial(record: Fields): void {
    const study = ownStudy(record);
    if (!study) return;
    if (!('datetime_start' in record)) throw new Error('expected datetime_start, a date or null');
    const trial: Trial = {
      number: study.trials.length,
      id: trials.length,
      state: 'running',
      value: null,
      params: {},
      distributions: {},
      intermediate: new Map(),
      userAttrs: { ...((record.user_attrs ?? {}) as Attributes) },
      systemAttrs: { ...((record.system_attrs ?? {}) as Attributes) },
      start: date(record, 'datetime_start'),
      end: date(record, 'datetime_complete'),
    };
    const distributions = (record.distributions ?? {}) as Fields;
    for (const [name, internal] of Object.entries((record.params ?? {}) as Fields))
      setParam(trial, study.id, name, distribution(distributions[name]), internal as number);
    for (const [step, value] of Object.entries((record.intermediate_values ?? {}) as Fields))
      trial.intermediate.set(Number(step), value as number);
    const values = record.values as number[] | null | undefined;
    const value = (record.value as number | null | undefined) ?? values?.[0] ?? null;
    setState(trial, stateOf(record.state ?? 0), value);
    trials.push({ trial, studyId: study.id });
    study.trials.push(trial);
  }

  function setTrialParam(record: Fields): void {
    const open = openTrial(record);
    if (!open) return;
    const name = field<string>(record, 'param_name', isString, 'a string');
    const internal = field<number>(record, 'param_value_internal', isNumber, 'a number');
    const dist = distribution(record.distribution);
    const first = firstDistributions.get(open.studyId)!.get(name);
    if (first === undefined || compatible(first, dist))
      setParam(open.trial, open.studyId, name, dist, internal);
  }

  function setTrialState(record: Fields): void {
    const open = openTrial(record);
    if (!open) return;
    const { trial } = open;
    const state = stateOf(record.state);
    const values = field<number[] | null>(
      record,
      'values',
      (v) => v === null || Array.isArray(v),
      'an array or null',
    );
    if (state === 'running') {
      if (trial.state === 'running') return; // another worker's claim came first
      trial.start = date(
        { datetime_start: field(record, 'datetime_start', isString, 'a date') },
        'datetime_start',
      );
    }
    if (isFinished(state))
      trial.end = date(
        { datetime_complete: field(record, 'datetime_complete', isString, 'a date') },
        'datetime_complete',
      );
    setState(trial, state, values?.[0] ?? trial.value);
  }

  const handlers: Record<number, (record: Fields) => void> = {
    [op.createStudy]: createStudy,
    [op.deleteStudy]: (record) => {
      studies.delete(field<number>(record, 'study_id', isId, 'an integer'));
    },
    [op.studyUserAttr]: (record) => {
      Object.assign(ownStudy(record)?.userAttrs ?? {}, oneAttribute(record, 'user_attr'));
    },
    [op.studySystemAttr]: (record) => {
      Object.assign(ownStudy(record)?.systemAttrs ?? {}, oneAttribute(record, 'system_attr'));
    },
    [op.createTrial]: createTrial,
    [op.setParam]: setTrialParam,
    [op.setState]: setTrialState,
    [op.intermediate]: (record) => {
      const step = field<number>(record, 'step', isId, 'an integer');
      const value = field<number>(record, 'intermediate_value', isNumber, 'a number');
      openTrial(record)?.trial.intermediate.set(step, value);
    },
    [op.trialUserAttr]: (record) => {
      Object.assign(openTrial(record)?.trial.userAttrs ?? {}, oneAttribute(record, 'user_attr'));
    },
    [op.trialSystemAttr]: (record) => {
      Object.assign(openTrial(record)?.trial.systemAttrs ?? {}, oneAttribute(record, 'system_attr'));
    },
    [op.discardTrials]: () => {},
  };

  function apply(record: unknown): void {
    if (!isObject(record)) throw new Error(`expected an object, got ${describe(record)}`);
    const code = field<number>(record, 'op_code', isId, 'an integer');
    field(record, 'worker_id', isString, 'a string');
    const handle = handlers[code];
    if (!handle) throw new Error(`expected op_code to be 0 to 10, got ${code}`);
    handle(record);
  }

  return {
    studies: () => [...studies.values()],
    study: (name) => [...studies.values()].find((study) => study.name === name),
    studyCount: () => studyCount,
    trial: (id) => trials[id]?.trial,
    apply,
  };
}
