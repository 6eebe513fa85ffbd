// Tree-structured Parzen estimator: estimate the density of the good trials and that of the others, and propose, among
// draws from the first, the point with the largest ratio of the two. All parameters are modeled together.
// Source: Bergstra, Bardenet, Bengio, Kégl, NeurIPS 2011, in the multivariate form of Falkner, Klein, Hutter, ICML
// 2018; choices after Watanabe (arXiv 2304.11127) and measurements of our own.
//
//   tpe/groups.ts   good and bad trials and their weights      tpe/mixture.ts   densities
//   tpe/source.ts   other studies to start from
//
// Several workers: running trials count as bad, so that no two get the same point.

import type { Random } from '../../base/random.js';
import { randomStream } from '../../base/random.js';
import { checkInteger } from '../../base/valid.js';
import { activeParams } from '../conditions.js';
import type { Sampler, Trial } from '../types.js';
import { admissionOf, admitted, admittedDraws, startupPoint } from './admission.js';
import { axesOf, decode, settle } from './axes.js';
import { finishedTrials, gather } from './evidence.js';
import { beliefOf } from './prior.js';
import { oncePerStudy, sourcesOf } from './sources.js';
import { split } from './tpe/groups.js';
import { logDensities, type Mixture, mixture, sample } from './tpe/mixture.js';
import { type Source, sourceOf, weightsOf } from './tpe/source.js';

export interface TpeOptions {
  /** Finished trials before the model is used; until then scrambled Sobol points. Default 6. */
  startupTrials?: number;
  /** Draws from which each proposal is chosen. Default 32. */
  candidates?: number;
  /**
   * Trials of another study with the same direction, beside those of the study's own `warmStart`: proposals follow its
   * good trials at first. Parameters that they lack take the defaults. No startup then.
   */
  warmStart?: readonly Trial[];
}

/** Narrowest kernels of the good trials, relative to the range. */
const NARROWEST = 0.08;

/**
 * The TPE sampler. It keeps no state but the densities of other studies.
 * @example createStudy({ space, sampler: tpeSampler() })
 * @throws UsageError for options outside their range
 */
export function tpeSampler(options: TpeOptions = {}): Sampler {
  const { startupTrials = 6, candidates = 32 } = options;
  checkInteger('startupTrials', startupTrials, 1);
  checkInteger('candidates', candidates, 1);
  const known = oncePerStudy((study) =>
    sourcesOf(study, options.warmStart).flatMap(
      (trials) => sourceOf(study, axesOf(study.space), trials, NARROWEST) ?? [],
    ),
  );
  return {
    name: 'tpe',
    paretoFronts: true,
    ask(study, number) {
      if (number === 0) return { params: activeParams(study.space, study.defaults) };
      const axes = axesOf(study.space);
      const admits = admissionOf(study);
      const evidence = gather(study, axes, finishedTrials(study));
      const { observations, failures } = evidence;
      const sources = known(study);
      const few = observations.length + failures.length < startupTrials || observations.length < 2;
      if (few && sources.length === 0) return startupPoint(study, axes, admits, 'tpe/startup', number);
      const { good, bad } = split(evidence);
      const promising = mixture(axes, good.points, good.weights, NARROWEST, axes.map(beliefOf));
      const others = mixture(axes, bad.points, bad.weights, 1 / Math.min(100, bad.points.length + 2));
      const random = randomStream(study.seed, `tpe/${number}`);
      const weights = weightsOf(sources, observations);
      const draw = () =>
        settle(axes, study.space, sample(mixtureToDrawFrom(promising, sources, weights, random), random));
      const draws = admittedDraws(candidates, draw, (x) => admits?.(decode(study.space, axes, x)) ?? true);
      const l = logDensities(promising, draws);
      const g = logDensities(others, draws);
      const scores = draws.map((_, i) => l[i]! - g[i]!);
      for (const [k, source] of sources.entries())
        for (const [i, score] of source.score(draws).entries()) scores[i]! -= weights[k]! * score;
      let best = 0;
      for (let i = 1; i < draws.length; i++) if (scores[i]! > scores[best]!) best = i;
      return admitted(study, admits, number, (attempt) =>
        decode(study.space, axes, attempt === 0 ? draws[best]! : draw()),
      );
    },
  };
}

/** That of a source with the probability of its weight, else that of this study. */
function mixtureToDrawFrom(
  own: Mixture,
  sources: readonly Source[],
  weights: readonly number[],
  random: Random,
): Mixture {
  if (sources.length === 0) return own;
  let u = random.uniform();
  for (const [k, source] of sources.entries()) if ((u -= weights[k]!) < 0) return source.good;
  return own;
}
