// The options of tinygpt tune, and the space, limits and folder that they give.

import { basename, extname, join, resolve } from 'node:path';
import type { BackendInfo } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { show } from '../base/json.js';
import { readJsonFile } from '../base/textFile.js';
import type { Budget } from '../train/budget.js';
import type { TrainConfig } from '../train/config.js';
import { PRESET_NAMES } from '../train/presets.js';
import { describeDistribution } from '../tune/distributions.js';
import { prunerNames } from '../tune/pruners/index.js';
import { samplerNames } from '../tune/samplers/index.js';
import { fixParams, loadSpaceFile, onlyParams, parseAssignments, type TunableSpace } from '../tune/space.js';
import { configValues, SPACE_NAMES, trainSpace } from '../tune/trainSpaces.js';
import type { Params } from '../tune/types.js';
import { BACKEND_OPTIONS } from './backendOptions.js';
import { REFERENCES_OPTION } from './concludeContest.js';
import { DASHBOARD_OPTION } from './dashboardOption.js';
import { DATA_OPTIONS } from './dataOptions.js';
import { LLM_OPTIONS, LLM_SAMPLERS } from './llmOptions.js';
import { choice, flag, group, integer, many, number, text, type ValuesOf } from './options.js';
import { configFromArguments } from './settings.js';
import { TENSORBOARD_OPTION } from './tensorboardOption.js';

/** Options of the command. */
export const TUNE_OPTIONS = {
  ...DATA_OPTIONS,
  ...BACKEND_OPTIONS,
  ...group('Search:', {
    space: text(`${SPACE_NAMES.join(', ')}, or a JSON or TypeScript file`, { placeholder: 'name or file' }),
    sampler: choice(
      [...samplerNames, ...LLM_SAMPLERS],
      `${samplerNames.join(', ')}; with a model: ${LLM_SAMPLERS.join(', ')}`,
      {
        default: 'gp',
      },
    ),
    pruner: choice(prunerNames, `${prunerNames.join(', ')} (default: median for random, else nop)`),
    fix: many('fix a parameter; can be repeated', 'name=value'),
    only: text('search only these', { placeholder: 'name,name' }),
    constraint: many(
      'limit on what a trial measures, e.g. num_params<30e6; can be repeated',
      'metric<number',
    ),
    objectives: text('two metrics to trade off, e.g. val_bpb,peak_memory_bytes', {
      placeholder: 'metric,metric',
    }),
    warmStart: many('start from the results of another study; can be repeated', 'study'),
    enqueue: text('JSON file of configurations to try first', { placeholder: 'file' }),
    preset: choice(PRESET_NAMES, "base configuration (default: the space's)"),
    config: text('JSON file of settings that override the preset', { placeholder: 'file' }),
  }),
  ...group('Any command (instead of the trainer):', {
    command: text('command of a trial, e.g. "python train.py --lr {lr}"', { placeholder: 'command' }),
    metric: text('its value: a key of the last JSON line, a label, or a regular expression', {
      placeholder: 'name or regex',
    }),
    direction: choice(
      ['minimize', 'maximize'],
      'whether a lower or a higher value is better (default: minimize)',
    ),
    patch: text('script whose constants are replaced in a private copy', { placeholder: 'file' }),
    env: many('environment variable of the command; can be repeated', 'NAME={param}'),
    timeLimit: number('seconds after which a trial is ended', { above: 0 }),
    intermediate: text('regular expression for steps and values on the way, for a pruner', {
      placeholder: 'regex',
    }),
  }),
  ...group('Budget:', {
    trials: integer('total number of trials, including those of earlier runs', { min: 1 }),
    hours: number('time limit of this run in hours', { above: 0 }),
    minutes: number('time limit of this run in minutes', { above: 0 }),
    trialSeconds: number('seconds of training per trial', { above: 0 }),
    trialTokens: integer('tokens per trial (bitwise reproducible)', { min: 1 }),
    trialSteps: integer('steps per trial (bitwise reproducible)', { min: 1 }),
    evalTokens: integer('validation tokens per trial (default: measured)', { min: 1 }),
    stopWhenConverged: flag('end when the improvement still expected is far below the noise', {
      default: false,
    }),
    memoryLimit: number("memory limit of a trial in GB (default: the device's)", { above: 0 }),
  }),
  ...group('Study:', {
    workers: integer('worker processes on this machine (default 1, or one per GPU of --gpus)', { min: 1 }),
    gpus: text('one worker per GPU: all, or indices such as 0,2,3', { placeholder: 'list' }),
    shareGpu: flag('allow more workers than GPUs, with --trial-tokens, --trial-steps or --command', {
      default: false,
    }),
    storage: text('server of the study: redis://, rediss:// or grpc:// (default: a journal in its folder)', {
      placeholder: 'url',
    }),
    grace: number('seconds without a sign of life after which a worker elsewhere is gone', {
      default: 120,
      above: 0,
    }),
    retries: integer('how often a trial that lost its worker is tried again', { default: 1, min: 0 }),
    out: text('folder of the study (default studies/<name>)', { placeholder: 'folder' }),
    name: text('name of the study (default: --space and --sampler)', { placeholder: 'name' }),
    seed: integer('random seed of the sampler and the training', { default: 1, min: 0 }),
    confirm: integer(
      'run the best K trials and the defaults again on fresh seeds (default: 3 from 20 trials on)',
      {
        min: 0,
      },
    ),
    repeats: integer('fresh seeds for the defaults and the winners', { default: 3, min: 1 }),
  }),
  ...group('Contest:', {
    contest: text('compare samplers, e.g. random,gp,cmaes,tpe,hybrid', { placeholder: 'name,name' }),
    seeds: integer('seeds per sampler', { default: 3, min: 1 }),
  }),
  ...LLM_OPTIONS,
  ...group('While it runs:', { ...DASHBOARD_OPTION, ...TENSORBOARD_OPTION }),
  ...group('Report:', {
    reference: number('a val_bpb to compare with, e.g. from another run'),
    references: REFERENCES_OPTION,
  }),
  json: flag('print the outcome as one JSON object', { default: false }),
};

export const TUNE_EXAMPLES = [
  ['tinygpt-tune', 'a demo: under two minutes on any machine'],
  ['tinygpt-tune --hours 8 --trial-seconds 300', 'overnight on a GPU'],
  ['tinygpt-tune --command "python train.py" --patch train.py --metric val_bpb --trials 50', 'any program'],
  ['tinygpt-tune --gpus all --hours 8 --trial-seconds 300', 'one worker per GPU'],
  ['tinygpt-tune --storage redis://host:6379 --name night --hours 8', 'one of many workers'],
  ['tinygpt-tune --sampler hybrid --llm-command "claude -p"', 'a coding agent and CMA-ES'],
  ['tinygpt-tune --contest random,gp,cmaes,tpe --trials 60', 'the published comparison'],
] as const;

export type TuneArguments = ValuesOf<typeof TUNE_OPTIONS>;

/** A GPU with this much memory runs the reference's sizes. */
const LARGE_GPU_BYTES = 40e9;

/**
 * The space to search, narrowed as asked, with the configuration that trials start from: its values are the defaults
 * that the space does not give itself.
 * @param onNote called with each of its values that lies outside the space
 */
export async function spaceFromArguments(
  args: TuneArguments,
  backend: BackendInfo,
  onNote: (line: string) => void,
): Promise<{ setup: TunableSpace; preset: string; base: TrainConfig }> {
  const choice = args.space ?? defaultSpace(backend);
  const isFile = /[./\\]/.test(choice);
  const spacePreset = trainSpace(isFile ? defaultSpace(backend) : choice).preset;
  const { preset, config: base } = configFromArguments(args, spacePreset);
  const whole = isFile
    ? await loadSpaceFile(choice, (names) => configValues(names, base))
    : trainSpace(choice, base).setup;
  const setup = narrowed(whole, args);
  for (const line of outsideLines(setup, "The configuration's")) onNote(line);
  return { setup, preset, base };
}

/** What the defaults of searched parameters replace because it lies outside the range, a line each. */
export const outsideLines = ({ space, defaults, outside = {} }: TunableSpace, whose: string): string[] =>
  Object.entries(space)
    .filter(([name]) => Object.hasOwn(outside, name))
    .map(
      ([name, distribution]) =>
        `${whose} ${name} ${outside[name]} lies outside ${describeDistribution(distribution)}; the default is ${defaults[name]}`,
    );

/** A space with --fix and --only applied. */
export function narrowed(setup: TunableSpace, args: Pick<TuneArguments, 'fix' | 'only'>): TunableSpace {
  const fixed = args.fix.length > 0 ? fixParams(setup, parseAssignments(args.fix)) : setup;
  return args.only ? onlyParams(fixed, splitNames(args.only)) : fixed;
}

function defaultSpace(backend: BackendInfo): string {
  if (!backend.gpu) return 'cpu';
  return (backend.memoryBytes ?? 0) >= LARGE_GPU_BYTES ? 'reference' : 'consumer';
}

/** What limits the study and each trial. */
export type Limits = {
  trials: number | undefined;
  seconds: number | undefined;
  trial: Budget;
  /** No limit was given: a short demonstration. */
  isDemo: boolean;
};

/** A demonstration's length. */
const DEMO = { seconds: 90, trialSeconds: 6 };

/** The limit of a run in seconds. @throws UsageError for two of them */
export function wallSeconds(args: Pick<TuneArguments, 'hours' | 'minutes'>): number | undefined {
  expect(
    args.hours === undefined || args.minutes === undefined,
    () => 'Expected one of --hours and --minutes, got both',
  );
  if (args.hours !== undefined) return args.hours * 3600;
  return args.minutes === undefined ? undefined : args.minutes * 60;
}

/** Limits from the options. @throws UsageError for contradictions */
export function limitsFromArguments(args: TuneArguments, gpu: boolean): Limits {
  const per = (['trialSeconds', 'trialTokens', 'trialSteps'] as const).filter(
    (name) => args[name] !== undefined,
  );
  expect(
    per.length <= 1,
    () => 'Expected one of --trial-seconds, --trial-tokens and --trial-steps, got more',
  );
  const given = wallSeconds(args);
  const isDemo = given === undefined && args.trials === undefined;
  const seconds = isDemo ? DEMO.seconds : given;
  const trial: Budget =
    args.trialTokens !== undefined
      ? { tokens: args.trialTokens }
      : args.trialSteps !== undefined
        ? { steps: args.trialSteps }
        : { seconds: args.trialSeconds ?? defaultTrialSeconds(seconds, gpu, isDemo) };
  expect(
    seconds === undefined || !('seconds' in trial) || trial.seconds <= seconds,
    () =>
      `Expected a trial to fit into the budget, got ${'seconds' in trial ? trial.seconds : ''} s per trial and ${seconds} s in total; set --trial-seconds or --hours`,
  );
  return { trials: args.trials, seconds, trial, isDemo };
}

/** Five minutes on a GPU as in the published study, half a minute on a CPU; less where 20 would not fit. */
function defaultTrialSeconds(seconds: number | undefined, gpu: boolean, isDemo: boolean): number {
  if (isDemo) return DEMO.trialSeconds;
  const usual = gpu ? 300 : 30;
  return seconds === undefined ? usual : Math.min(usual, Math.max(1, Math.floor(seconds / 20)));
}

/**
 * Configurations of an --enqueue file: an object or an array of them, parameters by name.
 * @throws UsageError naming the file
 */
export function readEnqueued(path: string): Params[] {
  const content = readJsonFile(path, '--enqueue');
  return (Array.isArray(content) ? content : [content]) as Params[]; // each is checked when it is enqueued
}

/** `a, b` as names. */
export const splitNames = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** Where a study is: its name, the folder of its report and log, and its journal or server. */
export type StudyPlace = { name: string; folder: string; storage: string };

/**
 * The study's name and folder: by space, where given, and sampler.
 * @param usual name of a study that is given none
 * @throws UsageError for a name that would lead out of the folder of studies
 */
export function studyPlace(args: TuneArguments, usual = ''): StudyPlace {
  const file = args.space ?? args.patch;
  const space = file === undefined ? [] : [basename(file, extname(file))];
  const inFolder = args.out === undefined ? '' : basename(resolve(args.out));
  const name = args.name ?? (inFolder || usual || [...space, args.sampler].join('-'));
  const at = (folder: string) => ({ name, folder, storage: args.storage ?? join(folder, 'journal.log') });
  if (args.out !== undefined) return at(args.out);
  checkFolderName(name);
  return at(join('studies', name));
}

/** @throws UsageError for a --name that would lead out of the folder in which it names another */
export function checkFolderName(name: string): void {
  expect(
    name === basename(name) && !/^\.{0,2}$|[\\/]|\p{Cc}/u.test(name),
    () => `Expected --name to be a name without slashes, got ${show(name)}; choose the folder with --out`,
  );
}
