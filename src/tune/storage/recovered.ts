// A result that came after others had given the trial up: recorded as a trial of its own, since a trial that has ended
// cannot be changed.

import { toInternal } from '../distributions.js';
import {
  distributionToJson,
  type Entry,
  finishEntry,
  formatDate,
  op,
  trialAttrEntry,
} from '../journal/records.js';
import type { StudyLog } from '../journal/replay.js';
import type { Trial } from '../types.js';

/** System attribute of such a trial: the number of the one that was given up. */
const RECOVERED = 'tinygpt:recovered_from';

/** Why a trial that was enqueued to repeat it failed. */
export const SUPERSEDED = 'superseded';

/** Whether a trial repeats another that was cut short. */
export const isRetryOf =
  ({ number }: Trial) =>
  ({ systemAttrs: { retry_history: history } }: Trial): boolean =>
    Array.isArray(history) && history.at(-1) === number;

/**
 * Records that add the result, and fail the attempt that was enqueued in its place unless it has begun. None where that
 * has happened already.
 * @param entries what was recorded of the trial since it was given up
 * @param end the one of them that ends it
 */
export function recoveredEntries(
  study: StudyLog,
  trial: Trial,
  entries: readonly Entry[],
  end: Entry,
): Entry[] {
  if (study.trials.some(({ systemAttrs }) => systemAttrs[RECOVERED] === trial.number)) return [];
  const attrs = (kind: 'user_attr' | 'system_attr') =>
    Object.assign({}, ...entries.flatMap((entry) => (entry[kind] ? [entry[kind]] : []))) as object;
  const { fail_reason: _, fail_message: __, ...userAttrs } = trial.userAttrs;
  const names = Object.keys(trial.params);
  const internal = (name: string) => toInternal(trial.distributions[name]!, trial.params[name]!);
  const reports = entries.filter(({ op_code }) => op_code === op.intermediate);
  const again = study.trials.filter(isRetryOf(trial)).filter(({ state }) => state === 'waiting');
  return [
    {
      op_code: op.createTrial,
      study_id: study.id,
      datetime_start: trial.start === null ? null : formatDate(trial.start),
      datetime_complete: end.datetime_complete,
      state: end.state,
      value: null,
      values: end.values,
      distributions: Object.fromEntries(
        names.map((name) => [name, distributionToJson(trial.distributions[name]!)]),
      ),
      params: Object.fromEntries(names.map((name) => [name, internal(name)])),
      user_attrs: { ...userAttrs, ...attrs('user_attr') },
      system_attrs: { ...trial.systemAttrs, ...attrs('system_attr'), [RECOVERED]: trial.number },
      intermediate_values: Object.fromEntries([
        ...trial.intermediate,
        ...reports.map(
          ({ step, intermediate_value }) => [step as number, intermediate_value as number] as const,
        ),
      ]),
    },
    ...again.flatMap(({ id }) => [
      trialAttrEntry('user', id, 'fail_reason', SUPERSEDED),
      finishEntry(id, 'fail', null, { start: null, end: Date.now() }),
    ]),
  ];
}
