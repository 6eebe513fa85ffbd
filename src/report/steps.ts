// steps.jsonl in a study's folder: what its processes do between two records of the journal. Each run writes its limits, and
// each trial its steps, a few hundred lines a trial at most; reports and the dashboard read training losses from it. It is
// data of anyone who can write to the folder: lines that are not understood are left out.

import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { isObject } from '../base/valid.js';
import type { StepReport } from '../train/runTypes.js';
import type { RunLimits } from './budget.js';
import type { Losses } from './html.js';

/** A step as it is recorded. */
export type StepRecord = {
  trial: number;
  /** Milliseconds since the epoch. */
  time: number;
  step: number;
  /** Share of the budget used. */
  progress: number;
  loss: number;
  tokensPerSecond: number | null;
  mfuPercent: number | null;
  memoryBytes: number | null;
  secondsLeft: number | null;
};

export const stepsFile = (folder: string): string => join(folder, 'steps.jsonl');

/** Where the confirmation runs of a folder's study record their steps: their numbers are those of other trials there. */
export const confirmationFolder = (folder: string): string => join(folder, 'confirmation');

/** A step is written when so much of the budget has been used since the last one, or so much time has passed. */
const PROGRESS = 0.01;
const MILLISECONDS = 2000;

/** Records what a process does on a study. */
export type StepsLog = {
  run(limits: Omit<RunLimits, 'started'>): void;
  step(trial: number, report: StepReport): void;
};

/**
 * Appends to the steps of a study. They are a convenience: where they cannot be written, training goes on without.
 * @param onNote called once where that is so
 */
export function stepsLog(folder: string, onNote: (line: string) => void): StepsLog {
  let last = { trial: -1, progress: 0, time: 0 };
  let failed = false;
  const write = (record: Readonly<Record<string, unknown>>) => {
    if (failed) return;
    try {
      makeFolder(folder);
      appendFileSync(stepsFile(folder), `${JSON.stringify(record)}\n`);
    } catch (error) {
      failed = true;
      onNote(`Steps are not recorded: ${messageOf(error)}`);
    }
  };
  return {
    run: (limits) => write({ kind: 'run', ...limits, started: Date.now() }),
    step(
      trial,
      { progress, step, smoothLoss, tokensPerSecond, mfuPercent, peakMemoryBytes, trainingSeconds },
    ) {
      const time = Date.now();
      if (last.trial !== trial) last = { trial, progress: -1, time: 0 };
      const isDue = progress - last.progress >= PROGRESS || time - last.time >= MILLISECONDS || progress >= 1;
      if (!isDue) return;
      last = { trial, progress, time };
      write({
        kind: 'step',
        trial,
        time,
        step,
        progress: Number(progress.toFixed(5)),
        loss: Number(smoothLoss.toPrecision(6)),
        tokensPerSecond: Math.round(tokensPerSecond),
        mfuPercent: mfuPercent === null ? null : Number(mfuPercent.toFixed(2)),
        memoryBytes: peakMemoryBytes,
        trainingSeconds: Number(trainingSeconds.toFixed(2)),
      });
    },
  };
}

/** What is known of steps; live. */
export type Steps = {
  /** (share of the budget, training loss) of each trial. */
  readonly losses: Map<number, [number, number][]>;
  /** The last step of each trial. */
  readonly last: Map<number, StepRecord>;
  /** Of the run that began last. */
  limits: RunLimits | null;
};

export const noSteps = (): Steps => ({ losses: new Map(), last: new Map(), limits: null });

const CHUNK = 2 ** 20;
/** Points of a trial's curve that are kept. */
const MOST_POINTS = 400;

/**
 * Follows a file of steps; one that is cut or replaced is read again.
 * @param steps receives them
 * @param trial that lines without one are about: for the metrics of a run
 * @returns reads what is new
 */
export function followSteps(path: string, steps: Steps, trial?: number): () => void {
  let offset = 0;
  let rest = '';
  let file = -1;
  return () => {
    if (!existsSync(path)) return;
    const fd = openSync(path, 'r');
    try {
      const { size, ino } = fstatSync(fd);
      if (size < offset || ino !== file) [offset, rest, file] = [0, '', ino];
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(1, size - offset)));
      for (let got = 1; offset < size && got > 0; offset += got) {
        got = readSync(fd, buffer, 0, buffer.length, offset);
        const lines = (rest + buffer.toString('utf8', 0, got)).split('\n');
        rest = lines.pop()!;
        for (const line of lines) applyLine(line, steps, trial);
      }
    } finally {
      closeSync(fd);
    }
  };
}

function applyLine(line: string, steps: Steps, usual: number | undefined): void {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return; // torn, or not ours
  }
  if (!isObject(record)) return;
  const number = (...names: string[]) => {
    const name = names.find((each) => Number.isFinite(record[each]));
    return name === undefined ? null : (record[name] as number);
  };
  if (record.kind === 'run')
    steps.limits = { trials: number('trials'), seconds: number('seconds'), started: number('started') ?? 0 };
  const [trial, progress] = [number('trial') ?? usual, number('progress')];
  const loss = number('smoothLoss', 'loss');
  if (record.kind !== 'step' || trial === undefined || progress === null || loss === null) return;
  const spent = number('trainingSeconds');
  // The first steps may not be timed: nothing is known then.
  const left = spent && progress > 0 ? (spent * Math.max(0, 1 - progress)) / progress : null;
  steps.last.set(trial, {
    trial,
    progress,
    loss,
    time: number('time') ?? 0,
    step: number('step') ?? 0,
    tokensPerSecond: number('tokensPerSecond'),
    mfuPercent: number('mfuPercent'),
    memoryBytes: number('memoryBytes', 'peakMemoryBytes'),
    secondsLeft: number('secondsLeft') ?? left,
  });
  let points = steps.losses.get(trial) ?? [];
  // Begun again, or resumed at a checkpoint.
  if (progress <= (points.at(-1)?.[0] ?? -1)) points = points.filter(([x]) => x < progress);
  points.push([progress, loss]);
  if (points.length > MOST_POINTS) points = points.filter((_, i) => i % 2 === 0);
  steps.losses.set(trial, points);
}

/** The training losses of a study's trials, by its folder. */
export function readLosses(folder: string): Losses {
  const steps = noSteps();
  followSteps(stepsFile(folder), steps)();
  return steps.losses;
}
