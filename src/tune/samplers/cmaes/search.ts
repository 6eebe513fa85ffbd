// The state of a CMA-ES study and its update by a finished trial: start, generations, restarts.
// Sources: Hansen's tutorial (arXiv 1604.00772); bounded steps of injected points: Hansen, Injecting external
// solutions into CMA-ES (arXiv 1110.4181); restarts: Hansen, Benchmarking a BI-population CMA-ES, BBOB 2009.
//
// n numeric coordinates; lambda population; m, sigma, C, A as in gaussian.ts and margin.ts.

import { randomStream } from '../../../base/random.js';
import type { Axis } from '../axes.js';
import { beliefOf } from '../prior.js';
import { type Categories, initialCategories, updateCategories } from './categorical.js';
import { type CmaConstants, cmaConstants } from './constants.js';
import { type Gaussian, initialGaussian, norm, updateGaussian, whiten } from './gaussian.js';
import { correctMargin } from './margin.js';
import { type Evaluated, feasibleLoss, type Point } from './screen.js';
import { type Generation, stopReason } from './stops.js';
import { frequencies, promisingRegion, type Region } from './warmStart.js';

/** What does not change during a study. */
export interface Settings {
  seed: number | string;
  numeric: readonly Axis[];
  categorical: readonly Axis[];
  defaults: Point;
  /** Population of the first run. */
  lambda: number;
  /** Step size at the start, in units of the range. */
  sigma0: number;
  restarts: boolean;
  /** Promising regions of other studies, one of which may be the start. */
  regions: readonly Region[];
}

/** With this many trials known before the first proposal, mean and covariance come from them instead of a best point. */
const WARM_FROM = 20;
/** Extra initial probability of the default choices, beyond an equal share. */
const TRUST_IN_DEFAULTS = 0.25;

export interface Search {
  /** Restarts so far. */
  readonly run: number;
  readonly constants: CmaConstants;
  readonly sigma0: number;
  readonly gaussian: Gaussian;
  /** (n) diagonal of A. */
  readonly stretch: Float64Array;
  readonly categories: Categories;
  /** Points of the current generation. */
  readonly pending: readonly Evaluated[];
  /** Generations of this run. */
  readonly history: readonly Generation[];
  /** The best success so far. */
  readonly best: Evaluated | null;
  readonly regime: 'large' | 'small';
  /** Restarts with a doubled population. */
  readonly doublings: number;
  /** Trials spent in finished runs by regime. */
  readonly spent: { readonly large: number; readonly small: number };
}

/**
 * The state before the first generation. The mean is the best of the known trials (defaults, the center, enqueued
 * ones), which also count for the first generation; of many, their promising region. A trial at the center of another
 * study's region brings that along.
 */
export function startSearch(settings: Settings, known: readonly Evaluated[]): Search {
  const { lambda, sigma0, defaults, regions } = settings;
  const successes = known.filter((t): t is Evaluated & { loss: number } => feasibleLoss(t) !== null);
  // Of equal ones, regions come first.
  const isRegion = (t: Evaluated) => (t.region === undefined ? 1 : 0);
  const sorted = successes.sort((a, b) => a.loss - b.loss || isRegion(a) - isRegion(b));
  const shared = {
    run: 0,
    history: [],
    best: sorted[0] ?? null,
    regime: 'large',
    doublings: 0,
    spent: { large: 0, small: 0 },
  } as const;
  const n = settings.numeric.length;
  const region = regions[sorted[0]?.region ?? -1];
  if (region)
    return {
      ...shared,
      ...freshRun(settings, region.mean, sigma0, lambda, region.covariance),
      categories: initialCategories(region.choices),
      pending: sorted.slice(0, lambda >> 1),
    };
  if (n > 0 && sorted.length >= WARM_FROM) {
    const { mean, sigma, covariance } = promisingRegion(sorted);
    const top = sorted.slice(0, Math.max(1, Math.floor(sorted.length / 10)));
    return {
      ...shared,
      ...freshRun(settings, mean, sigma, lambda, covariance),
      categories: initialCategories(frequencies(settings.categorical, top)),
      pending: [],
    };
  }
  const start = sorted[0] ?? defaults;
  const [mean, covariance] = believedStart(settings, start.u);
  return {
    ...shared,
    ...freshRun(settings, mean, sigma0, lambda, covariance),
    categories: initialCategories(trusting(settings.categorical, start)),
    pending: sorted.slice(0, lambda >> 1),
  };
}

/** Mean and covariance at the start: around the centers of priors, no wider than these. */
function believedStart({ numeric, sigma0 }: Settings, start: Float64Array): [Float64Array, Float64Array] {
  const n = numeric.length;
  const mean = start.slice();
  const covariance = new Float64Array(n * n);
  for (const [i, axis] of numeric.entries()) {
    const belief = beliefOf(axis);
    if (belief) mean[i] = belief.center;
    covariance[i * n + i] = belief ? Math.min(1, (belief.width / sigma0) ** 2) : 1;
  }
  return [mean, covariance];
}

/** The state after one more trial. */
export function advance(settings: Settings, search: Search, evaluated: Evaluated): Search {
  const loss = feasibleLoss(evaluated);
  const isBest = loss !== null && (search.best === null || loss < search.best.loss!);
  const pending = [...search.pending, evaluated];
  const next = { ...search, pending, best: isBest ? evaluated : search.best };
  return pending.length < search.constants.lambda ? next : closeGeneration(settings, next);
}

function closeGeneration(settings: Settings, search: Search): Search {
  const { constants, categories, stretch } = search;
  const ranked = rank(search);
  let { gaussian } = search;
  const n = gaussian.mean.length;
  let corrected = { mean: gaussian.mean, stretch };
  if (n > 0) {
    const steps = ranked.map((t) => boundedStep(gaussian, stretch, t.u));
    gaussian = updateGaussian(constants, gaussian, steps);
    corrected = correctMargin(settings.numeric, gaussian, stretch, 1 / (n * constants.lambda));
    gaussian = { ...gaussian, mean: corrected.mean };
  } else gaussian = { ...gaussian, generation: gaussian.generation + 1 };
  const next: Search = {
    ...search,
    gaussian,
    stretch: corrected.stretch,
    categories: updateCategories(
      categories,
      ranked.map((t) => t.choices),
      constants.weights.subarray(0, constants.mu),
    ),
    pending: [],
    history: [...search.history, summary(ranked)],
  };
  const stop = settings.restarts && stopReason(gaussian, search.sigma0, constants.lambda, next.history);
  return stop ? restart(settings, next) : next;
}

/**
 * Best first; then what violates a constraint, by how much; failures last, those nearest to the best known point first
 * among them.
 */
function rank({ pending, best, gaussian }: Search): Evaluated[] {
  const to = best?.u ?? gaussian.mean;
  const distance = ({ u }: Evaluated) => norm(u.map((x, i) => x - to[i]!));
  return [...pending].sort((a, b) => {
    if (a.loss !== null && b.loss !== null) return (a.excess ?? 0) - (b.excess ?? 0) || a.loss - b.loss;
    if (a.loss === null && b.loss === null) return distance(a) - distance(b);
    return a.loss === null ? 1 : -1;
  });
}

/**
 * y = A^{-1} (u - m) / sigma, shortened to the length of a long draw: enqueued points, late ones of an earlier
 * generation and rounded ones must not distort the distribution (Hansen 2011: c_y = sqrt n + 2n/(n+2)).
 */
function boundedStep(state: Gaussian, stretch: Float64Array, u: Float64Array): Float64Array {
  const { y, length, most } = stepTo(state, stretch, u);
  return length > most ? y.map((x) => (x * most) / length) : y;
}

function stepTo(state: Gaussian, stretch: Float64Array, u: Float64Array) {
  const n = u.length;
  const y = u.map((x, i) => (x - state.mean[i]!) / (state.sigma * stretch[i]!));
  return { y, length: norm(whiten(state, y)), most: Math.sqrt(n) + (2 * n) / (n + 2) };
}

/** Whether the point is no farther from the mean than a long draw. */
export function isWithinReach({ gaussian, stretch }: Search, u: Float64Array): boolean {
  if (u.length === 0) return true;
  const { length, most } = stepTo(gaussian, stretch, u);
  return length <= most;
}

function summary(ranked: readonly Evaluated[]): Generation {
  const losses = ranked.flatMap((t) => feasibleLoss(t) ?? []);
  if (losses.length === 0) return { best: Infinity, median: Infinity, worst: Infinity };
  return { best: losses[0]!, median: losses[losses.length >> 1]!, worst: losses.at(-1)! };
}

/**
 * BIPOP restart from a uniform point: with a doubled population at sigma0, or with a small one of random size and step
 * size, whichever regime has used fewer trials.
 */
function restart(settings: Settings, search: Search): Search {
  const run = search.run + 1;
  const random = randomStream(settings.seed, `cmaes/restart/${run}`);
  const used = search.history.length * search.constants.lambda;
  const spent = { ...search.spent, [search.regime]: search.spent[search.regime] + used };
  const regime = spent.small < spent.large ? 'small' : 'large';
  const doublings = search.doublings + (regime === 'large' ? 1 : 0);
  const growth = 2 ** doublings;
  const lambda = Math.floor(
    settings.lambda * (regime === 'large' ? growth : growth ** (random.uniform() ** 2)),
  );
  const sigma = settings.sigma0 * (regime === 'large' ? 1 : 10 ** (-2 * random.uniform()));
  const mean = Float64Array.from(settings.numeric, () => random.uniform());
  return {
    run,
    ...freshRun(settings, mean, sigma, lambda),
    categories: initialCategories(trusting(settings.categorical, settings.defaults)),
    pending: [],
    history: [],
    best: search.best,
    regime,
    doublings,
    spent,
  };
}

function freshRun(
  { numeric, categorical }: Settings,
  mean: Float64Array,
  sigma0: number,
  lambda: number,
  covariance?: Float64Array,
) {
  const n = numeric.length;
  const constants = cmaConstants(Math.max(1, n || categorical.length), lambda);
  const stretch = new Float64Array(n).fill(1);
  return { constants, sigma0, gaussian: initialGaussian(mean, sigma0, covariance), stretch };
}

/** Equal probabilities, raised for the choices of `point`, or more for those of priors. */
function trusting(categorical: readonly Axis[], point: Point): Float64Array[] {
  return categorical.map((axis, i) => {
    const belief = beliefOf(axis);
    const trust = belief ? 0.5 : TRUST_IN_DEFAULTS;
    const trusted = belief?.center ?? point.choices[i];
    return Float64Array.from(
      axis.values,
      (k) => (1 - trust) / axis.values.length + (k === trusted ? trust : 0),
    );
  });
}
