// A study's trials for other tools: CSV for spreadsheets and data frames, JSON Lines for programs.

import { formatStandardJson } from '../base/json.js';
import type { Trial } from '../tune/types.js';
import { secondsOf } from './labels.js';
import { metricNames, outcomesOf, type ReportedStudy, usedSpace } from './study.js';

/** Columns that every study has. */
const FIRST = ['trial', 'state'] as const;
const LAST = ['seconds', 'start', 'end'] as const;

const time = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString());

/** Attributes that are one number, text or flag, by name, in the order in which they first appear. */
function attributeNames(trials: readonly Trial[]): string[] {
  const names = new Set<string>();
  for (const { userAttrs } of trials)
    for (const [name, value] of Object.entries(userAttrs)) if (typeof value !== 'object') names.add(name);
  return [...names];
}

/**
 * The trials as CSV (RFC 4180), a row each: number, state, value of each objective, parameters as `params_NAME`, attributes as `attr_NAME`.
 * Texts that a spreadsheet would take for a formula get a quote in front.
 */
export function studyCsv(study: ReportedStudy): string {
  const params = Object.keys(usedSpace(study));
  const attributes = attributeNames(study.trials);
  const metrics = metricNames(study);
  const head = [
    ...FIRST,
    ...metrics,
    ...params.map((name) => `params_${name}`),
    ...LAST,
    ...attributes.map((name) => `attr_${name}`),
  ];
  const rows = study.trials.map((trial) => [
    trial.number,
    trial.state,
    ...metrics.map((_, k) => outcomesOf(study, trial)[k] ?? ''),
    ...params.map((name) => (Object.hasOwn(trial.params, name) ? trial.params[name] : '')),
    secondsOf(trial) ?? '',
    time(trial.start),
    time(trial.end),
    ...attributes.map((name) => (Object.hasOwn(trial.userAttrs, name) ? trial.userAttrs[name] : '')),
  ]);
  return [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function cell(value: unknown): string {
  if (typeof value === 'object' && value !== null) return '';
  const plain = String(value ?? '');
  // A number is no formula, whatever its sign.
  const text = typeof value !== 'number' && /^[=+\-@\t\r\n＝＋－＠]/.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The trials as JSON Lines, with all that the journal says of them; infinities are 1e999, NaN is null. */
export const studyJsonl = (study: ReportedStudy): string =>
  study.trials
    .map(({ number, state, value, params, intermediate, userAttrs, systemAttrs, start, end, values }) =>
      formatStandardJson({
        ...{ number, state, value, params },
        ...(values && { values }),
        intermediate: [...intermediate].sort(([a], [b]) => a - b),
        ...{ user_attrs: userAttrs, system_attrs: systemAttrs },
        ...{ start: time(start) || null, end: time(end) || null },
      }),
    )
    .map((line) => `${line}\n`)
    .join('');
