// A journal as we read it, in the shape that describe.py prints for Optuna, so that the two can be compared.

import { formatJson, parseJson } from '../../src/base/json.js';
import { distributionToJson } from '../../src/tune/journal/records.js';
import type { StudyLog } from '../../src/tune/journal/replay.js';

/** Plain data that `formatJson` writes. */
export function describeStudies(studies: readonly StudyLog[]): unknown {
  const described = studies.map(({ id, name, directions, userAttrs, systemAttrs, trials }) => ({
    id,
    name,
    directions,
    user_attrs: userAttrs,
    system_attrs: systemAttrs,
    trials: trials.map((trial) => ({
      number: trial.number,
      id: trial.id,
      state: trial.state,
      value: trial.value,
      params: trial.params,
      distributions: Object.fromEntries(
        Object.entries(trial.distributions).map(([key, value]) => [
          key,
          parseJson(distributionToJson(value)),
        ]),
      ),
      intermediate: [...trial.intermediate].sort(([a], [b]) => a - b),
      user_attrs: trial.userAttrs,
      system_attrs: trial.systemAttrs,
      start: trial.start,
      end: trial.end,
    })),
  }));
  return parseJson(formatJson(described));
}
