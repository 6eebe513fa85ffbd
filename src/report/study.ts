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

/** Complete trials with a finite value. */
export const completeTrials = (study: ReportedStudy): (Trial & { value: number })[] =>
  study.trials.filter(
    (trial): trial is Trial & { value: number } => trial.state === 'complete' && Number.isFinite(trial.value),
  );

/** Every parameter that a trial used, with its distribution as last used. */
export function usedSpace(study: ReportedStudy): SearchSpace {
  const space: SearchSpace = {};
  for (const trial of study.trials) Object.assign(space, trial.distributions);
  return space;
}

/**
 * The range of values worth drawing: all that are not far worse than the middle ones.
 * @returns [low, high] with a margin, for either direction
 */
export function drawnRange(
  values: readonly number[],
  include: readonly number[],
  minimize: boolean,
): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
  const reach = 1.5 * (quantile(0.75) - quantile(0.25) || Math.abs(quantile(0.5)) * 0.01 || 1);
  const wanted = minimize
    ? [sorted[0]!, Math.min(sorted.at(-1)!, quantile(0.75) + reach), ...include]
    : [Math.max(sorted[0]!, quantile(0.25) - reach), sorted.at(-1)!, ...include];
  const [low, high] = [Math.min(...wanted), Math.max(...wanted)];
  const margin = 0.06 * (high - low || 1);
  return [low - margin, high + margin];
}
