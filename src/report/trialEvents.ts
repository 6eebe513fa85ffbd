// A study in TensorBoard: a run for each trial, with its parameters, its training loss and its values.

import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { StepReport } from '../train/runTypes.js';
import { isFinished } from '../tune/journal/records.js';
import type { Params, Trial } from '../tune/types.js';
import type { Losses } from './html.js';
import { metricNames, type ReportedStudy } from './study.js';
import { createEventFile, type EventFile } from './tensorboard.js';

/** A step of the trainer by tag. */
export const stepScalars = (report: StepReport) => ({
  'train/loss': report.loss,
  'train/lr_multiplier': report.lrMultiplier,
  'train/tokens_per_second': report.tokensPerSecond,
  'train/mfu_percent': report.mfuPercent,
});

const folderOf = (root: string, number: number): string =>
  join(root, `trial-${String(number).padStart(4, '0')}`);

/** Writes trials while they run. */
export type TrialEvents = {
  step(number: number, params: Params, report: StepReport): void;
  /** `metrics` are the names of the objectives. */
  end(trial: Trial, metrics: readonly string[]): void;
};

/** @param onNote called once where the files cannot be written; training goes on */
export function trialEvents(root: string, onNote: (line: string) => void): TrialEvents {
  const open = new Map<number, EventFile>();
  let failed = false;
  const attempt = (work: () => void) => {
    if (failed) return;
    try {
      work();
    } catch (error) {
      failed = true;
      onNote(`No more event files for TensorBoard: ${messageOf(error)}`);
    }
  };
  function fileOf(number: number, params: Params): EventFile {
    let file = open.get(number);
    if (!file) {
      file = createEventFile(folderOf(root, number));
      file.begin(params);
      open.set(number, file);
    }
    return file;
  }
  return {
    step: (number, params, report) =>
      attempt(() => fileOf(number, params).scalars(report.step, stepScalars(report))),
    end: (trial, metrics) =>
      attempt(() => {
        const file = fileOf(trial.number, trial.params);
        writeOutcome(file, trial, metrics);
        file.close();
        open.delete(trial.number);
      }),
  };
}

function writeOutcome(file: EventFile, trial: Trial, metrics: readonly string[]): void {
  const time = trial.end ?? Date.now();
  for (const [step, value] of trial.intermediate)
    file.scalars(step, { [`${metrics[0]}/intermediate`]: value }, time);
  const values = trial.values ?? [trial.value];
  const outcome = Object.fromEntries(metrics.map((metric, k) => [metric, values[k] ?? null]));
  if (trial.state === 'complete') file.scalars(0, outcome, time);
  if (isFinished(trial.state)) file.end(trial.state === 'complete', time);
}

/**
 * Writes the trials of a study that began, as they are now.
 * @returns how many
 * @throws EnvironmentError where they cannot be written
 */
export function exportEvents(root: string, study: ReportedStudy, losses: Losses): number {
  const started = study.trials.filter(({ start }) => start !== null);
  for (const trial of started) {
    const time = trial.start!;
    const file = createEventFile(folderOf(root, trial.number), time);
    try {
      file.begin(trial.params, time);
      for (const [progress, loss] of losses.get(trial.number) ?? [])
        file.scalars(Math.round(1000 * progress), { 'train/loss by budget': loss }, time);
      writeOutcome(file, trial, metricNames(study));
    } finally {
      file.close();
    }
  }
  return started.length;
}
