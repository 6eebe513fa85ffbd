// The training function that the command line and the tuner call: takes a configuration, data and a budget, and returns
// val_bpb and measurements. Frees all its tensors, even when it throws.

import type * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory } from '../backend/index.js';
import { type PeakWatch, trackPeak } from '../backend/memory.js';
import { expect, messageOf, TrainingError } from '../base/errors.js';
import type { Dataset } from '../data/types.js';
import { countParameters, flopsPerToken } from '../model/flops.js';
import { createGpt, type Gpt } from '../model/gpt.js';
import { weightsMismatch } from '../model/weights.js';
import { createOptimizer, type Optimizer, stateMismatch } from '../optim/optimizer.js';
import { type BudgetMeter, meterBudget, validateBudget } from './budget.js';
import type { Checkpoint } from './checkpoint.js';
import { type ResolvedConfig, resolveConfig, type TrainConfig } from './config.js';
import { defaultEvalTokens, evaluateBpb } from './evaluate.js';
import { checkMemory } from './memoryCheck.js';
import type { Ending, FinishedRun, FullRunOptions, TrainOptions, TrainResult } from './runTypes.js';
import { trainStep } from './step.js';

/** Loss above which a run is stopped as diverged (the reference's fast fail). */
const EXPLODED = 100;
/** Decay of the average loss shown while training. */
const LOSS_EMA = 0.9;

type Saving = { checkpoint: true };
type Saved = { checkpoint: Checkpoint };

/**
 * Trains a model on the current backend.
 * @param config settings, or the result of `resolveConfig` for the data's vocabulary
 * @throws UsageError when sizes do not fit together or the run does not fit into memory; TrainingError when the loss
 *   diverges or memory runs out
 */
export async function train(
  config: TrainConfig | ResolvedConfig,
  options: FullRunOptions & Saving,
): Promise<FinishedRun & Saved>;
export async function train(
  config: TrainConfig | ResolvedConfig,
  options: FullRunOptions,
): Promise<FinishedRun>;
export async function train(
  config: TrainConfig | ResolvedConfig,
  options: TrainOptions & Saving,
): Promise<TrainResult & Saved>;
export async function train(
  config: TrainConfig | ResolvedConfig,
  options: TrainOptions,
): Promise<TrainResult>;
export async function train(
  config: TrainConfig | ResolvedConfig,
  options: TrainOptions,
): Promise<TrainResult> {
  const { data, budget, seed = 1, resume } = options;
  validateBudget(budget);
  const { vocabSize } = data.tokenizer;
  const resolved = 'model' in config ? config : resolveConfig(config, vocabSize);
  expect(
    resolved.model.vocabSize === vocabSize,
    () => `Expected a model of the tokenizer's ${vocabSize} ids, got ${resolved.model.vocabSize}`,
  );
  if (resume) checkResumable(resume, data);
  if (!options.force) await checkMemory(resolved, { checkpoint: options.checkpoint });
  const begin = performance.now();
  const peak = trackPeak();
  let gpt: Gpt | null = null;
  let optimizer: Optimizer | null = null;
  try {
    gpt = createGpt(resolved.model, resume ? { weights: resume.weights } : { seed });
    optimizer = createOptimizer(gpt, resolved.optimizer);
    if (resume) optimizer.restore(resume.optimizer, resume.run.meter.steps);
    return await run(gpt, optimizer, resolved, options, { begin, peak });
  } catch (error) {
    if (isOutOfMemory(error) && !(error instanceof TrainingError))
      throw new TrainingError(
        'out_of_memory',
        `Out of memory (${messageOf(error)}); set a smaller --device-batch-size, --depth or --width`,
        { cause: error },
      );
    throw error;
  } finally {
    optimizer?.dispose();
    gpt?.dispose();
    peak.stop();
  }
}

async function run(
  gpt: Gpt,
  optimizer: Optimizer,
  resolved: ResolvedConfig,
  options: TrainOptions,
  { begin, peak }: { begin: number; peak: PeakWatch },
): Promise<TrainResult> {
  const { data, seed = 1, resume, signal, evalAt = [], peakFlops } = options;
  const { config, accumulation } = resolved;
  const batch = config.deviceBatchSize;
  const seq = config.seqLen;
  const flops = flopsPerToken(gpt.config);
  const meter = meterBudget(options.budget, {
    untimedSteps: config.untimedSteps,
    flopsPerToken: flops,
    ...(resume && { resume: resume.run.meter }),
  });
  const mfu = (tokens: number, seconds: number): number | null =>
    peakFlops && seconds > 0 ? (100 * flops * tokens) / seconds / peakFlops : null;
  const losses: number[] = [];
  let smoothLoss = resume?.run.smoothLoss ?? 0;
  const due = evalAt.filter((fraction) => fraction <= meter.progress).length;
  let nextEval = Math.min(due, resume?.run.evaluations ?? due);
  let pruned = false;
  let evalSeconds = 0;
  /** val_bpb on `tokens` tokens, spread over those of the final evaluation; null when the signal came first. */
  const evaluate = async (tokens: number) => {
    const begin = performance.now();
    try {
      return await evaluateBpb(gpt, data, { tokens, of: config.evalTokens ?? tokens, batch, signal });
    } catch (error) {
      if (signal?.aborted) return null;
      throw error;
    } finally {
      evalSeconds += (performance.now() - begin) / 1000;
    }
  };

  /** Evaluates at the fractions that are due and not yet reported. */
  const evaluateDue = async () => {
    while (nextEval < evalAt.length && meter.progress >= evalAt[nextEval]! && !meter.done && !pruned) {
      const tokens = options.evalAtTokens ?? config.evalTokens ?? defaultEvalTokens(meter.tokens);
      const evaluation = await evaluate(tokens);
      if (!evaluation) break;
      const { valBpb } = evaluation;
      const report = { index: nextEval, fraction: evalAt[nextEval]!, valBpb, step: meter.steps };
      nextEval++;
      pruned = options.onEval?.(report) === 'stop';
    }
  };

  // A split that is too short shows now, not after the training.
  await (await data.loader('val', { batchSize: 1, seqLen: seq })).close();
  const loader = await data.loader('train', {
    batchSize: batch,
    seqLen: seq,
    ...(resume && { state: resume.run.loader }),
  });
  /** The loader's position after the last whole step. */
  let position = loader.state();
  const snapshot = async (): Promise<Checkpoint> => {
    const weights = await readVariables(gpt.params);
    const optimizerState = await readVariables(optimizer.state());
    // It could not be loaded again, and it would replace a good checkpoint.
    const problem =
      weightsMismatch(gpt.config, weights) ?? stateMismatch(gpt.config, resolved.optimizer, optimizerState);
    if (problem !== null)
      throw new TrainingError('diverged', `${problem} (step ${meter.steps}); set lower learning rates`);
    return {
      config,
      vocabSize: gpt.config.vocabSize,
      weights,
      optimizer: optimizerState,
      run: {
        seed,
        meter: meterState(meter),
        loader: position,
        smoothLoss,
        ...(evalAt.length > 0 && { evaluations: nextEval }),
        tokenizerHash: data.tokenizer.hash,
        data: data.name,
      },
    };
  };
  try {
    await evaluateDue(); // what a stopped run owes
    while (!meter.done && !pruned && !signal?.aborted) {
      const start = performance.now();
      const outcome = await trainStep(gpt, optimizer, loader, {
        batch,
        seq,
        recompute: config.recompute,
        accumulation,
        progress: () => meter.progress,
        signal,
      });
      if (!outcome) break;
      position = loader.state();
      const { loss } = outcome;
      if (!(loss <= EXPLODED))
        throw new TrainingError(
          'diverged',
          `Loss diverged to ${loss} at step ${meter.steps}; set lower learning rates (--matrix-lr, --embedding-lr)`,
        );
      const seconds = (performance.now() - start) / 1000;
      meter.add(seconds, config.totalBatchSize);
      losses.push(loss);
      smoothLoss = LOSS_EMA * smoothLoss + (1 - LOSS_EMA) * loss;
      options.onStep?.({
        step: meter.steps - 1,
        progress: meter.progress,
        loss,
        smoothLoss: smoothLoss / (1 - LOSS_EMA ** meter.steps),
        lrMultiplier: outcome.lrMultiplier,
        seconds,
        tokensPerSecond: config.totalBatchSize / seconds,
        mfuPercent: mfu(config.totalBatchSize, seconds),
        peakMemoryBytes: peak.bytes(),
        epoch: outcome.epoch,
        tokens: meter.tokens,
        trainingSeconds: meter.trainingSeconds,
      });
      await evaluateDue();
      const every = options.checkpointEvery;
      if (every && (meter.done || meter.steps % every.steps === 0)) await every.save(await snapshot());
    }

    let ending: Ending = pruned ? { status: 'pruned', valBpb: null } : { status: 'stopped', valBpb: null };
    let evalTokens = 0;
    const size = config.evalTokens ?? defaultEvalTokens(meter.tokens);
    const final = meter.done && !pruned ? await evaluate(size) : null;
    if (final) {
      evalTokens = final.tokens;
      ending = { status: 'finished', valBpb: final.valBpb };
      if (!Number.isFinite(final.valBpb))
        throw new TrainingError(
          'diverged',
          `val_bpb is ${final.valBpb} after ${meter.steps} steps; set lower learning rates`,
        );
    }
    const { tokens, timedTokens, trainingSeconds, disturbedSeconds } = meter;
    const checkpoint = options.checkpoint ? await snapshot() : null;
    await options.useModel?.(gpt, checkpoint);
    return {
      ...ending,
      losses,
      numSteps: meter.steps,
      tokens,
      trainingSeconds,
      disturbedSeconds,
      totalSeconds: (performance.now() - begin) / 1000,
      evalSeconds,
      evalTokens,
      tokensPerSecond: trainingSeconds > 0 ? timedTokens / trainingSeconds : 0,
      mfuPercent: mfu(timedTokens, trainingSeconds),
      peakMemoryBytes: peak.bytes(),
      numParams: countParameters(gpt.config).total,
      depth: config.depth,
      checkpoint,
    };
  } finally {
    await loader.close();
  }
}

const meterState = ({ steps, tokens, trainingSeconds, timedTokens }: BudgetMeter) => ({
  steps,
  tokens,
  trainingSeconds,
  timedTokens,
});

async function readVariables(variables: ReadonlyMap<string, tf.Variable>): Promise<Checkpoint['weights']> {
  const arrays: Checkpoint['weights'] = new Map();
  for (const [name, variable] of variables)
    arrays.set(name, { shape: variable.shape, values: new Float32Array(await variable.data()) });
  return arrays;
}

function checkResumable(checkpoint: Checkpoint, data: Dataset): void {
  const { tokenizerHash, data: name } = checkpoint.run;
  expect(
    tokenizerHash === data.tokenizer.hash,
    () =>
      `Expected the data that the checkpoint was trained on (${name}), got ${data.name} with another tokenizer; give the same data options`,
  );
}
