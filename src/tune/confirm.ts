// Confirmation: the best trials of a study and its default configuration run again on fresh seeds, the same ones for each,
// and the winner is chosen by the means. The best of many noisy values looks too good, and a better value on another seed is
// no improvement. The runs are a study of their own beside the confirmed one, so that they resume, and workers share them.

import { createHash } from 'node:crypto';
import { formatJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { compareValues, rankedTrials, signOf } from './best.js';
import { activeParams } from './conditions.js';
import { isFeasible } from './constraints.js';
import { meanInterval, spread } from './contest.js';
import { int } from './distributions.js';
import { isConfirmation, recordedSpace } from './identity.js';
import { mean } from './math/order.js';
import { isSilent } from './samplers/evidence.js';
import { enqueuedParams } from './starting.js';
import { createStudy } from './study.js';
import type { Objective, OptimizeOptions, Study } from './studyTypes.js';
import type { ObjectiveValue, RunningTrial } from './trial.js';
import type { Attributes, Direction, Params, Sampler, Trial } from './types.js';

/** Fresh seeds begin here, away from those of studies and contests. */
const FRESH_SEED = 1000;

/** The seeds of the runs, without the one that the search itself used. */
const freshSeeds = ({ userAttrs }: ConfirmedStudy, repeats: number): number[] =>
  Array.from({ length: repeats + 1 }, (_, i) => FRESH_SEED + i)
    .filter((seed) => seed !== userAttrs.seed)
    .slice(0, repeats);

/** A run that was interrupted or killed so often is given up. */
const MOST_ATTEMPTS = 3;
/** Stands for the default configuration where a run names its trial. */
const DEFAULTS = -1;

/** A configuration that is run again. */
export type Candidate = {
  /** Number of its trial; null for the default configuration. */
  trial: number | null;
  params: Params;
  /** Its value in the search; null where it has none. */
  searched: number | null;
  /** By seed, as far as they have run; value null where a run failed. `test`: its `test_bpb`, where it has one. */
  runs: { seed: number; value: number | null; test: number | null }[];
  /** Of the values on fresh seeds; null before there is one, or after one has failed. */
  mean: number | null;
  /** 95% interval of the mean, from three values on. */
  interval: [number, number] | null;
  /** Mean improvement over the defaults, seed by seed, with its 95% interval: positive is better. */
  gain: { mean: number; interval: [number, number] | null } | null;
};

export type Confirmation = {
  repeats: number;
  direction: Direction;
  /** The default configuration first, then the trials from the best on. */
  candidates: Candidate[];
  /** The best mean among those with all runs; null before one has them. */
  winner: Candidate | null;
  /** Whether nothing is left to run. */
  complete: boolean;
};

export type ConfirmOptions = {
  /** How many of the best trials; 3 unless set. */
  top?: number;
  /** Fresh seeds for each; 3 unless set. */
  repeats?: number;
  /** Whether the default configuration runs too; true unless set. */
  withDefaults?: boolean;
  /** Where the study is; its journal, or memory, unless set. */
  storage?: string | undefined;
} & Pick<OptimizeOptions, 'seconds' | 'signal' | 'onTrial' | 'catch'>;

/** As an objective, with the seed that the run must use; `params` are those of the candidate. */
export type SeededObjective = (trial: RunningTrial, seed: number) => ObjectiveValue | Promise<ObjectiveValue>;

/** A study as confirmation sees it: one that is open, or read from a journal. */
export type ConfirmedStudy = {
  readonly name: string;
  readonly direction: Direction;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
};

/** The name of the study that holds a study's confirmation runs. */
export const confirmationName = (study: string): string => `${study}:confirmation`;

/**
 * Runs the best trials and the defaults again on fresh seeds. The same call resumes; runs that are there are not repeated.
 * @example
 * await study.optimize(({ params }) => train(params, 1), { trials: 60 });
 * const { winner } = await confirm(study, ({ params }, seed) => train(params, seed));
 * @throws as `optimize`
 */
export async function confirm(
  study: ConfirmedStudy & Pick<Study, 'defaults' | 'path'> & Partial<Pick<Study, 'setUserAttr'>>,
  objective: SeededObjective,
  options: ConfirmOptions = {},
): Promise<Confirmation> {
  const { top = 3, repeats = 3, withDefaults = true, storage = study.path ?? undefined, ...limits } = options;
  const defaults = activeDefaults(study, study.defaults);
  const candidates = candidatesOf(study, withDefaults ? defaults : null, top);
  const runs = createStudy({
    name: confirmationName(study.name),
    space: { trial: int(DEFAULTS, 1e9), seed: int(FRESH_SEED, FRESH_SEED + 9999) },
    sampler: nothingElse,
    ...(storage !== undefined && { storage }),
    direction: study.direction,
    objective: { confirms: study.name, ...objectiveOf(study) },
    userAttrs: { confirms: study.name },
    runDefaults: false,
  });
  enqueueMissing(runs as unknown as Study, candidates, freshSeeds(study, repeats));
  const evaluate: Objective = (trial) => {
    const { trial: number, seed } = trial.params as { trial: number; seed: number };
    const params = number === DEFAULTS ? defaults : study.trials.find((one) => one.number === number)!.params;
    return objective({ ...trial, params: { ...params }, shouldPrune: () => false }, seed);
  };
  await (runs as unknown as Study).optimize(evaluate, { trials: Number.MAX_SAFE_INTEGER, ...limits });
  const found = summarize(study, candidates, runs.trials, repeats);
  const short = outlineOf(found);
  if (formatJson(study.userAttrs[OUTLINE] ?? null) !== formatJson(short)) study.setUserAttr?.(OUTLINE, short);
  return found;
}

/** The study's attribute that tells pages and other tools of its confirmation. */
const OUTLINE = 'confirmation';

const outlineOf = ({ candidates, winner }: Confirmation): Attributes => ({
  ...(winner && { winner: winner.trial ?? 'defaults' }),
  candidates: candidates.map(({ trial, mean, interval, runs }) => ({
    trial: trial ?? 'defaults',
    values: runs.flatMap(({ value }) => value ?? []),
    ...(mean !== null && { mean }),
    ...(interval && { interval }),
  })),
});

/** Proposes nothing: only what is enqueued runs. */
const nothingElse: Sampler = {
  name: 'confirmation',
  ask: () => ({ params: { trial: DEFAULTS, seed: FRESH_SEED }, exhausted: true }),
};

/** What a study says decides the meaning of its values. */
const objectiveOf = ({ userAttrs }: Pick<ConfirmedStudy, 'userAttrs'>): Attributes =>
  isObject(userAttrs.objective)
    ? { of: createHash('sha256').update(formatJson(userAttrs.objective)).digest('hex').slice(0, 16) }
    : {};

type Known = Pick<Candidate, 'trial' | 'params' | 'searched'>;

const keyOf = (params: Params) => formatJson(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Without the parameters that do not apply, as trial 0 has them. */
const activeDefaults = (study: ConfirmedStudy, defaults: Params): Params =>
  activeParams(recordedSpace(study) ?? {}, defaults);

/** The first complete trial of a configuration. */
const firstOf = ({ trials }: ConfirmedStudy, params: Params): Trial | undefined =>
  trials.find((trial) => trial.state === 'complete' && keyOf(trial.params) === keyOf(params));

/** The defaults, where they are to run, and the best complete, feasible trials, each configuration once. */
function candidatesOf(study: ConfirmedStudy, defaults: Params | null, top: number): Known[] {
  const found: Known[] = defaults
    ? [{ trial: null, params: defaults, searched: firstOf(study, defaults)?.value ?? null }]
    : [];
  const seen = new Set(found.map(({ params }) => keyOf(params)));
  const most = found.length + top;
  for (const { number, params, value } of rankedTrials(study.trials, study.direction)) {
    if (found.length >= most) break;
    if (seen.has(keyOf(params))) continue;
    seen.add(keyOf(params));
    found.push({ trial: number, params, searched: value });
  }
  return found;
}

const isRunOf = (run: Trial, candidate: Known, seed: number): boolean => {
  const params = paramsOf(run);
  return params.trial === (candidate.trial ?? DEFAULTS) && params.seed === seed;
};

const paramsOf = (run: Trial): Params => ({ ...enqueuedParams(run), ...run.params });

const isGivenUp = (attempts: readonly Trial[]): boolean =>
  attempts.length >= MOST_ATTEMPTS && attempts.every(isSilent);

/** Enqueues, seed by seed, the runs that the study does not have, or has only as interrupted or killed ones. */
function enqueueMissing(runs: Study, candidates: readonly Known[], seeds: readonly number[]): void {
  const wanted = seeds.flatMap((seed) =>
    candidates.map((candidate) => ({
      candidate,
      seed,
      params: { trial: candidate.trial ?? DEFAULTS, seed },
    })),
  );
  runs.enqueue(
    wanted.map(({ params }) => params),
    { skipIfExists: true },
  );
  for (const { candidate, seed, params } of wanted) {
    const attempts = runs.trials.filter((run) => isRunOf(run, candidate, seed));
    if (attempts.every(isSilent) && !isGivenUp(attempts)) runs.enqueue(params);
  }
}

/**
 * The confirmation that a journal holds of a study, without running anything.
 * @param studies of the same storage
 * @returns null where none was begun
 */
export function confirmationOf(
  study: ConfirmedStudy,
  studies: readonly { name: string; trials: readonly Trial[]; userAttrs: Attributes }[],
): Confirmation | null {
  const runs = studies.find((other) => other.userAttrs.confirms === study.name && isConfirmation(other));
  if (!runs) return null;
  const numbers = new Set<number>();
  const seeds = new Set<number>();
  for (const run of runs.trials) {
    const { trial, seed } = paramsOf(run) as { trial: number; seed: number };
    numbers.add(trial);
    seeds.add(seed);
  }
  const recorded = isObject(study.userAttrs.defaults) ? (study.userAttrs.defaults as Params) : {};
  const defaults = activeDefaults(study, recorded);
  const top = [...numbers].filter((number) => number !== DEFAULTS).length;
  // Those of an earlier, shorter search may no longer be among the best.
  const candidates = candidatesOf(study, numbers.has(DEFAULTS) ? defaults : null, top).filter(({ trial }) =>
    numbers.has(trial ?? DEFAULTS),
  );
  return summarize(study, candidates, runs.trials, seeds.size);
}

function summarize(
  study: ConfirmedStudy,
  known: readonly Known[],
  runs: readonly Trial[],
  repeats: number,
): Confirmation {
  const { direction } = study;
  const compare = compareValues(direction);
  const seeds = freshSeeds(study, repeats);
  const valuesOf = (candidate: Known) =>
    seeds.flatMap((seed) => {
      const attempts = runs.filter((run) => isRunOf(run, candidate, seed));
      const run =
        attempts.find(({ state }) => state === 'complete') ??
        attempts.find((attempt) => attempt.state === 'fail' && !isSilent(attempt)) ??
        (isGivenUp(attempts) ? attempts.at(-1) : undefined);
      if (!run) return [];
      const { test_bpb: test } = run.userAttrs;
      const value = run.state === 'complete' ? run.value : null;
      return [{ seed, value, test: typeof test === 'number' ? test : null }];
    });
  const defaults = known.find(({ trial }) => trial === null);
  const baseline = new Map((defaults ? valuesOf(defaults) : []).map(({ seed, value }) => [seed, value]));
  const candidates = known.map((candidate): Candidate => {
    const own = valuesOf(candidate);
    const values = own.flatMap(({ value }) => value ?? []);
    const gains = own.flatMap(({ seed, value }) => {
      const base = baseline.get(seed);
      if (value === null || base === null || base === undefined) return [];
      return [base === value ? 0 : signOf(direction) * (base - value)]; // infinities have no difference
    });
    const isWhole = own.length > 0 && values.length === own.length;
    return {
      ...candidate,
      runs: own,
      mean: isWhole ? mean(values) : null,
      interval: isWhole ? meanInterval(values) : null,
      gain:
        candidate.trial === null || gains.length === 0 || !isWhole
          ? null
          : { mean: mean(gains), interval: meanInterval(gains) },
    };
  });
  // Defaults that violate a constraint are the baseline, but no winner.
  const violates = ({ trial, params }: Candidate) => {
    const first = trial === null && firstOf(study, params);
    return first ? !isFeasible(first) : false;
  };
  const whole = candidates.filter(
    (candidate) => candidate.mean !== null && candidate.runs.length === repeats && !violates(candidate),
  );
  const [winner = null] = whole.sort((a, b) => compare(a.mean!, b.mean!));
  const complete = candidates.every(({ runs }) => runs.length === repeats);
  return { repeats, direction, candidates, winner, complete };
}

/** Whether the winner is better than the defaults by more than chance: its interval of the gain lies above zero. */
export const isImprovement = ({ winner }: Confirmation): boolean => (winner?.gain?.interval?.[0] ?? 0) > 0;

/** Standard deviation of the defaults over fresh seeds; null for fewer than two values. */
export const noiseOf = ({ candidates }: Confirmation): number | null =>
  spread((candidates.find(({ trial }) => trial === null)?.runs ?? []).flatMap(({ value }) => value ?? []))
    .deviation;
