// Chooses among the samplers by what a study is like and how many trials it has. The runs behind each rule are in
// docs/tuning.md. The choice for a trial depends on the study and its finished trials alone, so that a resumed study goes
// on in the same way; samplers learn from each other's trials.

import { isConditional } from '../conditions.js';
import { storedViolations } from '../constraints.js';
import type { Proposal, Sampler, StudyView } from '../types.js';
import { axesOf } from './axes.js';
import { cmaesSampler } from './cmaes.js';
import { finishedTrials } from './evidence.js';
import { gpSampler } from './gp.js';
import { nsga2Sampler } from './nsga2.js';

/** Finished trials after which CMA-ES continues the search of a Gaussian process. */
const GP_TRIALS = 150;
/** Finished trials after which NSGA-II continues the search for a front. */
const FRONT_TRIALS = 250;

/** System attribute of this sampler's trials: which one proposed them. */
const CHOSEN = 'auto:sampler';

/**
 * The name of the sampler that suits a study now.
 *   two objectives              gp, from 250 trials on nsga2
 *   constraints, conditions     gp
 *   nothing but choices         cmaes
 *   else                        gp, from 150 trials on cmaes, which starts at the best of these
 */
export function samplerFor(study: StudyView): 'gp' | 'cmaes' | 'nsga2' {
  const finished = finishedTrials(study);
  if (study.directions) return finished.length < FRONT_TRIALS ? 'gp' : 'nsga2';
  if (isConditional(study.space) || finished.some((trial) => storedViolations(trial).length > 0)) return 'gp';
  const axes = axesOf(study.space);
  if (axes.length > 0 && axes.every((axis) => axis.kind === 'categorical')) return 'cmaes';
  return finished.length < GP_TRIALS ? 'gp' : 'cmaes';
}

/**
 * The sampler that chooses. One instance may serve several studies.
 * @example createStudy({ space, sampler: autoSampler() })
 */
export function autoSampler(): Sampler {
  const samplers = { gp: gpSampler(), cmaes: cmaesSampler(), nsga2: nsga2Sampler() };
  return {
    name: 'auto',
    paretoFronts: true,
    ask(study, number): Proposal {
      const name = samplerFor(study);
      const proposal = samplers[name].ask(study, number);
      return { ...proposal, systemAttrs: { ...proposal.systemAttrs, [CHOSEN]: name } };
    },
    reaches(study, params) {
      return samplers[samplerFor(study)].reaches?.(study, params) ?? true;
    },
  };
}
