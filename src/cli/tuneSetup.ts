// Everything a study of the trainer needs: backend, data, space, budgets and the objective, from the options.

import { freemem } from 'node:os';
import { availableMemory, type BackendInfo, deviceMemory, useBackend } from '../backend/index.js';
import { EnvironmentError, expect } from '../base/errors.js';
import type { Dataset } from '../data/index.js';
import type { Budget } from '../train/budget.js';
import type { TrainConfig } from '../train/config.js';
import { defaultEvalTokens } from '../train/evaluate.js';
import { train } from '../train/trainer.js';
import type { TunableSpace } from '../tune/space.js';
import { readJournal } from '../tune/storage/index.js';
import { configOfTrial, type TrainObjectiveOptions, trainCheck } from '../tune/trainObjective.js';
import type { Attributes } from '../tune/types.js';
import { backendChoice, setThreadCount } from './backendOptions.js';
import { openData, sourceSpec } from './dataOptions.js';
import { checkPlacedOnGpu, memorySharers } from './placement.js';
import type { ProgressLine } from './terminal.js';
import { type Limits, limitsFromArguments, spaceFromArguments, type TuneArguments } from './tuneOptions.js';

/** A study of the trainer, ready to run. */
export interface TuneSetup {
  backend: BackendInfo;
  data: Dataset;
  preset: string;
  setup: TunableSpace;
  limits: Limits;
  objective: TrainObjectiveOptions;
}

/** Megabytes of stories for a demonstration: prepared in seconds. */
const DEMO_MEGABYTES = 4;
/** Part of the free memory that a trial may take on a CPU. */
const MEMORY_SHARE = 0.7;
/** Steps that measure the default configuration's speed, the first of them not counted. */
const PROBE_STEPS = 3;

/** Opens backend and data and works out space and limits. */
export async function prepareTuning(
  args: TuneArguments,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<TuneSetup> {
  setThreadCount(args.threads);
  const backend = await useBackend(backendChoice(args.backend, args.device), {
    precision: args.precision,
    onNote: (line) => progress.note(line),
  });
  checkPlacedOnGpu(args, backend);
  const limits = limitsFromArguments(args, backend.gpu === true);
  const { setup, preset, base } = await spaceFromArguments(args, backend, progress.note);
  const spec = sourceSpec(args);
  const source = limits.isDemo && Object.keys(spec).length === 0 ? { bundled: DEMO_MEGABYTES } : spec;
  const data = await openData(source, base.vocabSize, args, progress, signal);
  const memoryLimit =
    args.memoryLimit !== undefined
      ? args.memoryLimit * 1e9
      : (await memoryForTrials(backend)) / memorySharers();
  expect(
    memoryLimit > 0,
    () =>
      `Expected free memory on ${backend.device}, got none; end other programs on it, or set --memory-limit`,
  );
  const objective: TrainObjectiveOptions = {
    base,
    fixed: setup.fixed,
    data,
    budget: limits.trial,
    seed: args.seed,
    memoryLimit,
    peakFlops: backend.peakFlops,
  };
  return { backend, data, preset, setup, limits, objective };
}

/** Bytes that a trial may take: what is free now where the backend tells, else a part of what there is. */
export const memoryForTrials = async (backend: BackendInfo): Promise<number> =>
  (await availableMemory(backend.name)) ??
  (backend.memoryBytes ?? freemem() * MEMORY_SHARE) - deviceMemory().bytes;

/**
 * Fixes the evaluation's size for a whole study, so that all trials are scored on the same text: the option, what the
 * study recorded, the configured number, or a measurement of the default configuration.
 */
export async function fixEvalTokens(
  args: TuneArguments,
  { objective, setup }: TuneSetup,
  journal: string,
  studyName: string,
  progress: ProgressLine,
): Promise<number> {
  if (args.evalTokens !== undefined) return args.evalTokens;
  const recorded = recordedObjective(journal, studyName)?.eval_tokens;
  if (typeof recorded === 'number') return recorded;
  const config = configOfTrial(objective, setup.defaults);
  if (config.evalTokens !== null) return config.evalTokens;
  if (!('tokens' in objective.budget || 'steps' in objective.budget)) {
    const refused = trainCheck(objective)(setup.defaults);
    expect(
      refused === null,
      () =>
        `Expected a default configuration that can run, to measure its speed, got ${refused!.reason}: ${refused!.detail}; choose smaller defaults or set --eval-tokens`,
    );
    progress.note('Measuring the speed of the default configuration');
  }
  return defaultEvalTokens(await expectedTokens(config, objective.data, objective.budget));
}

/** Tokens that a configuration will have trained on at the end of a budget. */
async function expectedTokens(config: TrainConfig, data: Dataset, budget: Budget): Promise<number> {
  if ('tokens' in budget) return budget.tokens;
  if ('steps' in budget) return budget.steps * config.totalBatchSize;
  const probe = { ...config, untimedSteps: 1, evalTokens: config.seqLen };
  const { tokensPerSecond } = await train(probe, { data, budget: { steps: PROBE_STEPS } });
  const seconds = 'seconds' in budget ? budget.seconds : 0;
  return Math.max(config.totalBatchSize, tokensPerSecond * seconds);
}

function recordedObjective(journal: string, studyName: string): Attributes | undefined {
  try {
    const study = readJournal(journal).find((candidate) => candidate.name === studyName);
    return study?.userAttrs.objective as Attributes | undefined;
  } catch (error) {
    if (error instanceof EnvironmentError) throw error; // a corrupt journal
    return undefined; // none yet
  }
}

/** What decides the meaning of a study's values: a study that differs in any of it is refused. */
export function objectiveIdentity(
  { backend, data, preset, setup, objective }: TuneSetup,
  evalTokens: number,
): Attributes {
  return {
    task: 'tinygpt train',
    preset,
    base: { ...objective.base, evalTokens },
    fixed: setup.fixed,
    data: data.name,
    tokenizer: data.tokenizer.hash,
    budget: objective.budget,
    eval_tokens: evalTokens,
    train_seed: objective.seed,
    backend: backend.name,
    precision: backend.precision,
  };
}
