// The study as the report sees it.

import type { Attributes, Direction, SearchSpace, Trial } from '../tune/types.js';

/** Any journal's study: ours, or one that Optuna wrote. */
export type ReportedStudy = {
  readonly name: string;
  readonly direction: Direction;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  readonly systemAttrs?: Attributes;
};

/** What the value is called. */
export function metricName(study: ReportedStudy): string {
  const names = study.systemAttrs?.['study:metric_names'];
  if (Array.isArray(names) && typeof names[0] === 'string') return names[0];
  const { objective } = study.userAttrs;
  return typeof objective === 'object' && objective !== null && 'eval_tokens' in objective
    ? 'val_bpb'
    : 'value';
}

/** Every parameter that a trial used, with its distribution as last used. */
export function usedSpace(study: ReportedStudy): SearchSpace {
  let space: SearchSpace = {};
  for (const trial of study.trials) space = { ...space, ...trial.distributions };
  return space;
}
