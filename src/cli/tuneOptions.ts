// The options of tinygpt tune, and what they come to.

import { basename, extname, join } from 'node:path';
import type { BackendInfo } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { readJsonFile } from '../base/textFile.js';
import type { Budget } from '../train/budget.js';
import { PRESET_NAMES } from '../train/presets.js';
import { prunerNames } from '../tune/pruners/index.js';
import { samplerNames } from '../tune/samplers/index.js';
import { fixParams, loadSpaceFile, onlyParams, parseAssignments, type TunableSpace } from '../tune/space.js';
import { presetDefaults, SPACE_NAMES, settingOf, trainSpace } from '../tune/trainSpaces.js';
import type { Params } from '../tune/types.js';
import { BACKEND_OPTIONS } from './backendOptions.js';
import { DATA_OPTIONS } from './dataOptions.js';
import { choice, flag, group, integer, many, number, text, type ValuesOf } from './options.js';

/** Options of the command. */
export const TUNE_OPTIONS = {
  ...DATA_OPTIONS,
  ...BACKEND_OPTIONS,
  ...group('Search:', {
    space: text(`${SPACE_NAMES.join(', ')}, or a JSON or TypeScript file`, { placeholder: 'name or file' }),
    sampler: choice(samplerNames, samplerNames.join(', '), { default: 'gp' }),
    pruner: choice(prunerNames, `${prunerNames.join(', ')} (default: median for random, else nop)`),
    fix: many('hold a parameter; may be repeated', 'name=value'),
    only: text('search only these', { placeholder: 'name,name' }),
    enqueue: text('JSON file of configurations to try first', { placeholder: 'file' }),
    preset: choice(PRESET_NAMES, "base configuration (default: the space's)"),
    config: text('JSON file of settings laid over the preset', { placeholder: 'file' }),
  }),
  ...group('Budget:', {
    trials: integer('trials in all, those of earlier runs included', { min: 1 }),
    hours: number('hours of this run', { above: 0 }),
    minutes: number('minutes of this run', { above: 0 }),
    trialSeconds: number('seconds of training a trial', { above: 0 }),
    trialTokens: integer('tokens a trial (gives the same bits every time)', { min: 1 }),
    trialSteps: integer('steps a trial (gives the same bits every time)', { min: 1 }),
    evalTokens: integer('validation tokens a trial (default: measured)', { min: 1 }),
    memoryLimit: number('GB that a trial may take (default: the device)', { above: 0 }),
  }),
  ...group('Study:', {
    workers: integer('processes on this study', { default: 1, min: 1 }),
    out: text('folder of the study (default studies/<name>)', { placeholder: 'folder' }),
    name: text('name of the study (default: --space and --sampler)', { placeholder: 'name' }),
    seed: integer('fixes the sampler and the training', { default: 1, min: 0 }),
  }),
  ...group('Contest:', {
    contest: text('compare samplers, e.g. random,gp,cmaes,tpe', { placeholder: 'name,name' }),
    seeds: integer('seeds a sampler', { default: 3, min: 1 }),
    repeats: integer('fresh seeds of defaults and winners', { default: 3, min: 1 }),
  }),
  ...group('Report:', { reference: number('a val_bpb to compare with, e.g. of another run') }),
  json: flag('print the outcome as one JSON object', { default: false }),
};

export const TUNE_EXAMPLES = [
  ['tinygpt-tune', 'a demonstration: under two minutes on any machine'],
  ['tinygpt-tune --hours 8 --trial-seconds 300', 'a night on a GPU'],
  ['tinygpt-tune --contest random,gp,cmaes,tpe --trials 60', 'the published comparison'],
] as const;

export type TuneArguments = ValuesOf<typeof TUNE_OPTIONS>;

/** A GPU with this much memory runs the reference's sizes. */
const LARGE_GPU_BYTES = 40e9;

/** The space to search, narrowed as asked, and the preset that trials start from. */
export async function spaceFromArguments(
  args: TuneArguments,
  backend: BackendInfo,
): Promise<{ setup: TunableSpace; preset: string }> {
  const choice = args.space ?? defaultSpace(backend);
  const isFile = /[./\\]/.test(choice);
  let { setup, preset } = !isFile
    ? trainSpace(choice)
    : await spaceFromFile(choice, args.preset ?? defaultPresetOf(backend));
  if (args.preset) preset = args.preset;
  if (args.only) setup = onlyParams(setup, splitNames(args.only));
  if (args.fix.length > 0) setup = fixParams(setup, parseAssignments(args.fix));
  return { setup, preset };
}

async function spaceFromFile(path: string, preset: string): Promise<{ setup: TunableSpace; preset: string }> {
  const setup = await loadSpaceFile(path);
  for (const name of Object.keys(setup.space)) settingOf(name);
  // A file may leave defaults out: the preset's then, where they lie within the range.
  return {
    setup: { ...setup, defaults: { ...presetDefaults(setup.space, preset), ...setup.defaults } },
    preset,
  };
}

const defaultPresetOf = (backend: BackendInfo) => trainSpace(defaultSpace(backend)).preset;

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
  taste: boolean;
};

/** A demonstration's length. */
const TASTE = { seconds: 90, trialSeconds: 6 };

/** The limits that the options come to. @throws UsageError on contradictions */
export function limitsFromArguments(args: TuneArguments, gpu: boolean): Limits {
  const wall = (['hours', 'minutes'] as const).filter((name) => args[name] !== undefined);
  expect(wall.length <= 1, () => 'Expected one of --hours and --minutes, got both');
  const per = (['trialSeconds', 'trialTokens', 'trialSteps'] as const).filter(
    (name) => args[name] !== undefined,
  );
  expect(
    per.length <= 1,
    () => 'Expected one of --trial-seconds, --trial-tokens and --trial-steps, got more',
  );
  const taste = wall.length === 0 && args.trials === undefined;
  const given =
    args.hours !== undefined ? args.hours * 3600 : args.minutes !== undefined ? args.minutes * 60 : undefined;
  const seconds = taste ? TASTE.seconds : given;
  const trial: Budget =
    args.trialTokens !== undefined
      ? { tokens: args.trialTokens }
      : args.trialSteps !== undefined
        ? { steps: args.trialSteps }
        : { seconds: args.trialSeconds ?? defaultTrialSeconds(seconds, gpu, taste) };
  expect(
    seconds === undefined || !('seconds' in trial) || trial.seconds <= seconds,
    () =>
      `Expected a trial to fit into the budget, got ${'seconds' in trial ? trial.seconds : ''} s a trial and ${seconds} s in all; set --trial-seconds or --hours`,
  );
  return { trials: args.trials, seconds, trial, taste };
}

/** Five minutes on a GPU as in the published study, half a minute on a CPU; less where 20 would not fit. */
function defaultTrialSeconds(seconds: number | undefined, gpu: boolean, taste: boolean): number {
  if (taste) return TASTE.trialSeconds;
  const usual = gpu ? 300 : 30;
  return seconds === undefined ? usual : Math.min(usual, Math.max(1, Math.floor(seconds / 20)));
}

/** Configurations of an --enqueue file: an object or an array of them, parameters by name. */
export function readEnqueued(path: string): Params[] {
  const content = readJsonFile(path, '--enqueue');
  const list = Array.isArray(content) ? content : [content];
  for (const entry of list)
    expect(
      typeof entry === 'object' && entry !== null && !Array.isArray(entry),
      () => `Expected --enqueue ${path} to hold objects of parameters, got ${JSON.stringify(entry)}`,
    );
  return list as Params[];
}

/** `a, b` as names. */
export const splitNames = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** The study's name and folder: by space, where given, and sampler. */
export function studyPlace(args: TuneArguments): { name: string; folder: string } {
  const space = args.space === undefined ? [] : [basename(args.space, extname(args.space))];
  const name = args.name ?? (args.out ? basename(args.out) : [...space, args.sampler].join('-'));
  return { name, folder: args.out ?? join('studies', name) };
}
