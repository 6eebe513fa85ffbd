// Trials as Optuna's gRPC storage proxy gives and takes them: dates without a time zone, values as JSON.

import { formatJson, parseJson } from '../../base/json.js';
import { fromInternal } from '../distributions.js';
import { type Entry, parseDate, states } from '../journal/records.js';
import { type StudyLog, setState } from '../journal/replay.js';
import { HEARTBEAT } from '../liveness.js';
import { setOwn } from '../objects.js';
import type { Attributes, Distribution, Trial } from '../types.js';
import type { WireTrial } from './network/grpcEndpoint.js';

/** System attribute that tells whether a creation whose answer was lost has happened. */
export const TOKEN = 'tinygpt:creation';

/** Attributes, whose values are JSON there. */
export function attributes(wire: Record<string, string>): Attributes {
  const read: Attributes = {};
  for (const [key, value] of Object.entries(wire)) setOwn(read, key, parseJson(value));
  return read;
}

/** A trial of a study as the server gives it. @param distribution reads the JSON of a distribution */
export function trialFrom(
  wire: WireTrial,
  study: Pick<StudyLog, 'directions'>,
  distribution: (text: string) => Distribution,
): Trial {
  const trial: Trial = {
    number: wire.number,
    id: wire.trial_id,
    state: 'running',
    value: null,
    params: {},
    distributions: {},
    intermediate: new Map(wire.intermediate_values.map(({ key, value }) => [key, value])),
    userAttrs: attributes(wire.user_attributes),
    systemAttrs: attributes(wire.system_attributes),
    start: dateOf(wire.datetime_start),
    end: dateOf(wire.datetime_complete),
  };
  for (const [name, text] of Object.entries(wire.distributions)) {
    setOwn(trial.distributions, name, distribution(text));
    setOwn(trial.params, name, fromInternal(distribution(text), wire.params[name]!));
  }
  setState(trial, states[wire.state]!, wire.values.length > 0 ? wire.values : null, study);
  return trial;
}

/** Whether this is the trial that had the number before. MySQL keeps dates in seconds, the proxy's memory in microseconds. */
export const isSame = (before: Trial, now: Trial): boolean =>
  before.id === now.id &&
  (before.start === null || (now.start !== null && Math.abs(now.start - before.start) < 2000)) &&
  before.systemAttrs[TOKEN] === now.systemAttrs[TOKEN];

/** Local time, as the server writes it; null for none. */
const dateOf = (text: string): number | null => (text === '' ? null : parseDate(text.replace(' ', 'T')));

/** The server's form of a record's date. */
function wireDate(text: unknown): string {
  if (typeof text !== 'string') return '';
  const local = new Date(parseDate(text));
  const shifted = new Date(local.getTime() - local.getTimezoneOffset() * 60_000);
  return shifted.toISOString().replace('T', ' ').replace('Z', '000');
}

/** A trial to be created from a record. @param token for `TOKEN` */
export function wireOf(entry: Entry, token: string): WireTrial {
  const texts = (values: unknown) =>
    Object.fromEntries(Object.entries(values as Attributes).map(([key, value]) => [key, formatJson(value)]));
  const intermediate = Object.entries(entry.intermediate_values as Record<string, number>);
  const more = { [TOKEN]: token, ...(entry.state === 0 && { [HEARTBEAT]: entry.datetime_start }) };
  return {
    trial_id: 0,
    number: 0,
    state: entry.state as number,
    values: (entry.values as number[] | null) ?? [],
    datetime_start: wireDate(entry.datetime_start),
    datetime_complete: wireDate(entry.datetime_complete),
    params: entry.params as Record<string, number>,
    distributions: entry.distributions as Record<string, string>,
    user_attributes: texts(entry.user_attrs),
    system_attributes: texts({ ...(entry.system_attrs as Attributes), ...more }),
    intermediate_values: intermediate.map(([step, value]) => ({ key: Number(step), value })),
  };
}
