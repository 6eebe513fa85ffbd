// tinygpt/tune: studies of any objective, of the trainer in particular, their reports, and contests between samplers.

export { type Random, randomStream } from './base/random.js';
export {
  contestOption,
  progressOption,
  type ReportedStudy,
  renderSvg,
  reportHtml,
  summaryText,
  writeContest,
  writeReport,
} from './report/index.js';
export { bestTrial, completeTrials, improvements } from './tune/best.js';
export {
  type Candidate,
  type Confirmation,
  type ConfirmOptions,
  confirm,
  confirmationOf,
  isImprovement,
  type SeededObjective,
} from './tune/confirm.js';
export {
  type ContestTable,
  contestTable,
  meanInterval,
  type Race,
  type Spread,
  type Standing,
  spread,
  winnerOf,
} from './tune/contest.js';
export { importances, knownImportances } from './tune/importance.js';
export * from './tune/index.js';
export { median } from './tune/math/order.js';
export {
  configOfTrial,
  REPORT_PERCENTS,
  type TrainObjectiveOptions,
  trainCheck,
  trainObjective,
} from './tune/trainObjective.js';
export { configValues, SPACE_NAMES, trainSpace } from './tune/trainSpaces.js';
