// What a training run takes, reports and returns.

import type { Dataset } from '../data/types.js';
import type { Gpt } from '../model/gpt.js';
import type { Budget } from './budget.js';
import type { Checkpoint } from './checkpoint.js';

/** One finished step. */
export interface StepReport {
  /** From 0. */
  step: number;
  /** Fraction of the budget used after this step. */
  progress: number;
  /** Loss of this step, nats a token. */
  loss: number;
  /** Debiased moving average of the loss. */
  smoothLoss: number;
  lrMultiplier: number;
  seconds: number;
  tokensPerSecond: number;
  /** Percent of the device's peak rate; null where that is unknown. */
  mfuPercent: number | null;
  peakMemoryBytes: number;
  epoch: number;
  tokens: number;
  trainingSeconds: number;
}

/** An evaluation during training. */
export interface EvalReport {
  /** Index of the fraction in `evalAt`. */
  index: number;
  /** Fraction of the budget at which it was due. */
  fraction: number;
  valBpb: number;
  step: number;
}

export interface TrainOptions {
  data: Dataset;
  budget: Budget;
  seed?: number | string;
  /** Ends the run after the current pass and discards an incomplete step; the result has `status: 'stopped'`. */
  signal?: AbortSignal;
  onStep?: (report: StepReport) => void;
  /** Called at the fractions `evalAt`; return 'stop' to end the run with `status: 'pruned'`. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most callers return nothing
  onEval?: (report: EvalReport) => 'stop' | void;
  /** Ascending fractions of the budget in (0, 1) at which to evaluate on `evalAtTokens` tokens. */
  evalAt?: readonly number[];
  evalAtTokens?: number;
  /** Train although the run may not fit into memory (default false). */
  force?: boolean;
  /** Device peak, operations per second, for MFU. */
  peakFlops?: number | undefined;
  /** Continue from this checkpoint; the configuration must have the same sizes. */
  resume?: Checkpoint;
  /** Return a checkpoint in the result (default false). */
  checkpoint?: boolean;
  /** Called with a checkpoint every `steps` steps, and after the last one, before the final evaluation. */
  checkpointEvery?: { steps: number; save: (checkpoint: Checkpoint) => Promise<void> };
  /** Called at the end, before the model is disposed, e.g. to sample; without `checkpoint: true` the checkpoint is null. */
  useModel?: (gpt: Gpt, checkpoint: Checkpoint | null) => Promise<void>;
}

/** Measurements of a run, however it ended. */
export interface RunMeasurements {
  /** Loss of each step of this run. */
  losses: number[];
  numSteps: number;
  tokens: number;
  /** Seconds counted against the budget. */
  trainingSeconds: number;
  /** Seconds of steps in which the machine stood still (suspended, stopped), which are not counted. */
  disturbedSeconds: number;
  totalSeconds: number;
  evalSeconds: number;
  evalTokens: number;
  tokensPerSecond: number;
  mfuPercent: number | null;
  peakMemoryBytes: number;
  numParams: number;
  depth: number;
  checkpoint: Checkpoint | null;
}

/** How a run ended: with its budget used up, or early (by its signal or by `onEval`) without a final evaluation. */
export type Ending =
  | { status: 'finished'; valBpb: number }
  | { status: 'stopped'; valBpb: null }
  | { status: 'pruned'; valBpb: null };
/** Result of a run. */
export type TrainResult = RunMeasurements & Ending;
/** Result of a run that used its whole budget. */
export type FinishedRun = Extract<TrainResult, { status: 'finished' }>;

/** Options of a run that cannot end early. */
export type FullRunOptions = Omit<TrainOptions, 'signal' | 'onEval'> & { signal?: never; onEval?: never };
