// Studies of any objective, samplers, pruners and the study log: what tinygpt/tune offers without the trainer.

export { type AskTell, type AskTellOptions, askTell } from './askTell.js';
export { type Convergence, convergenceJudge } from './convergence.js';
export {
  categorical,
  contains,
  describeDistribution,
  float,
  fromUnit,
  int,
  toUnit,
} from './distributions.js';
export type { StudyLog } from './journal/replay.js';
export {
  anthropicProvider,
  type Caller,
  type CallerOptions,
  commandProvider,
  type LlmSamplerOptions,
  llmSampler,
  type Message,
  openaiProvider,
  openCaller,
  openCallLog,
  openRecording,
  type PromptContext,
  type Provider,
  type Reply,
  standInProvider,
} from './llm/index.js';
export { hypervolume, paretoFront } from './pareto.js';
export type { HyperbandOptions } from './pruners/hyperband.js';
export {
  finalValuesPruner,
  hyperbandPruner,
  medianPruner,
  nopPruner,
  patientPruner,
  prunerByName,
  prunerNames,
  successiveHalvingPruner,
  wilcoxonPruner,
} from './pruners/index.js';
export type { MedianOptions } from './pruners/median.js';
export type { PatientOptions } from './pruners/patient.js';
export type { SuccessiveHalvingOptions } from './pruners/successiveHalving.js';
export type { WilcoxonOptions } from './pruners/wilcoxon.js';
export { autoSampler } from './samplers/auto.js';
export { type CmaesOptions, cmaesSampler } from './samplers/cmaes.js';
export { type GpOptions, gpSampler } from './samplers/gp.js';
export { samplerByName, samplerNames } from './samplers/index.js';
export { type Nsga2Options, nsga2Sampler } from './samplers/nsga2.js';
export { randomSampler } from './samplers/random.js';
export { type TpeOptions, tpeSampler } from './samplers/tpe.js';
export { type CommandOptions, commandObjective } from './script/commandObjective.js';
export { type Proposed, proposeSpace } from './script/propose.js';
export {
  checkSpace,
  expandExponents,
  fixParams,
  loadSpaceFile,
  onlyParams,
  type TunableSpace,
} from './space.js';
export { readJournal } from './storage/index.js';
export { createStudy, loadStudy } from './study.js';
export type {
  AskOptions,
  Check,
  Objective,
  OptimizeOptions,
  OptimizeResult,
  ParetoOptions,
  ParetoStudy,
  Study,
  StudyOptions,
} from './studyTypes.js';
export { type ObjectiveValue, type Outcome, type RunningTrial, TrialPruned } from './trial.js';
export type {
  Choice,
  Direction,
  Distribution,
  Params,
  ParamsOf,
  Prior,
  Proposal,
  Pruner,
  Sampler,
  SearchSpace,
  StudyView,
  Trial,
  TrialState,
  When,
} from './types.js';
export { type KnownStudy, knownStudies } from './warmStart.js';
