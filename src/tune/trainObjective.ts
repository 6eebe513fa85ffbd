// The trainer as an objective: a trial's parameters become a configuration, which is checked before it runs and
// stored with the trial; it returns val_bpb and reports intermediate values for pruners and learning curves.

import { reopenFailed } from '../backend/index.js';
import { messageOf, TrainingError, UsageError } from '../base/errors.js';
import type { Dataset } from '../data/types.js';
import type { Gpt } from '../model/gpt.js';
import type { Budget } from '../train/budget.js';
import { overrideConfig, resolveConfig, type TrainConfig } from '../train/config.js';
import { evaluateBpb } from '../train/evaluate.js';
import { memoryShortage } from '../train/memoryCheck.js';
import type { StepReport, TrainResult } from '../train/runTypes.js';
import { train } from '../train/trainer.js';
import type { Check, Objective } from './studyTypes.js';
import { settingsOf } from './trainSpaces.js';
import { TrialPruned } from './trial.js';
import type { Direction, Params } from './types.js';

/** Percentages of the budget at which a trial is evaluated on a small slice. */
export const REPORT_PERCENTS = [10, 20, 30, 40, 50, 60, 70, 80, 90] as const;

export interface TrainObjectiveOptions {
  /** The configuration that every trial starts from. */
  base: TrainConfig;
  /** Parameters that are not searched. */
  fixed?: Params;
  data: Dataset;
  /** Of one trial. */
  budget: Budget;
  /** Of every trial's training; 1 unless set. */
  seed?: number | string;
  /** Bytes that a trial may take on the device; not checked when unknown. */
  memoryLimit?: number | undefined;
  peakFlops?: number | undefined;
  /** Percentages at which to evaluate while training; none by default. */
  reportAt?: readonly number[];
  /** Tokens of such an evaluation. */
  reportTokens?: number;
  /** Tokens of held-out text, beyond those of val_bpb, to score at the end as `test_bpb`; none unless set. */
  testTokens?: number;
  onStep?: (report: StepReport) => void;
  /** Receives each finished training run. */
  onResult?: (number: number, result: TrainResult) => void;
}

/** The configuration of a trial's parameters. @throws UsageError for an unknown setting */
export function configOfTrial(
  options: Pick<TrainObjectiveOptions, 'base' | 'fixed'>,
  params: Params,
): TrainConfig {
  return overrideConfig(options.base, settingsOf({ ...options.fixed, ...params }, options.base));
}

/** Refuses configurations whose sizes do not fit together or that need more memory than the device has. */
export function trainCheck(options: TrainObjectiveOptions): Check {
  const { vocabSize } = options.data.tokenizer;
  return (params) => {
    try {
      const resolved = resolveConfig(configOfTrial(options, params), vocabSize);
      const { memoryLimit: device = Infinity } = options;
      const shortage = memoryShortage(resolved, { device, host: Infinity });
      return shortage === null ? null : { reason: 'memory', detail: shortage };
    } catch (error) {
      if (error instanceof UsageError) return { reason: 'sizes', detail: messageOf(error) };
      throw error;
    }
  };
}

/** Trains once a trial and returns val_bpb. Failures carry their reason (TrainingError). */
export function trainObjective(options: TrainObjectiveOptions): Objective {
  const { data, budget, seed = 1, peakFlops, reportAt = [] } = options;
  return async (trial) => {
    await reopenFailed(); // what a trial before this one has met
    const resolved = resolveConfig(configOfTrial(options, trial.params), data.tokenizer.vocabSize);
    trial.setUserAttr('config', resolved.config);
    let testBpb: number | null = null;
    const result = await train(resolved, {
      data,
      // With a limit of its own the study has checked.
      force: options.memoryLimit !== undefined,
      budget,
      seed,
      signal: trial.signal,
      peakFlops,
      evalAt: reportAt.map((percent) => percent / 100),
      ...(options.reportTokens && { evalAtTokens: options.reportTokens }),
      ...(options.onStep && { onStep: options.onStep }),
      onEval: ({ index, valBpb }) => {
        trial.report(reportAt[index]!, valBpb);
        return trial.shouldPrune() ? 'stop' : undefined;
      },
      ...(options.testTokens !== undefined && {
        useModel: async (gpt: Gpt) => {
          testBpb = await heldOutBpb(gpt, options.testTokens!, options, resolved.config);
        },
      }),
    });
    options.onResult?.(trial.number, result);
    if (testBpb !== null) trial.setUserAttr('test_bpb', testBpb);
    for (const [key, value] of Object.entries(measurements(result)))
      if (value !== null) trial.setUserAttr(key, value);
    if (result.status === 'pruned') throw new TrialPruned();
    if (result.status === 'stopped')
      throw new TrainingError('diverged', 'Stopped before the end of its budget');
    return result.valBpb;
  };
}

/** What trials measure besides val_bpb, with the direction that is usually wanted. */
export const TRAIN_METRICS = {
  training_seconds: 'minimize',
  disturbed_seconds: 'minimize',
  eval_seconds: 'minimize',
  total_seconds: 'minimize',
  num_steps: 'maximize',
  total_tokens: 'maximize',
  num_params: 'minimize',
  tokens_per_second: 'maximize',
  mfu_percent: 'maximize',
  peak_memory_bytes: 'minimize',
  final_train_loss: 'minimize',
} as const satisfies Record<string, Direction>;

/** Bits per byte of validation text that val_bpb does not score; null where the split has no more. */
async function heldOutBpb(
  gpt: Gpt,
  tokens: number,
  { data }: TrainObjectiveOptions,
  { evalTokens, deviceBatchSize: batch, seqLen }: TrainConfig,
): Promise<number | null> {
  const skip = evalTokens ?? 0;
  if (data.tokens.val < skip + (batch + 2) * (seqLen + 1)) return null;
  try {
    return (await evaluateBpb(gpt, data, { tokens, skip, batch })).valBpb;
  } catch (error) {
    if (error instanceof UsageError) return null; // what is left does not fill the rows
    throw error;
  }
}

/** Measurements stored with a trial. */
const measurements = (result: TrainResult): Record<keyof typeof TRAIN_METRICS, number | null> => ({
  training_seconds: result.trainingSeconds,
  disturbed_seconds: result.disturbedSeconds || null,
  eval_seconds: result.evalSeconds,
  total_seconds: result.totalSeconds,
  num_steps: result.numSteps,
  total_tokens: result.tokens,
  num_params: result.numParams,
  tokens_per_second: result.tokensPerSecond,
  mfu_percent: result.mfuPercent,
  peak_memory_bytes: result.peakMemoryBytes,
  final_train_loss: result.losses.at(-1) ?? null,
});
