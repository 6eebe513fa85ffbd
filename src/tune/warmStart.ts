// Other studies as prior knowledge of a new one: their complete trials, read from any storage and recorded with the new
// study, so that it resumes, on any machine, without them.

import { UsageError } from '../base/errors.js';
import { show } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { signOf } from './best.js';
import { contains } from './distributions.js';
import type { StudyLog } from './journal/replay.js';
import { thinned } from './math/order.js';
import { own } from './objects.js';
import { readJournal } from './storage/index.js';
import type { Direction, Params, SearchSpace, Trial } from './types.js';

/** What is known from another study: its name and its results. */
export type KnownStudy = {
  readonly study: string;
  readonly trials: readonly { readonly params: Params; readonly value: number }[];
};

/** System attribute of a study that holds what it started from. */
export const WARM_START = 'tinygpt:warm_start';

/** So many trials of a study are used: the best half of the limit, and an even choice by value of the others. */
const MOST = 400;

/**
 * The studies of a storage, for `warmStart`. Values are used up to a scale of their own, so that the other study may have
 * had other data, another card or budget; parameters that it lacks take the defaults of the new one.
 * @example createStudy({ space, sampler: gpSampler(), warmStart: knownStudies('studies/small/journal.log', { space }) })
 * @param place path of a journal, ours or one of Python's Optuna
 * @param options.space of the new study; results outside its choices are left out, other parameters dropped
 * @param options.direction of the new study; minimize unless set
 * @param options.name of one study of several; all unless set
 * @param options.complete gives values of parameters that a trial does not have itself
 * @throws UsageError where there is no such study, one has another direction or two objectives, or none has a complete
 * trial with a parameter of the space
 */
export function knownStudies(
  place: string,
  options: {
    space: SearchSpace;
    direction?: Direction;
    name?: string | undefined;
    complete?: (trial: Trial) => Params;
  },
): KnownStudy[] {
  const { space, direction = 'minimize', name } = options;
  const all = readJournal(place);
  const studies = name === undefined ? all : all.filter((study) => study.name === name);
  if (studies.length === 0)
    throw new UsageError(
      `Expected a study to start from in ${place}, got ${all.length > 0 ? `${all.map((study) => study.name).join(', ')}, none named ${name}` : 'none'}`,
    );
  const known = studies.map((study) => {
    const [own = 'minimize', ...more] = study.directions;
    if (more.length > 0 || own !== direction)
      throw new UsageError(
        `Expected a study to start from that ${direction}s one value, got ${study.name} in ${place}, which ${more.length > 0 ? 'has two objectives' : `${own}s`}`,
      );
    return { study: study.name, trials: usable(study, space, options.complete) };
  });
  if (known.every(({ trials }) => trials.length === 0))
    throw new UsageError(
      `Expected complete trials with some of ${Object.keys(space).join(', ')} to start from, got none in ${place}`,
    );
  return known.filter(({ trials }) => trials.length > 0);
}

/** Results in the parameters of the space. */
function usable(
  study: StudyLog,
  space: SearchSpace,
  complete: (trial: Trial) => Params = () => ({}),
): KnownStudy['trials'] {
  const names = Object.keys(space);
  const trials = study.trials.flatMap((trial) => {
    const { state, value } = trial;
    if (state !== 'complete' || value === null) return [];
    const all = { ...complete(trial), ...trial.params };
    const params = Object.fromEntries(
      names.filter((name) => Object.hasOwn(all, name)).map((name) => [name, all[name]!]),
    );
    return Object.keys(trial.params).some((name) => name in params) && fits(space, params)
      ? [{ params, value }]
      : [];
  });
  if (trials.length <= MOST) return trials;
  const sign = signOf(study.directions[0] ?? 'minimize');
  return thinned(
    trials.sort((a, b) => sign * a.value - sign * b.value),
    MOST,
  );
}

/** Whether the values are of the right kind; numbers may lie outside their range. */
const fits = (space: SearchSpace, params: Params): boolean =>
  Object.entries(params).every(([name, value]) => {
    const distribution = own(space, name)!;
    return distribution.kind === 'categorical' ? contains(distribution, value) : Number.isFinite(value);
  });

/** @throws UsageError for anything but a list of `KnownStudy` */
export function checkWarmStart(warmStart: unknown): readonly KnownStudy[] {
  if (!Array.isArray(warmStart)) throw refusal(warmStart);
  for (const known of warmStart) {
    if (!isObject(known) || typeof known.study !== 'string' || !Array.isArray(known.trials))
      throw refusal(known);
    for (const trial of known.trials)
      if (
        !isObject(trial) ||
        !isObject(trial.params) ||
        typeof trial.value !== 'number' ||
        Number.isNaN(trial.value)
      )
        throw refusal(trial);
  }
  return warmStart.map(({ study, trials }) => ({
    study,
    trials: trials.map(({ params, value }: KnownStudy['trials'][number]) => ({ params, value })),
  }));
}

const refusal = (got: unknown) =>
  new UsageError(
    `Expected warmStart to be a list of { study, trials: [{ params, value }] }, got ${show(got)}`,
  );

/** What a study started from, as it recorded it. */
export function recordedWarmStart({ systemAttrs }: Pick<StudyLog, 'systemAttrs'>): readonly KnownStudy[] {
  const recorded = systemAttrs[WARM_START];
  return recorded === undefined ? [] : checkWarmStart(recorded);
}

/** As samplers see it: a list of complete trials for each study. */
export function asTrials(known: readonly KnownStudy[]): Trial[][] {
  return known.map(({ trials }) =>
    trials.map(({ params, value }, number) => ({
      number,
      id: number,
      state: 'complete',
      value,
      params,
      distributions: {},
      intermediate: new Map(),
      userAttrs: {},
      systemAttrs: {},
      start: number,
      end: number,
    })),
  );
}
