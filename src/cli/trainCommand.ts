// tinygpt train: prepares data, trains for a budget, reports val_bpb, saves a checkpoint and prints a sample.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type BackendInfo, describeFallbacks, useBackend } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { discard, removeLeftovers, writeFileAtomic } from '../base/files.js';
import { kebab } from '../base/names.js';
import type { Dataset } from '../data/index.js';
import { countParameters, flopsPerToken } from '../model/flops.js';
import { createEventFile } from '../report/tensorboard.js';
import { stepScalars } from '../report/trialEvents.js';
import { type Budget, isUsedUp, validateBudget } from '../train/budget.js';
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from '../train/checkpoint.js';
import { type ResolvedConfig, resolveConfig, withVocabSize } from '../train/config.js';
import { checkMemory } from '../train/memoryCheck.js';
import { openMetricsLog, rewindMetricsLog } from '../train/metrics.js';
import type { StepReport, TrainResult } from '../train/runTypes.js';
import { formatSummary, type Summary, summarize } from '../train/summary.js';
import { train } from '../train/trainer.js';
import { BACKEND_OPTIONS, backendChoice, defaultPreset, setThreadCount } from './backendOptions.js';
import { DASHBOARD_OPTION, withDashboard } from './dashboardOption.js';
import { DATA_OPTIONS, describeData, openData, sourceSpec } from './dataOptions.js';
import { command, flag, group, integer, number, prompt, text, type ValuesOf } from './options.js';
import {
  claimRun,
  makeRunFolder,
  type RunRecord,
  readFinishedSummary,
  readRunRecord,
  removeEmptyFolder,
  runFiles,
  writeRunRecord,
} from './run.js';
import { sampleText } from './sampleCommand.js';
import { configFromArguments, givenSettings, SETTING_OPTIONS } from './settings.js';
import { TENSORBOARD_OPTION, tensorboardFolder } from './tensorboardOption.js';
import {
  bar,
  byteSize,
  counted,
  duration,
  openScreen,
  type ProgressLine,
  shellOption,
  shellPath,
  thousands,
} from './terminal.js';

const BUDGET_OPTIONS = group('Budget (one of):', {
  seconds: number('seconds of training (default 60 on a CPU, 300 on a GPU)', { above: 0 }),
  tokens: integer('tokens (bitwise reproducible)', { min: 1 }),
  steps: integer('optimizer steps', { min: 1 }),
  flops: number('floating-point operations', { above: 0 }),
});

const OPTIONS = {
  ...BUDGET_OPTIONS,
  ...DATA_OPTIONS,
  ...BACKEND_OPTIONS,
  ...SETTING_OPTIONS,
  seed: integer('random seed of the weights, data order and sample (default 1)', { min: 0 }),
  out: text('folder of the run (default runs/<time>)', { placeholder: 'folder' }),
  resume: text('folder of a stopped run to continue', { placeholder: 'folder' }),
  checkpointEvery: integer('also save a checkpoint every N steps', { min: 1 }),
  prompt: prompt('start of the sample printed at the end'),
  sampleTokens: integer('length of the sample; 0 prints none', { default: 300, min: 0 }),
  force: flag('train even if it may not fit into memory', { default: false }),
  ...DASHBOARD_OPTION,
  ...TENSORBOARD_OPTION,
  json: flag('print the summary as one JSON object', { default: false }),
};

export const trainCommand = command({
  options: OPTIONS,
  examples: [
    ['tinygpt train', 'a minute on the bundled stories'],
    ['tinygpt train --text stories.txt --seconds 300', 'five minutes on your own text'],
    ['tinygpt train --resume runs/20261123-152101', 'resume a stopped run'],
  ],
  run: async (args) => {
    const given = args.resume ?? args.out;
    const folder = given ?? makeRunFolder();
    try {
      return await withDashboard(args.dashboard, folder, () => runTrain(args, folder));
    } finally {
      if (given === undefined) removeEmptyFolder(folder);
    }
  },
});

type Arguments = ValuesOf<typeof OPTIONS>;

/** Runs the command; resolves to the exit code. */
async function runTrain(args: Arguments, folder: string): Promise<number> {
  const begin = performance.now();
  const stopping = 'Stopping after this pass (Ctrl-C again exits at once)';
  const { progress, signal, say, close } = openScreen(stopping, args);
  let release: (() => void) | undefined;
  try {
    setThreadCount(args.threads);
    const saved = args.resume === undefined ? null : readSaved(args, args.resume);
    // Before its checkpoint is read: a process that trains it would replace that meanwhile.
    if (saved) release = claimRun(folder);
    const resumed = saved && (await readResumed(args, folder, saved));
    if (resumed?.finished) {
      const { finished, record } = resumed;
      say(
        `Finished: this run has used its budget of ${describeBudget(record.budget)}; set a larger one to continue`,
      );
      if (args.json) printJson(finished, args.resume!);
      else say(formatSummary(finished));
      return 0;
    }
    const backend = await useBackend(backendChoice(resumed?.record.backend ?? args.backend, args.device), {
      precision: resumed?.record.precision ?? args.precision,
      onNote: (line) => progress.note(line),
    });
    if (signal.aborted) return 130;
    const record = resumed?.record ?? newRecord(args, backend);
    const configured = resolveConfig(record.config);
    if (!args.force) await checkMemory(configured, { checkpoint: true });
    say(`Backend ${backend.name} ${backend.precision} on ${backend.device} (${backend.version})`);
    const data = await openData(
      record.source,
      record.config.vocabSize,
      { ...args, tokenizer: record.tokenizer },
      progress,
      signal,
    );
    if (signal.aborted) return 130;
    say(describeData(data));
    const resolved = withVocabSize(configured, data.tokenizer.vocabSize);
    const { model, config } = resolved;
    say(
      `Model ${record.preset}: ${(countParameters(model).total / 1e6).toFixed(2)} M parameters, ` +
        `depth ${model.depth}, width ${model.width}, ${counted(model.heads, 'head')}, ${model.seqLen} tokens per row, ` +
        `${thousands(config.totalBatchSize)} tokens per step; budget ${describeBudget(record.budget)}`,
    );
    const resume = resumed?.checkpoint ?? null;
    const fresh = args.out === undefined || !existsSync(folder);
    release ??= claimRun(folder);
    const run = { data, backend, folder, fresh, progress, signal, resume, args };
    const { result, sample } = await runTraining(record, resolved, run);
    const summary = summarize(result, backend, record.seed, (performance.now() - begin) / 1000);
    writeFileAtomic(runFiles(folder).summary, `${JSON.stringify(summary, null, 2)}\n`);
    if (sample) writeFileAtomic(runFiles(folder).sample, `${sample}\n`);
    if (args.json) printJson(summary, folder);
    else say(formatSummary(summary));
    const onCpu = describeFallbacks();
    if (onCpu) say(`On the CPU instead of the GPU: ${onCpu}`);
    if (sample) say(`\n${sample}\n`);
    if (result.status === 'stopped') {
      say(`Stopped at step ${result.numSteps}; resume with: npx tinygpt train --resume ${shellPath(folder)}`);
      return 130;
    }
    say(
      `Checkpoint: ${runFiles(folder).checkpoint}; more samples: npx tinygpt sample ${shellPath(folder)} ${shellOption('prompt', args.prompt)}`,
    );
    return 0;
  } finally {
    release?.();
    close();
  }
}

/** Prints the summary and the paths of the run's files as one JSON object. */
function printJson(summary: Summary, folder: string): void {
  const { checkpoint, sample } = runFiles(folder);
  const paths = { folder, checkpoint, sample: existsSync(sample) ? sample : null };
  process.stdout.write(`${JSON.stringify({ ...summary, ...paths })}\n`);
}

/** A run to resume. */
interface Resumed {
  record: RunRecord;
  checkpoint: Checkpoint;
  /** The summary, if the run has finished. */
  finished: Summary | null;
}

/** The record of a run to resume. @throws UsageError where there is none, or the arguments do not go with it */
function readSaved(args: Arguments, folder: string): RunRecord {
  const given = Object.keys(givenSettings(args)).concat(
    (['preset', 'config', 'out', 'tokenizer'] as const).filter((name) => args[name] !== undefined),
    Object.keys(sourceSpec(args)),
  );
  expect(
    given.length === 0,
    () => `Expected no new settings with --resume, got --${kebab(given[0]!)}; start a new run instead`,
  );
  const saved = readRunRecord(folder);
  for (const name of ['seed', 'backend', 'precision'] as const)
    expect(
      args[name] === undefined || args[name] === 'auto' || args[name] === saved[name],
      () =>
        `Expected the ${name} of the run, ${saved[name]}, with --resume, got ${args[name]}; leave --${name} out, or start a new run`,
    );
  return saved;
}

async function readResumed(args: Arguments, folder: string, saved: RunRecord): Promise<Resumed> {
  removeLeftovers(folder);
  const checkpoint = await loadCheckpoint(runFiles(folder).checkpoint);
  const every = args.checkpointEvery ?? saved.checkpointEvery;
  const record = {
    ...saved,
    budget: budgetOf(args) ?? saved.budget,
    ...(every !== undefined && { checkpointEvery: every }),
  };
  const { model } = resolveConfig(record.config, checkpoint.vocabSize);
  const usedUp = isUsedUp(record.budget, checkpoint.run.meter, flopsPerToken(model));
  return {
    record,
    checkpoint,
    finished: usedUp ? readFinishedSummary(folder, checkpoint.run.meter.steps) : null,
  };
}

function newRecord(args: Arguments, backend: BackendInfo): RunRecord {
  const { preset, config } = configFromArguments(args, defaultPreset(backend));
  const folder = args.out;
  expect(
    folder === undefined || !existsSync(runFiles(folder).record),
    () =>
      `Expected a new folder for --out, got ${folder}, which holds a run; use --resume ${shellPath(folder!)} or another folder`,
  );
  return {
    version: 1,
    preset,
    config,
    budget: budgetOf(args) ?? { seconds: defaultPreset(backend) === 'cpu' ? 60 : 300 },
    seed: args.seed ?? 1,
    source: sourceSpec({
      ...args,
      text: args.text && resolve(args.text),
      valText: args.valText && resolve(args.valText),
    }),
    ...(args.tokenizer !== undefined && { tokenizer: resolve(args.tokenizer) }),
    backend: backend.name,
    precision: backend.precision,
    ...(args.checkpointEvery !== undefined && { checkpointEvery: args.checkpointEvery }),
  };
}

function budgetOf(args: Arguments): Budget | null {
  const names = Object.keys(BUDGET_OPTIONS) as (keyof typeof BUDGET_OPTIONS)[];
  const given = names.filter((name) => args[name] !== undefined);
  expect(given.length <= 1, () => `Expected one budget, got --${given.join(' and --')}`);
  if (given.length === 0) return null;
  const budget = { [given[0]!]: args[given[0]!] } as Budget;
  validateBudget(budget);
  return budget;
}

function describeBudget(budget: Budget): string {
  const [unit, amount] = Object.entries(budget)[0]! as [string, number];
  return unit === 'seconds' ? duration(amount) : `${counted(amount, unit.replace(/s$/, ''))}`;
}

type Run = {
  data: Dataset;
  backend: BackendInfo;
  folder: string;
  /** Whether the run made the folder. */
  fresh: boolean;
  progress: ProgressLine;
  signal: AbortSignal;
  resume: Checkpoint | null;
  args: Arguments;
};

async function runTraining(
  record: RunRecord,
  resolved: ResolvedConfig,
  { data, backend, folder, fresh, progress, signal, resume, args }: Run,
): Promise<{ result: TrainResult; sample: string }> {
  const files = runFiles(folder);
  if (resume) await rewindMetricsLog(files.metrics, resume.run.meter.steps);
  const metrics = openMetricsLog(files.metrics);
  const eventFolder = tensorboardFolder(args.tensorboard, folder);
  const events = eventFolder === null ? null : createEventFile(eventFolder);
  writeRunRecord(folder, record);
  let begun = resume !== null;
  let savedStep = -1;
  const save = async (checkpoint: Checkpoint) => {
    const { steps } = checkpoint.run.meter;
    if (steps !== savedStep) await saveCheckpoint(files.checkpoint, checkpoint, data.tokenizer);
    savedStep = steps;
  };
  let sample = '';
  try {
    const result = await train(resolved, {
      data,
      budget: record.budget,
      seed: record.seed,
      signal,
      peakFlops: backend.peakFlops,
      checkpoint: true,
      force: args.force,
      ...(resume && { resume }),
      checkpointEvery: { steps: record.checkpointEvery ?? Infinity, save },
      onStep: (report) => {
        begun = true;
        metrics.write({ kind: 'step', ...report });
        events?.scalars(report.step, stepScalars(report));
        progress.update(() => stepLine(report));
      },
      useModel: async (gpt, checkpoint) => {
        progress.end();
        await save(checkpoint!);
        if (args.sampleTokens === 0 || signal.aborted) return;
        const options = { maxTokens: args.sampleTokens, seed: record.seed, signal };
        sample = await sampleText(gpt, data.tokenizer, args.prompt, options);
      },
    });
    const { status, valBpb, evalTokens } = result;
    if (status === 'finished') {
      metrics.write({ kind: 'final', valBpb, evalTokens });
      events?.scalars(result.numSteps, { val_bpb: valBpb });
    }
    return { result, sample };
  } catch (error) {
    // A run that failed before its first step leaves no files.
    if (!begun) for (const path of fresh ? [folder] : [files.record, files.metrics]) discard(path);
    throw error;
  } finally {
    metrics.close();
    events?.close();
  }
}

/** ` 12.3% [##..] | 45s left | step 123 | loss 2.345 | lrm 1.00 | 12,345 tok/s | mfu 41.2% | 123 MB`: a narrow terminal cuts the end. */
export function stepLine(report: StepReport): string {
  const { progress, trainingSeconds } = report;
  const left = progress > 0 ? (trainingSeconds * (1 - progress)) / progress : Number.NaN;
  return [
    `${(100 * progress).toFixed(1).padStart(5)}% ${bar(progress, 12)}`,
    ...(Number.isFinite(left) && left > 0 ? [`${duration(left)} left`] : []),
    `step ${report.step}`,
    `loss ${report.smoothLoss.toFixed(4)}`,
    `lrm ${report.lrMultiplier.toFixed(2)}`,
    `${thousands(report.tokensPerSecond)} tok/s`,
    ...(report.mfuPercent === null ? [] : [`mfu ${report.mfuPercent.toFixed(1)}%`]),
    byteSize(report.peakMemoryBytes),
  ].join(' | ');
}
