// The end of a study: its best trials and the defaults on fresh seeds, within the study's limits.

import { expect } from '../base/errors.js';
import { secondsOf, valueText } from '../report/labels.js';
import { confirmationFolder } from '../report/steps.js';
import { completeTrials } from '../tune/best.js';
import { type Confirmation, confirm } from '../tune/confirm.js';
import { median } from '../tune/math/order.js';
import { countsAsEvaluated } from '../tune/starting.js';
import type { Study } from '../tune/studyTypes.js';
import type { Trial } from '../tune/types.js';
import type { Task } from './task.js';
import { counted, duration, type Screen } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

/** A study of so many trials is confirmed unless told otherwise. */
const ENOUGH_TRIALS = 20;
/** So many of the best trials are run again unless --confirm says otherwise. */
export const USUAL_TOP = 3;
/** Part of a study's time that is kept for a confirmation nobody asked for. */
const MOST_SHARE = 1 / 4;

/** How many of the best trials to run again. @throws UsageError with two objectives */
function confirmedTrials(args: Pick<TuneArguments, 'confirm'>, study: Study): number {
  const isFront = (study.directions?.length ?? 1) > 1;
  expect(
    !isFront || (args.confirm ?? 0) === 0,
    () =>
      `Expected no --confirm with two objectives, which have a front and no best trial, got ${args.confirm}`,
  );
  if (isFront) return 0;
  return args.confirm ?? (study.trials.filter(countsAsEvaluated).length >= ENOUGH_TRIALS ? USUAL_TOP : 0);
}

/**
 * Whether a search must end for its confirmation to fit into the time.
 * @param seconds of search and confirmation
 */
export function mustConfirm(
  args: Pick<TuneArguments, 'confirm' | 'repeats'>,
  study: Study,
  seconds: number,
  elapsed: number,
): boolean {
  const top = confirmedTrials(args, study);
  const times = completeTrials(study.trials).flatMap((trial) => secondsOf(trial) ?? []);
  if (top === 0 || times.length === 0) return false;
  const needed = (top + 1) * args.repeats * median(times);
  return elapsed + (args.confirm === undefined ? Math.min(needed, seconds * MOST_SHARE) : needed) >= seconds;
}

/** Runs the confirmation; null where there is none to run. @param seconds that are left, where time is limited */
export async function confirmStudy(
  args: Pick<TuneArguments, 'confirm' | 'repeats' | 'storage'>,
  task: Pick<Task, 'objective'>,
  study: Study,
  folder: string,
  seconds: number | undefined,
  screen: Screen,
  onTrial?: (trial: Trial) => void,
): Promise<Confirmation | null> {
  const { progress, signal, say } = screen;
  const top = confirmedTrials(args, study);
  if (top === 0 || signal.aborted || !study.best() || (seconds !== undefined && seconds <= 0)) return null;
  const run = (seed: number) =>
    task.objective(
      { seed, label: 'confirmation', pruning: false, folder: confirmationFolder(folder) },
      screen,
    );
  const objectives = new Map<number, ReturnType<typeof run>>();
  say(
    `\nconfirmation: the best ${counted(top, 'trial')} and the defaults on ${counted(args.repeats, 'fresh seed')}`,
  );
  return confirm(
    study,
    (trial, seed) => {
      if (!objectives.has(seed)) objectives.set(seed, run(seed));
      return objectives.get(seed)!(trial);
    },
    {
      top,
      ...(args.storage !== undefined && { storage: args.storage }),
      repeats: args.repeats,
      signal,
      catch: true,
      ...(seconds !== undefined && { seconds }),
      onTrial: (trial) => {
        const { params, value, userAttrs } = trial;
        progress.end();
        const what = params.trial === -1 ? 'defaults' : `trial ${params.trial}`;
        const result =
          trial.state === 'complete' ? valueText(value!, 4) : String(userAttrs.fail_reason ?? 'failed');
        say(`${what.padStart(11)}  seed ${params.seed}  ${result}  ${duration(secondsOf(trial) ?? 0)}`);
        onTrial?.(trial);
      },
    },
  );
}
