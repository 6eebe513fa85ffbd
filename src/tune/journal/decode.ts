// Decodes the untyped records of a journal and checks every field. A record must pass the same rules before it is
// written. Optuna could not load what is refused here either; what it loads is accepted.

import { parseJson, show } from '../../base/json.js';
import { isObject } from '../../base/valid.js';
import { float, int } from '../distributions.js';
import { own } from '../objects.js';
import type { Choice, Direction, Distribution, Trial, TrialState } from '../types.js';
import { op, parseDate, states } from './records.js';

/** A trial as a record creates it. */
export type NewTrialFields = Pick<Trial, 'state' | 'userAttrs' | 'systemAttrs' | 'start' | 'end'> & {
  values: readonly number[] | null;
  params: [name: string, internal: number, distribution: Distribution][];
  intermediate: [step: number, value: number][];
};

/** What records do to a log. Ids that name nothing have no effect. */
export type Operations = {
  createStudy(name: string, directions: Direction[]): void;
  deleteStudy(studyId: number): void;
  createTrial(studyId: number, trial: NewTrialFields): void;
  setParam(trialId: number, name: string, internal: number, distribution: Distribution): void;
  /** `date` is the start of a running trial, the end of a finished one. */
  setState(trialId: number, state: TrialState, values: readonly number[] | null, date: number | null): void;
  setIntermediate(trialId: number, step: number, value: number): void;
  setAttribute(
    of: 'study' | 'trial',
    kind: 'userAttrs' | 'systemAttrs',
    id: number,
    key: string,
    value: unknown,
  ): void;
};

/** A checked record: does what it says to a log. */
export type Effect = (log: Operations) => void;

/** Distributions by their text, so that each is parsed once. */
export type KnownDistributions = Map<string, Distribution>;

type Fields = Record<string, unknown>;

const isString = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown) => typeof value === 'number';

function check<T>(value: unknown, name: string, accepts: (value: unknown) => boolean, kind: string): T {
  if (!accepts(value))
    throw new Error(`expected ${name} to be ${kind}, got ${value === undefined ? 'nothing' : show(value)}`);
  return value as T;
}

const integer = (record: Fields, key: string) =>
  check<number>(record[key], key, Number.isInteger, 'an integer');
const number = (value: unknown, name: string) => check<number>(value, name, isNumber, 'a number');
const string = (record: Fields, key: string) => check<string>(record[key], key, isString, 'a string');
/** An object, empty where the key is absent or null. */
const object = (record: Fields, key: string) => check<Fields>(record[key] ?? {}, key, isObject, 'an object');

/** Milliseconds; null where the key is absent or null. */
function optionalDate(record: Fields, key: string): number | null {
  return (record[key] ?? null) === null ? null : date(record, key);
}

function date(record: Fields, key: string): number {
  const isDate = (value: unknown) => typeof value === 'string' && !Number.isNaN(parseDate(value));
  return parseDate(check(record[key], key, isDate, 'a date'));
}

function stateOf(code: unknown): TrialState {
  const isCode = (value: unknown) => typeof value === 'number' && value in states;
  return states[check<number>(code, 'state', isCode, '0 to 4')]!;
}

/** One value an objective; null without any. */
function valuesOf(values: unknown): number[] | null {
  const list = check<number[] | null>(
    values,
    'values',
    (value) => value === null || (Array.isArray(value) && value.every(isNumber)),
    'an array of numbers or null',
  );
  return list !== null && list.length > 0 ? list : null;
}

function attribute(record: Fields, of: 'study' | 'trial', kind: 'user' | 'system'): Effect {
  const key = `${kind}_attr`;
  const entries = Object.entries(check<Fields>(record[key], key, isObject, 'an object'));
  if (entries.length !== 1) throw new Error(`expected one key in ${key}, got ${show(record[key])}`);
  const id = integer(record, `${of}_id`);
  return (log) => log.setAttribute(of, `${kind}Attrs`, id, ...entries[0]!);
}

function internalValue(distribution: Distribution, value: unknown, name: string): number {
  if (distribution.kind === 'categorical') {
    const count = distribution.choices.length;
    const isIndex = (x: unknown) => Number(x) >= 0 && Number(x) < count;
    return check(number(value, name), name, isIndex, `the index of one of ${count} choices`);
  }
  return check(value, name, Number.isFinite, 'a finite number');
}

function createTrial(record: Fields, known: KnownDistributions): Effect {
  if (!('datetime_start' in record)) throw new Error('expected datetime_start, a date or null');
  const id = integer(record, 'study_id');
  const distributions = object(record, 'distributions');
  const { value = null, values = null, state = 0 } = record;
  const trial: NewTrialFields = {
    state: stateOf(state ?? 0),
    values: value === null ? valuesOf(values) : [number(value, 'value')],
    params: Object.entries(object(record, 'params')).map(([name, internal]) => {
      const distribution = distributionOf(own(distributions, name), known);
      return [name, internalValue(distribution, internal, name), distribution];
    }),
    intermediate: Object.entries(object(record, 'intermediate_values')).map(([step, reported]) => [
      check(Number(step), 'a step', Number.isInteger, 'an integer'),
      number(reported, `the value of step ${step}`),
    ]),
    userAttrs: object(record, 'user_attrs'),
    systemAttrs: object(record, 'system_attrs'),
    start: optionalDate(record, 'datetime_start'),
    end: optionalDate(record, 'datetime_complete'),
  };
  return (log) => log.createTrial(id, trial);
}

function setState(record: Fields): Effect {
  const id = integer(record, 'trial_id');
  const state = stateOf(record.state);
  const values = valuesOf(record.values);
  const key = state === 'running' ? 'datetime_start' : 'datetime_complete';
  const at = state === 'waiting' ? null : date(record, key);
  return (log) => log.setState(id, state, values, at);
}

function createStudy(record: Fields): Effect {
  const name = string(record, 'study_name');
  const isCode = (code: unknown) => code === 0 || code === 1 || code === 2;
  const directions = check<unknown[]>(record.directions, 'directions', Array.isArray, 'an array').map(
    (code): Direction => (check(code, 'a direction', isCode, '0, 1 or 2') === 2 ? 'maximize' : 'minimize'),
  );
  return (log) => log.createStudy(name, directions);
}

const decoders: Record<number, (record: Fields, known: KnownDistributions) => Effect> = {
  [op.createStudy]: createStudy,
  [op.deleteStudy]: (record) => {
    const id = integer(record, 'study_id');
    return (log) => log.deleteStudy(id);
  },
  [op.studyUserAttr]: (record) => attribute(record, 'study', 'user'),
  [op.studySystemAttr]: (record) => attribute(record, 'study', 'system'),
  [op.createTrial]: createTrial,
  [op.setParam]: (record, known) => {
    const [id, name] = [integer(record, 'trial_id'), string(record, 'param_name')];
    const distribution = distributionOf(record.distribution, known);
    const internal = internalValue(distribution, record.param_value_internal, 'param_value_internal');
    return (log) => log.setParam(id, name, internal, distribution);
  },
  [op.setState]: setState,
  [op.intermediate]: (record) => {
    const [id, step] = [integer(record, 'trial_id'), integer(record, 'step')];
    const value = number(record.intermediate_value, 'intermediate_value');
    return (log) => log.setIntermediate(id, step, value);
  },
  [op.trialUserAttr]: (record) => attribute(record, 'trial', 'user'),
  [op.trialSystemAttr]: (record) => attribute(record, 'trial', 'system'),
  [op.discardTrials]: () => () => {},
};

/**
 * Checks one parsed line.
 * @param known distributions parsed so far; added to
 * @throws Error naming the field, what was expected and what was found
 */
export function decodeRecord(record: unknown, known: KnownDistributions = new Map()): Effect {
  const fields = check<Fields>(record, 'a record', isObject, 'an object');
  const code = integer(fields, 'op_code');
  string(fields, 'worker_id');
  const decode = Object.hasOwn(decoders, code) ? decoders[code] : undefined;
  if (!decode) throw new Error(`expected op_code to be 0 to 10, got ${code}`);
  return decode(fields, known);
}

function distributionOf(value: unknown, known: KnownDistributions): Distribution {
  const text = check<string>(value, 'a distribution', isString, 'a string');
  let found = known.get(text);
  if (!found) known.set(text, (found = distributionFromJson(text)));
  return found;
}

/** Classes that Optuna 2 wrote: [kind, log, name of the step's key]. */
const retired: Record<string, ['float' | 'int', boolean, string]> = {
  UniformDistribution: ['float', false, ''],
  LogUniformDistribution: ['float', true, ''],
  DiscreteUniformDistribution: ['float', false, 'q'],
  IntUniformDistribution: ['int', false, 'step'],
  IntLogUniformDistribution: ['int', true, ''],
};

/**
 * Reads what `distributionToJson` or any Optuna version wrote, its abbreviated form included. Choices that are lists or
 * objects, which Python may hold, become their JSON text.
 * @throws Error for an unknown class or impossible attributes
 */
export function distributionFromJson(text: string): Distribution {
  const { name, attributes, ...short } = check<Fields>(
    parseJson(text),
    'a distribution',
    isObject,
    'an object',
  );
  const values = check<Fields>(attributes ?? short, 'attributes', isObject, 'an object');
  if (name === 'CategoricalDistribution' || short.type === 'categorical') {
    const choices = check<unknown[]>(
      values.choices,
      'choices',
      (value) => Array.isArray(value) && value.length > 0,
      'a list of choices',
    );
    // Python may hold choices that ours refuses (1 and True); reading keeps them.
    const readable = choices.map((choice) =>
      typeof choice === 'object' && choice !== null ? JSON.stringify(choice) : (choice as Choice),
    );
    return { kind: 'categorical', choices: readable };
  }
  const known: Record<string, ['float' | 'int', boolean, string]> = {
    ...retired,
    FloatDistribution: ['float', values.log === true, 'step'],
    IntDistribution: ['int', values.log === true, 'step'],
  };
  const shortNames: Record<string, string> = { float: 'FloatDistribution', int: 'IntDistribution' };
  const className = isString(name) ? name : isString(short.type) && own(shortNames, short.type);
  const found = className ? own(known, className) : undefined;
  if (!found) throw new Error(`the unknown distribution ${show(name ?? short.type ?? null)}`);
  const [kind, log, stepKey] = found;
  const step = (values[stepKey] ?? null) as number | null;
  const [low, high] = [values.low as number, values.high as number];
  // Python's integers have no largest one; the journal holds those beyond 2^53 as doubles.
  const isHuge = [low, high].every(Number.isInteger) && ![low, high, high - low].every(Number.isSafeInteger);
  if (kind === 'int' && isHuge && low <= high && !(log && low < 1))
    return { kind, low, high, log, step: step ?? 1 };
  const make = kind === 'int' ? int : float;
  return make(low, high, { log, step });
}
