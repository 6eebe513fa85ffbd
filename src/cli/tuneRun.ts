// Running trials of the trainer with a line for each: what tune and its contests share.

import { join } from 'node:path';
import type { Logger } from 'pino';
import { EnvironmentError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { stepsLog } from '../report/steps.js';
import type { TrialEvents } from '../report/trialEvents.js';
import type { Objective, OptimizeResult, Study } from '../tune/studyTypes.js';
import { REPORT_PERCENTS, type TrainObjectiveOptions, trainObjective } from '../tune/trainObjective.js';
import type { Params, Trial } from '../tune/types.js';
import { fitted, type Screen } from './terminal.js';
import { stepLine } from './trainCommand.js';
import { frontTrialLine, trialLine } from './trialLine.js';

/** Tokens of an intermediate evaluation, as a part of the final one. */
const REPORT_SHARE = 1 / 8;
/** So many errors in a row that are no outcome of a trial end a study. */
const ERRORS_IN_A_ROW = 3;
/** So many commands that fail, before any trial has finished, end it as well: not the configurations are wrong. */
const FAILURES_AT_FIRST = 10;
const WRONG_COMMAND: readonly unknown[] = ['exit_code', 'metric_missing'];

/**
 * The trainer as an objective that shows its steps.
 * @param label what the progress line begins with
 * @param pruning whether to evaluate on the way, for a pruner
 * @param folder of the study, where steps are recorded
 */
export function shownObjective(
  options: TrainObjectiveOptions,
  label: string,
  pruning: boolean,
  { progress }: Screen,
  { folder, events }: { folder: string; events: TrialEvents | null },
): Objective {
  let current: { number: number; params: Params } = { number: 0, params: {} };
  const steps = stepsLog(folder, progress.note);
  const run = trainObjective({
    ...options,
    reportAt: pruning ? REPORT_PERCENTS : [],
    reportTokens: Math.ceil((options.base.evalTokens ?? 0) * REPORT_SHARE),
    onStep: (report) => {
      progress.update(() => `${label} ${current.number} ${stepLine(report)}`);
      steps.step(current.number, report);
      events?.step(current.number, current.params, report);
    },
  });
  return (trial) => {
    current = trial;
    return run(trial);
  };
}

/**
 * Runs the trials of a study within limits, a line for each.
 * @param log receives each trial as a JSON line
 * @throws EnvironmentError when several trials in a row end with an error that is no outcome of theirs, or every trial at the
 *   beginning by a command that fails; a single failure is recorded and the study continues
 */
export async function runTrials(
  study: Study,
  objective: Objective,
  { progress, signal, say }: Screen,
  options: {
    trials: number | undefined;
    seconds?: number | undefined;
    until?: () => boolean;
    defaults: Params;
    log?: Logger;
    /** Called after each trial's line. */
    onTrial?: (trial: Trial) => void;
  },
): Promise<OptimizeResult> {
  const { trials, seconds, until, defaults, log, onTrial } = options;
  let errors = 0;
  let failures = 0;
  return await study.optimize(objective, {
    signal,
    trials,
    seconds,
    ...(until && { until }),
    catch: true,
    onTrial: (trial) => {
      progress.end();
      const { directions, direction } = study;
      const line = directions
        ? frontTrialLine(trial, study.trials, defaults, directions)
        : trialLine(trial, study.trials, defaults, direction);
      say(fitted(line));
      const { number, state, params, userAttrs } = trial;
      const value = Number.isFinite(trial.value) ? trial.value : String(trial.value);
      const values = trial.values?.map((v) => (Number.isFinite(v) ? v : String(v)));
      const told = state === 'complete' && (values ? { values } : { value });
      log?.info({ number, state, ...told, params, ...userAttrs }, 'trial');
      onTrial?.(trial);
      errors = userAttrs.fail_reason === 'exception' ? errors + 1 : 0;
      if (errors === ERRORS_IN_A_ROW)
        throw new EnvironmentError(
          `The last ${errors} trials ended with an error: ${userAttrs.fail_message}`,
        );
      failures = WRONG_COMMAND.includes(userAttrs.fail_reason) ? failures + 1 : Number.NaN;
      if (failures === FAILURES_AT_FIRST && !study.trials.some(({ state }) => state === 'complete'))
        throw new EnvironmentError(
          `The first ${failures} trials failed, the last with: ${userAttrs.fail_message}; correct the command or the space and run it again`,
        );
    },
  });
}

/** The journal of a study in this folder, which is made. */
export function journalIn(folder: string): string {
  makeFolder(folder);
  return join(folder, 'journal.log');
}
