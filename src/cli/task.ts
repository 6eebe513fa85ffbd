// What a study of the command line searches: the trainer's hyperparameters (trainTask.ts), or those of any command
// (commandTask.ts). Studies and contests need only what both offer.

import type { TrialEvents } from '../report/trialEvents.js';
import type { TunableSpace } from '../tune/space.js';
import type { Check, Objective } from '../tune/studyTypes.js';
import type { Attributes, Direction, Params, Pruner, Trial } from '../tune/types.js';
import type { Screen } from './terminal.js';
import type { Limits } from './tuneOptions.js';

/** What is known of a task before anything is measured: enough to check the options that name its parts. */
export interface TaskOutline {
  setup: TunableSpace;
  direction: Direction;
  metricName: string;
  /** What else trials measure, with the usual direction; absent: anything that is recorded. */
  metrics?: Readonly<Record<string, Direction>>;
  /** Values of the space's parameters that a trial of another study had without searching them; absent: unknown. */
  configured?(trial: Trial): Params;
}

/** Ready to run. */
export interface Task extends TaskOutline {
  limits: Omit<Limits, 'trial'>;
  /** What decides the meaning of a value: a study that differs in any of it is refused. */
  identity(seed: number): Attributes;
  /** Hashes of what every worker must have the same of, recorded with the study; the message for a difference. */
  hashes?: Readonly<Record<string, { hash: string; what: string }>>;
  check?: Check | undefined;
  /** Whether intermediate values can be had, for a pruner. */
  reports: boolean;
  /** A pruner for such intermediate values. */
  pruner(inner: Pruner): Pruner;
  /** Evaluates a trial's parameters. */
  objective(run: TaskRun, screen: Screen): Objective;
  /** What is used, a line each; printed at the start. */
  about: readonly string[];
  /** `30 seconds per trial`. */
  perTrial: string;
  /** What parameters mean, by name; shown to a model. */
  meanings?: Readonly<Record<string, string>>;
  /** Parameters that a model may advise to add to the space, with what they mean. */
  addable?: Readonly<Record<string, string>>;
}

/** How an objective runs. */
export type TaskRun = {
  /** Of the training. */
  seed: number;
  /** What the progress line begins with. */
  label: string;
  /** Whether to report intermediate values. */
  pruning: boolean;
  /** Parameters that the trials do not have. */
  fixed?: Params;
  /** Of the study, for what trials leave on disk. */
  folder: string;
  /** Receives steps for TensorBoard, where that is asked for. */
  events?: TrialEvents | null;
  /** Whether to score held-out text too, where there is some: the trial's attribute `test_bpb`. */
  test?: boolean;
};
