// The public face of tinygpt/tune: studies of any objective, samplers, pruners and the study log.

export {
  categorical,
  contains,
  describeDistribution,
  float,
  fromUnit,
  int,
  toUnit,
} from './distributions.js';
export { readJournal, type StudyLog } from './journal/index.js';
export type { Objective, OptimizeOptions, OptimizeResult } from './optimize.js';
export {
  hyperbandPruner,
  medianPruner,
  nopPruner,
  patientPruner,
  prunerByName,
  prunerNames,
  successiveHalvingPruner,
  wilcoxonPruner,
} from './pruners/index.js';
export { cmaesSampler } from './samplers/cmaes.js';
export { gpSampler } from './samplers/gp.js';
export { samplerByName, samplerNames } from './samplers/index.js';
export { randomSampler } from './samplers/random.js';
export { tpeSampler } from './samplers/tpe.js';
export {
  checkSpace,
  expandExponents,
  fixParams,
  loadSpaceFile,
  onlyParams,
  type TunableSpace,
} from './space.js';
export type { Check } from './starting.js';
export { type AskOptions, createStudy, loadStudy, type Study, type StudyOptions } from './study.js';
export { type Outcome, type RunningTrial, TrialPruned } from './trial.js';
export type {
  Choice,
  Direction,
  Distribution,
  Params,
  Proposal,
  Pruner,
  Sampler,
  SearchSpace,
  StudyView,
  Trial,
  TrialState,
} from './types.js';
