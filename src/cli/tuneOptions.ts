// The options of tinygpt tune, and what they come to.

import { basename, extname, join } from 'node:path';
import type { Argv } from 'yargs';
import type { BackendInfo } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { readJsonFile } from '../base/textFile.js';
import type { Budget } from '../train/budget.js';
import { prunerNames } from '../tune/pruners/index.js';
import { samplerNames } from '../tune/samplers/index.js';
import { fixParams, loadSpaceFile, onlyParams, parseAssignments, type TunableSpace } from '../tune/space.js';
import { presetDefaults, SPACE_NAMES, settingOf, trainSpace } from '../tune/trainSpaces.js';
import type { Params } from '../tune/types.js';
import { BACKEND_OPTIONS, onGpu } from './backendOptions.js';
import { DATA_OPTIONS, type DataArguments } from './dataOptions.js';

/** yargs options of the command. */
export const tuneOptions = (yargs: Argv) =>
  yargs
    .options(DATA_OPTIONS)
    .options(BACKEND_OPTIONS)
    .options({
      space: {
        type: 'string',
        describe: `${SPACE_NAMES.join(', ')}, or a JSON or TypeScript file`,
        group: 'Search:',
      },
      sampler: { type: 'string', default: 'gp', describe: samplerNames.join(', '), group: 'Search:' },
      pruner: {
        type: 'string',
        describe: `${prunerNames.join(', ')} (default: median for random, else nop)`,
        group: 'Search:',
      },
      fix: { type: 'string', array: true, describe: 'name=value: hold a parameter', group: 'Search:' },
      only: { type: 'string', describe: 'name,name: search only these', group: 'Search:' },
      enqueue: { type: 'string', describe: 'JSON file of configurations to try first', group: 'Search:' },
      preset: { type: 'string', describe: "base configuration (default: the space's)", group: 'Search:' },
      config: { type: 'string', describe: 'JSON file of settings laid over the preset', group: 'Search:' },
      trials: { type: 'number', describe: 'trials in all, those of earlier runs included', group: 'Budget:' },
      hours: { type: 'number', describe: 'hours of this run', group: 'Budget:' },
      minutes: { type: 'number', describe: 'minutes of this run', group: 'Budget:' },
      'trial-seconds': { type: 'number', describe: 'seconds of training a trial', group: 'Budget:' },
      'trial-tokens': {
        type: 'number',
        describe: 'tokens a trial (repeatable to the bit)',
        group: 'Budget:',
      },
      'trial-steps': { type: 'number', describe: 'steps a trial (repeatable to the bit)', group: 'Budget:' },
      'eval-tokens': {
        type: 'number',
        describe: 'validation tokens a trial (default: measured)',
        group: 'Budget:',
      },
      'memory-limit': {
        type: 'number',
        describe: 'GB that a trial may take (default: the device)',
        group: 'Budget:',
      },
      workers: { type: 'number', default: 1, describe: 'processes on this study', group: 'Study:' },
      out: { type: 'string', describe: 'folder of the study (default studies/<name>)', group: 'Study:' },
      name: {
        type: 'string',
        describe: 'name of the study (default: --space and --sampler)',
        group: 'Study:',
      },
      seed: { type: 'number', default: 1, describe: 'fixes the sampler and the training', group: 'Study:' },
      contest: { type: 'string', describe: 'compare samplers: random,gp,cmaes,tpe', group: 'Contest:' },
      seeds: { type: 'number', default: 3, describe: 'seeds a sampler', group: 'Contest:' },
      repeats: {
        type: 'number',
        default: 3,
        describe: 'fresh seeds of defaults and winners',
        group: 'Contest:',
      },
      reference: {
        type: 'number',
        describe: 'a val_bpb to compare with, e.g. another run',
        group: 'Report:',
      },
      json: { type: 'boolean', default: false, describe: 'print the outcome as one JSON object' },
    })
    .example('tinygpt-tune', 'a taste: under two minutes on any machine')
    .example('tinygpt-tune --hours 8 --trial-seconds 300', 'a night on a GPU')
    .example('tinygpt-tune --contest random,gp,cmaes,tpe --trials 60', 'the published comparison');

export type TuneArguments = DataArguments & {
  backend: string;
  device?: number | undefined;
  precision?: string | undefined;
  space?: string | undefined;
  sampler: string;
  pruner?: string | undefined;
  fix?: string[] | undefined;
  only?: string | undefined;
  enqueue?: string | undefined;
  preset?: string | undefined;
  config?: string | undefined;
  trials?: number | undefined;
  hours?: number | undefined;
  minutes?: number | undefined;
  trialSeconds?: number | undefined;
  trialTokens?: number | undefined;
  trialSteps?: number | undefined;
  evalTokens?: number | undefined;
  memoryLimit?: number | undefined;
  workers: number;
  out?: string | undefined;
  name?: string | undefined;
  seed: number;
  contest?: string | undefined;
  seeds: number;
  repeats: number;
  reference?: number | undefined;
  json: boolean;
};

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
  if (args.fix) setup = fixParams(setup, parseAssignments(args.fix));
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
  if (!onGpu(backend)) return 'cpu';
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
  for (const name of ['hours', 'minutes', 'trialSeconds', 'trialTokens', 'trialSteps', 'trials'] as const) {
    const value = args[name];
    expect(
      value === undefined || (value > 0 && Number.isFinite(value)),
      () => `Expected --${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} to be > 0, got ${value}`,
    );
  }
  expect(
    args.trials === undefined || Number.isInteger(args.trials),
    () => `Expected --trials to be an integer, got ${args.trials}`,
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
  const content = readJsonFile(path, { what: '--enqueue' });
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
