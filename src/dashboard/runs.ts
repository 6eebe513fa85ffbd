// Runs of tinygpt train as a study: each run is a trial, the settings in which they differ are its parameters. So one page
// shows and compares runs as it does trials.

import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { shellPath } from '../base/format.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import { followSteps, noSteps, type StepRecord } from '../report/steps.js';
import type { StudyLog } from '../tune/journal/replay.js';
import { setOwn } from '../tune/objects.js';
import type { Attributes, Choice, Distribution, SearchSpace, Trial } from '../tune/types.js';
import type { Followed } from './library.js';

/** A run that writes no step for so long has stopped. */
const SILENCE_MS = 120_000;

/** Whether a folder is a run's; one that is not ours to read is none. */
export function isRun(folder: string): boolean {
  try {
    return statSync(join(folder, 'run.json')).isFile();
  } catch {
    return false;
  }
}

/** The runs of a folder, or one run, as a study. */
export function openRuns(folder: string): Followed {
  const trials: Trial[] = [];
  const log: StudyLog = {
    id: 0,
    name: basename(folder) || 'runs',
    directions: ['minimize'],
    userAttrs: {},
    systemAttrs: { 'study:metric_names': ['val_bpb'] },
    trials,
  };
  const steps = noSteps();
  const logs = new Map<string, ReturnType<typeof followRun>>();
  function refresh(): void {
    const names = isRun(folder)
      ? ['']
      : readdirSync(folder)
          .filter((name) => isRun(join(folder, name)))
          .sort();
    const runs = names.map((name) => readRun(join(folder, name)));
    const space = differingSettings(runs.map(({ config }) => config));
    // A new run may come before others, which moves their numbers.
    steps.losses.clear();
    steps.last.clear();
    names.forEach((name, number) => {
      if (!logs.has(name)) logs.set(name, followRun(join(folder, name)));
      const { losses, last } = logs.get(name)!();
      if (losses) steps.losses.set(number, losses);
      if (last) steps.last.set(number, { ...last, trial: number });
      trials[number] = trialOf(number, name || basename(folder), runs[number]!, space, last);
    });
    trials.length = names.length;
  }
  refresh();
  return { log, steps, refresh, isLost: () => false };
}

/** Follows the steps of one run. @returns reads what is new, and gives all so far */
function followRun(folder: string) {
  const steps = noSteps();
  const follow = followSteps(join(folder, 'metrics.jsonl'), steps, 0);
  return () => {
    follow();
    return { losses: steps.losses.get(0), last: steps.last.get(0) };
  };
}

type Run = { config: Attributes; record: Attributes; summary: Attributes; folder: string };

function readRun(folder: string): Run {
  const read = (name: string): Attributes => {
    try {
      const value = readJsonFile(join(folder, name));
      return isObject(value) ? value : {};
    } catch {
      return {}; // not there yet, or damaged
    }
  };
  const record = read('run.json');
  return {
    record,
    config: isObject(record.config) ? record.config : {},
    summary: read('summary.json'),
    folder,
  };
}

const isChoice = (value: unknown): value is Choice =>
  value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value);

/** The settings that are not the same in all runs, as a space that holds them all. */
function differingSettings(configs: readonly Attributes[]): SearchSpace {
  const space: SearchSpace = {};
  for (const name of new Set(configs.flatMap(Object.keys))) {
    const values = configs.map((config) => config[name] ?? null).filter(isChoice);
    const distinct = [...new Set(values)];
    if (distinct.length < 2) continue;
    const numbers = distinct.filter((value) => typeof value === 'number');
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const numeric = { low, high, log: low > 0 && high > 20 * low };
    const distribution: Distribution =
      numbers.length < distinct.length
        ? { kind: 'categorical', choices: distinct }
        : numbers.every(Number.isSafeInteger)
          ? { kind: 'int', ...numeric, step: 1 }
          : { kind: 'float', ...numeric, step: null };
    setOwn(space, name, distribution);
  }
  return space;
}

function trialOf(
  number: number,
  name: string,
  { record, config, summary: written, folder }: Run,
  space: SearchSpace,
  last: StepRecord | undefined,
): Trial {
  // A run that was resumed still has the summary of its first end.
  const isResumed = last !== undefined && last.step >= Number(written.num_steps);
  const summary = isResumed ? {} : written;
  const value = typeof summary.val_bpb === 'number' ? summary.val_bpb : null;
  const start = statSync(join(folder, 'run.json')).mtimeMs;
  const ended = statSync(join(folder, 'metrics.jsonl'), { throwIfNoEntry: false })?.mtimeMs ?? start;
  const isDone = Object.keys(summary).length > 0;
  const state = value !== null ? 'complete' : isDone || Date.now() - ended > SILENCE_MS ? 'fail' : 'running';
  const names = Object.keys(space).filter((key) => isChoice(config[key]));
  const { preset, backend, precision, seed } = record;
  const attributes = { run: name, preset, backend, precision, seed, ...summary };
  return {
    number,
    id: number,
    state,
    value,
    params: Object.fromEntries(names.map((key) => [key, config[key] as Choice])),
    distributions: Object.fromEntries(names.map((key) => [key, space[key]!])),
    intermediate: new Map(),
    userAttrs: {
      ...Object.fromEntries(
        Object.entries(attributes).filter(([, each]) => each !== undefined && each !== null),
      ),
      ...(state === 'fail' && {
        fail_reason: 'stopped',
        fail_message: `resume with: npx tinygpt train --resume ${shellPath(folder)}`,
      }),
      config,
    },
    systemAttrs: {},
    start,
    end: state === 'running' ? null : ended,
  };
}
