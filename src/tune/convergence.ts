// Whether a search is worth continuing: the improvement that a Gaussian process of all trials still expects, compared with
// the noise of a value. Below it, a better configuration could not be told from a lucky run. Works with any sampler. After
// Makarova et al., Automatic Termination for Hyperparameter Optimization, AutoML 2022, and Optuna's terminator, which
// compare a bound on the regret with the noise.

import { UsageError } from '../base/errors.js';
import { randomStream } from '../base/random.js';
import { completeTrials } from './best.js';
import { isFeasible } from './constraints.js';
import { mean } from './math/order.js';
import { admissionOf, keyOf } from './samplers/admission.js';
import { axesOf, decode, settle } from './samplers/axes.js';
import { finishedTrials, gather } from './samplers/evidence.js';
import { logNoisyImprovement } from './samplers/gp/acquisition.js';
import { fitChain } from './samplers/gp/chain.js';
import { modelObjective, objectiveData } from './samplers/gp/models.js';
import { search } from './samplers/gp/search.js';
import type { StudyView, Trial } from './types.js';

export type Convergence = {
  /** Expected improvement at the most promising point, in units of the value. */
  improvement: number;
  /** Standard deviation of a value at the same configuration, as far as the trials tell. */
  noise: number;
  /** Whether the improvement was below a tenth of the noise after each of the last 15 trials. */
  converged: boolean;
};

/** Fewer trials say little about noise. */
const LEAST = 30;
/**
 * The improvement must be below this share of the noise after so many trials in a row: models of few trials take
 * structure for noise, and expect too little on functions with many valleys (experiments/results/sampler-decisions.md).
 */
const SHARE = 0.1;
const PATIENCE = 15;

type Left = Pick<Convergence, 'improvement' | 'noise'>;

/**
 * A judge of whether studies have converged. Its verdict depends on their finished trials alone, so that a resumed study
 * gets the same one; it only caches.
 * @example
 * const convergence = convergenceJudge();
 * await study.optimize(objective, { trials: 200, until: () => convergence(study)?.converged ?? false });
 * @param options.noise standard deviation of a value, where it was measured; else it is estimated
 * @param options.least trials before it says anything; 30 unless set
 * @returns the judge; it gives null for fewer trials, and where all values are equal, and throws UsageError for a study of
 * two objectives
 */
export function convergenceJudge(
  options: { noise?: number | undefined; least?: number } = {},
): (study: StudyView) => Convergence | null {
  const { noise = 0, least = LEAST } = options;
  const fits = fitChain();
  const cache = new WeakMap<Trial, { count: number; left: Left | null }>();
  const leftAfter = (study: StudyView, finished: readonly Trial[]): Left | null => {
    const last = finished.at(-1)!;
    const cached = cache.get(last);
    if (cached?.count === finished.length) return cached.left;
    const left = improvementLeft({ ...study, trials: finished }, finished, fits);
    cache.set(last, { count: finished.length, left });
    return left;
  };
  return (study) => {
    if (study.directions)
      throw new UsageError('Expected one objective to judge convergence, got two; leave the judge out');
    const finished = finishedTrials(study);
    const count = finished.length;
    if (count < Math.max(1, least) || axesOf(study.space).length === 0) return null;
    const left = leftAfter(study, finished);
    if (left === null) return null;
    const isBelow = (at: Left | null) => at !== null && at.improvement < SHARE * Math.max(noise, at.noise);
    let converged = isBelow(left) && count - PATIENCE + 1 >= Math.max(1, least);
    for (let back = 1; converged && back < PATIENCE; back++)
      converged = isBelow(leftAfter(study, finished.slice(0, count - back)));
    return { improvement: left.improvement, noise: Math.max(noise, left.noise), converged };
  };
}

/** The largest expected improvement and the noise that a model of these trials sees. */
function improvementLeft(
  study: StudyView,
  finished: readonly Trial[],
  fits: ReturnType<typeof fitChain>,
): Left | null {
  const axes = axesOf(study.space);
  const d = axes.length;
  const evidence = gather(study, axes, finished.filter(isFeasible));
  const values = objectiveData(axes, evidence);
  const unit = values && unitOf(evidence.observations, values.y);
  if (values === null || unit === null) return null;
  const dataOf = (trials: readonly Trial[]) =>
    objectiveData(axes, gather(study, axes, trials.filter(isFeasible)));
  const hyper = fits.at(study, axes, finished, dataOf);
  const stream = (purpose: string) => randomStream(study.seed, `convergence/${purpose}/${finished.length}`);
  const { posterior, lowest, anchors } = modelObjective(axes, evidence, values, hyper, stream('pasts'));
  const admits = admissionOf(study);
  const target = logNoisyImprovement(d, posterior, lowest);
  const [best] = search(target, {
    axes,
    anchors,
    lengths: hyper.slice(0, d).map(Math.exp),
    random: stream('search'),
    thorough: false,
    seed: study.seed,
    purpose: 'convergence/scatter',
    admits: (x) => admits?.(decode(study.space, axes, x)) ?? true,
    settle: (x) => settle(axes, study.space, x),
  });
  return {
    improvement: best ? Math.exp(best.value) * unit : 0, // nothing is left to try
    noise: spreadOfRepeats(study) ?? Math.sqrt(posterior.noise) * unit,
  };
}

/** What one unit of the model's targets is worth among the better values; null where all are equal. */
function unitOf(observations: readonly { value: number }[], y: Float64Array): number | null {
  const order = Array.from(y.keys()).sort((i, j) => y[i]! - y[j]!);
  const finite = order.filter((i) => Number.isFinite(observations[i]!.value));
  const first = finite[0];
  for (let rank = Math.max(1, finite.length >> 2); rank < finite.length; rank++) {
    const rise = observations[finite[rank]!]!.value - observations[first!]!.value;
    const run = y[finite[rank]!]! - y[first!]!;
    if (rise > 0 && run > 0) return rise / run;
  }
  return null;
}

/** Repeats of configurations that are enough to estimate the noise. */
const REPEATS = 3;

/** Standard deviation of the values of equal configurations, over all that ran again; null where too few did. */
function spreadOfRepeats({ space, trials }: StudyView): number | null {
  const groups = new Map<string, number[]>();
  for (const { params, value } of completeTrials(trials)) {
    if (!Number.isFinite(value)) continue;
    const key = keyOf(space, params);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  let squares = 0;
  let degrees = 0;
  for (const values of groups.values()) {
    const center = mean(values);
    for (const v of values) squares += (v - center) ** 2;
    degrees += values.length - 1;
  }
  return degrees >= REPEATS ? Math.sqrt(squares / degrees) : null;
}
