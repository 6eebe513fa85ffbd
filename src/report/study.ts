// The study as the report sees it.

import { isObject } from '../base/valid.js';
import { completeTrials } from '../tune/best.js';
import { choiceIndex } from '../tune/distributions.js';
import { mean } from '../tune/math/order.js';
import { own, setOwn } from '../tune/objects.js';
import type { Attributes, Direction, Distribution, SearchSpace, Trial } from '../tune/types.js';

/** Any journal's study: ours, or one that Optuna wrote. */
export type ReportedStudy = {
  readonly name: string;
  readonly direction: Direction;
  /** Those of a study of several objectives. */
  readonly directions?: readonly Direction[] | undefined;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  readonly systemAttrs?: Attributes;
  /** What `usedSpace` would find, where that is known already. */
  readonly space?: SearchSpace;
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

/** The names of the objectives. */
export function metricNames(study: ReportedStudy): string[] {
  const { directions = [study.direction], systemAttrs } = study;
  const names = systemAttrs?.['study:metric_names'];
  if (directions.length === 1) return [metricName(study)];
  const isWhole = Array.isArray(names) && names.length === directions.length;
  return directions.map((_, k) => (isWhole ? String(names[k]) : `value ${k + 1}`));
}

/** Whether a study has several objectives: it has no best trial then, but a Pareto front. */
export const isOfSeveral = (
  study: ReportedStudy,
): study is ReportedStudy & { directions: readonly Direction[] } => (study.directions?.length ?? 1) > 1;

/** A complete trial's value of each objective; none of another trial. */
export const outcomesOf = (
  study: ReportedStudy,
  { state, value, values }: Trial,
): readonly (number | null)[] => (state !== 'complete' ? [] : isOfSeveral(study) ? (values ?? []) : [value]);

/** Every parameter that a trial used, with its distribution as last used, and all choices. */
export function usedSpace(study: Pick<ReportedStudy, 'trials' | 'space'>): SearchSpace {
  if (study.space) return study.space;
  const space: SearchSpace = {};
  for (const { distributions } of study.trials) addToSpace(space, distributions);
  return space;
}

/** Adds the parameters of a trial to those that others used. Choices may differ: Optuna's `add_trial` takes any. */
export function addToSpace(space: SearchSpace, distributions: SearchSpace): void {
  for (const name of Object.keys(distributions)) {
    const [known, added] = [own(space, name), distributions[name]!];
    const both = known?.kind === 'categorical' && added.kind === 'categorical';
    setOwn(space, name, both ? withChoices(known, added) : added);
  }
}

type Choices = Extract<Distribution, { kind: 'categorical' }>;
function withChoices(known: Choices, added: Choices): Choices {
  if (added.choices.every((choice, i) => choice === known.choices[i])) return known;
  const more = added.choices.filter((choice) => choiceIndex(known, choice) < 0);
  return more.length === 0 ? known : { ...known, choices: [...known.choices, ...more] };
}

/** That a search ended because it expected no improvement beyond the noise; null where it did not. */
export function convergedText({ converged }: Attributes): string | null {
  const { trials, improvement, noise } = isObject(converged) ? converged : {};
  if (![trials, improvement, noise].every(Number.isFinite)) return null;
  const short = (value: unknown) => (value as number).toPrecision(2);
  return `Converged after ${trials} trials: the improvement still expected, ${short(improvement)}, is far below the noise, ${short(noise)}`;
}

/** Mean and standard deviation of a configuration that ran more than once. */
export type Noise = { mean: number; deviation: number; runs: number };

/** A configuration on fresh seeds, as the study's attribute `confirmation` has it; its trial, or null for the defaults. */
export type Confirmed = {
  trial: number | null;
  mean: number;
  interval: [number, number] | null;
  values: number[];
  isWinner: boolean;
};

/** What was confirmed; what is not whole in a hostile journal is left out. */
export function confirmedOf({ confirmation }: Attributes): Confirmed[] {
  const { winner, candidates } = isObject(confirmation) ? confirmation : {};
  const finite = (list: unknown): number[] =>
    Array.isArray(list) ? list.filter((value): value is number => Number.isFinite(value)) : [];
  return (Array.isArray(candidates) ? candidates : []).slice(0, 1000).flatMap((one): Confirmed[] => {
    if (!isObject(one) || !Number.isFinite(one.mean)) return [];
    if (one.trial !== 'defaults' && !Number.isSafeInteger(one.trial)) return [];
    const [low, high, ...more] = finite(one.interval);
    return [
      {
        trial: one.trial === 'defaults' ? null : (one.trial as number),
        mean: one.mean as number,
        interval: low !== undefined && high !== undefined && more.length === 0 ? [low, high] : null,
        values: finite(one.values),
        isWinner: one.trial === winner,
      },
    ];
  });
}

/**
 * How far values of the default configuration scatter: on fresh seeds, where they were confirmed, else over its trials; null
 * where it has not run at least twice.
 */
export function defaultNoise({ trials, userAttrs }: ReportedStudy): Noise | null {
  const { defaults } = userAttrs;
  const fresh = confirmedOf(userAttrs).find(({ trial }) => trial === null);
  if (fresh && fresh.values.length > 1) return noiseOf(fresh.values);
  if (!isObject(defaults)) return null;
  const names = Object.keys(defaults);
  const values = completeTrials(trials)
    .filter(({ value, params }) => {
      const isDefault = names.every((name) => params[name] === undefined || params[name] === defaults[name]);
      return isDefault && Number.isFinite(value);
    })
    .map(({ value }) => value);
  return values.length < 2 ? null : noiseOf(values);
}

function noiseOf(values: readonly number[]): Noise {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, deviation: Math.sqrt(squares / (values.length - 1)), runs: values.length };
}
