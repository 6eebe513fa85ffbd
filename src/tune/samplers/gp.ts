// Bayesian optimization with Gaussian processes: fit a model to the trials and propose the point of largest expected
// improvement. Beyond the textbook: a prior on length scales that grows with the dimension, capped and warped
// targets, several starts of the fit, two priors on length scales, improvement over an uncertain incumbent, a second
// model for failures, pruned and running trials taken into account, a startup of the defaults, the center of the ranges
// and Sobol points.
//
//   axes.ts           the space as coordinates      gp/likelihood.ts   fit criterion and its gradient
//   evidence.ts       trials as observations        gp/fit.ts, chain   hyperparameters
//   gp/targets.ts     values warped                 gp/posterior.ts    predictions
//   gp/kernel.ts      covariance                    gp/acquisition.ts  what a point promises
//   gp/models.ts      objective and feasibility     gp/search.ts       where that is largest
//   gp/front.ts       two objectives                gp/limits.ts       constraints
//   gp/scales.ts      the second prior

import { randomStream } from '../../base/random.js';
import { checkInteger } from '../../base/valid.js';
import { bestTrial } from '../best.js';
import { activeParams } from '../conditions.js';
import type { Params, Sampler, StudyView, Trial } from '../types.js';
import { admissionOf, centreOf, isTried, keyOf, startupPoint } from './admission.js';
import { type Axis, axesOf, decode, settle } from './axes.js';
import { cmaesSampler } from './cmaes.js';
import { type Evidence, excessOf, finishedTrials, gather, isFeasible } from './evidence.js';
import { averaged, both, logFeasibility, logNoisyImprovement } from './gp/acquisition.js';
import { type FitChain, fitChain } from './gp/chain.js';
import { modelFront, ofObjective, representativeOfFront } from './gp/front.js';
import type { Data } from './gp/likelihood.js';
import { limitOf, logHolds } from './gp/limits.js';
import {
  ANCHORS,
  CONDITIONED,
  feasibilityData,
  modelFeasibility,
  modelObjective,
  type ObjectiveModel,
  objectiveData,
  PASTS,
  sourceModel,
} from './gp/models.js';
import { scaleShift } from './gp/scales.js';
import { type Candidate, search } from './gp/search.js';
import { priorMean, residual, type Source } from './gp/transfer.js';
import { filled, logBelief } from './prior.js';
import { bestOfSources, oncePerStudy, sourcesOf } from './sources.js';

export interface GpOptions {
  /**
   * Trials of the startup design: the default configuration, the center of the ranges, scrambled Sobol points, of which
   * every second one lies around the defaults as long as these are the best.
   * Default: 4 + D/2, at most 10.
   */
  startupTrials?: number;
  /**
   * Trials of another study with the same direction, such as one with less data or a smaller budget, beside those of the
   * study's own `warmStart`: a prior mean, which loses its influence if it misleads. Parameters that they lack take the
   * defaults. The startup then takes four trials.
   */
  warmStart?: readonly Trial[];
}

/** With more finished trials than this, fewer points are searched and one prior is enough, to keep an ask quick. */
const THOROUGH_UNTIL = 120;

/** The center of the ranges is tried among the first trials, after the defaults and a few enqueued ones. */
const CENTRE_UNTIL = 4;

/** Trials of the startup of a study that starts from others: the defaults, the best ones of those, the center. */
const WARM_STARTUP = 4;

/**
 * If the largest expected improvement is below this (ln of a multiple of the noise's standard deviation), the model
 * sees nothing left to gain. In spaces with choices it is then often wrong, since a choice that did badly at a few
 * points looks flat; every second ask goes to the next point of the startup sequence. In other spaces it has, below the
 * second limit, often settled in one of many valleys; every second ask is CMA-ES's, which starts at the best tenth of the
 * trials.
 */
const EXHAUSTED = -8;
const SETTLED = -14;

/**
 * The Gaussian-process sampler. One instance may serve several studies; it only caches fits.
 * @example createStudy({ space, sampler: gpSampler() })
 * @throws UsageError for options outside their range
 */
export function gpSampler(options: GpOptions = {}): Sampler {
  if (options.startupTrials !== undefined) checkInteger('startupTrials', options.startupTrials, 1);
  const objectiveFits = [fitChain(), fitChain()] as const;
  const shiftedFits = fitChain();
  const evolution = cmaesSampler();
  const limitFits: FitChain[] = [];
  const feasibilityFits = fitChain();
  const known = oncePerStudy((study) => knownFrom(study, options.warmStart));
  return {
    name: 'gp',
    paretoFronts: true,
    ask(study, number) {
      if (number === 0) return { params: activeParams(study.space, study.defaults) };
      const axes = axesOf(study.space);
      const d = axes.length;
      const admits = admissionOf(study);
      const fresh = (around = false) => startupPoint(study, axes, admits, 'gp/startup', number, around);
      const finished = finishedTrials(study);
      const { sources, best } = known(study);
      const startup =
        options.startupTrials ?? (sources.length > 0 ? WARM_STARTUP : Math.min(10, 4 + Math.ceil(d / 2)));
      if (d === 0 || finished.length < startup) {
        const other = number < WARM_STARTUP - 1 ? best[number - 1] : undefined;
        if (other && (admits?.(other) ?? true) && !isTried(study, other)) return { params: other };
        const centre = number <= CENTRE_UNTIL ? centreOf(study, axes, admits) : null;
        return centre ? { params: centre } : fresh(isBest(study, study.defaults));
      }

      const whole = gather(study, axes, finished);
      const evidence = study.directions ? representativeOfFront(whole, CONDITIONED) : whole;
      const values = objectiveData(axes, evidence);
      const mean = values && sources.length > 0 ? priorMean(sources, values) : null;
      const labels = feasibilityData(axes, evidence);
      // Every trial is of another space: nothing to learn from yet.
      if (values === null && labels === null) return fresh();

      const hyperOf = (chain: FitChain, dataOf: (past: Evidence) => Data | null) =>
        chain.at(study, axes, finished, (trials) => dataOf(gather(study, axes, trials)));
      const modelWith = (chain: FitChain, shift: Float64Array | null) =>
        values &&
        modelObjective(
          axes,
          evidence,
          values,
          hyperOf(chain, (past) => fitted(objectiveData(axes, past, shift), sources)),
          randomStream(study.seed, `gp/pasts/${number}`),
          mean,
          study.directions ? PASTS / 2 : PASTS,
        );
      const objective = modelWith(objectiveFits[0], null);
      /** The front of two objectives, of which the first is modeled. */
      const modelSecond = (first: ObjectiveModel) => {
        const second = modelObjective(
          axes,
          evidence,
          objectiveData(axes, ofObjective(evidence, 1))!,
          hyperOf(objectiveFits[1], (past) => objectiveData(axes, ofObjective(past, 1))),
          randomStream(study.seed, `gp/pasts/${number}/1`),
          null,
          PASTS / 2,
        );
        const random = randomStream(study.seed, `gp/front/${number}`);
        return modelFront(d, [first, second], evidence.observations.map(isFeasible), ANCHORS, random);
      };
      const front = objective && study.directions ? modelSecond(objective) : null;
      const shift = finished.length <= THOROUGH_UNTIL ? scaleShift(axes) : null;
      const feasibility =
        labels &&
        modelFeasibility(
          labels,
          hyperOf(feasibilityFits, (past) => feasibilityData(axes, past)),
        );
      const possible = evidence.observations.some(isFeasible);
      const improvement =
        front?.improvement ??
        (objective && possible
          ? [objective, shift && modelWith(shiftedFits, shift)]
              .flatMap((model) => (model ? [logNoisyImprovement(d, model.posterior, model.lowest)] : []))
              .reduce(averaged)
          : null);
      const limits = limitsOf(evidence).flatMap((k) => {
        const limit = limitOf(axes, evidence, k);
        if (limit === null) return [];
        limitFits[k] ??= fitChain();
        return [
          logHolds(
            limit,
            hyperOf(limitFits[k], (past) => limitOf(axes, past, k)?.data ?? null),
          ),
        ];
      });
      const runs = feasibility && logFeasibility(d, feasibility);
      const belief = logBelief(axes, finished.length);
      const parts = [improvement, runs, ...limits, belief].filter((part) => part !== null);
      if (parts.length === 0) return fresh(); // every trial violates its constraints by as much
      const target = parts.reduce(both);
      const hyper = (objective?.posterior ?? feasibility)!.hyper;
      const candidates = search(target, {
        axes,
        anchors: front?.anchors ?? (possible ? objective?.anchors : leastViolating(axes, evidence)) ?? [],
        lengths: hyper.slice(0, d).map(Math.exp),
        random: randomStream(study.seed, `gp/search/${number}`),
        thorough: finished.length <= THOROUGH_UNTIL,
        seed: study.seed,
        purpose: `gp/scatter/${number}`,
        admits: (x) => admits?.(decode(study.space, axes, x)) ?? true,
        settle: (x) => settle(axes, study.space, x),
      });
      if (candidates.length === 0) return fresh();
      if (objective && improvement && !front && number % 2 === 0) {
        const promise = improvement.many(candidates[0]!.x, 1)[0]! - 0.5 * Math.log(objective.posterior.noise);
        const choices = axes.some((axis) => axis.kind === 'categorical');
        if (choices && promise < EXHAUSTED) return fresh();
        if (!choices && promise < SETTLED) return evolution.ask(study, number);
      }
      const { observations, failures, running } = evidence;
      const tried = [...observations.map((o) => o.x), ...failures, ...running].map((x) => filled(axes, x));
      const chosen = firstNew(candidates, tried) ?? candidates[0]!;
      return { params: decode(study.space, axes, chosen.x) };
    },
  };
}

/** The constraints that trials have, by index. */
const limitsOf = ({ observations }: Evidence): number[] => {
  const count = observations.reduce((most, { violations = [] }) => Math.max(most, violations.length), 0);
  return Array.from({ length: count }, (_, k) => k);
};

/** Where to search as long as no trial satisfies the constraints. */
function leastViolating(axes: readonly Axis[], { observations }: Evidence): Float64Array[] {
  const order = [...observations].sort((a, b) => excessOf(a) - excessOf(b));
  return order.slice(0, ANCHORS).map(({ x }) => filled(axes, x));
}

/** What hyperparameters are fitted to: the values, or what a prior mean leaves of them. */
function fitted(data: Data | null, sources: readonly Source[]): Data | null {
  return data && sources.length > 0 ? residual(data, priorMean(sources, data)) : data;
}

/** What other studies say: models, and their best configurations. */
function knownFrom(study: StudyView, given: readonly Trial[] | undefined) {
  const axes = axesOf(study.space);
  const lists = study.directions ? [] : sourcesOf(study, given);
  const models = lists.map((trials) => sourceModel(study, axes, trials));
  const useful = lists.filter((_, k) => models[k] !== null);
  return { sources: models.filter((model) => model !== null), best: bestOfSources(study, axes, useful) };
}

/** Whether no complete trial is better than those with this configuration, of which there is one. */
function isBest(study: StudyView, params: Params): boolean {
  const best = bestTrial(study.trials, study.direction);
  const key = keyOf(study.space, activeParams(study.space, params));
  return best !== null && keyOf(study.space, best.params) === key;
}

/** The best candidate that is not a known point (evaluated, failed or running); undefined if all are. */
function firstNew(candidates: readonly Candidate[], known: readonly Float64Array[]): Candidate | undefined {
  return candidates.find(({ x }) => !known.some((other) => other.every((u, j) => u === x[j])));
}
