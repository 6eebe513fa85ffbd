// The outcome of a study, from its journal alone: the table, best parameters as a configuration file, the report.

import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { confirmationText } from '../report/confirmation.js';
import { sortedFront } from '../report/frontPlot.js';
import { summaryText, writeReport } from '../report/index.js';
import { failReason } from '../report/labels.js';
import { referenceValue } from '../report/references.js';
import { readLosses } from '../report/steps.js';
import { bestTrial, completeTrials } from '../tune/best.js';
import { concludeOnce } from '../tune/conclusion.js';
import { type Confirmation, confirmationOf } from '../tune/confirm.js';
import type { StudyLog } from '../tune/journal/replay.js';
import { isRemote, openStorage, shownPlace } from '../tune/storage/index.js';
import type { Attributes, Direction, Trial } from '../tune/types.js';
import { counted, printable, shellOption, shellPath } from './terminal.js';
import type { StudyPlace } from './tuneOptions.js';

/** The part of a study that a conclusion needs; a journal's studies have it. */
export type ConcludedStudy = {
  readonly name: string;
  readonly direction: Direction;
  /** Those of a study of several objectives. */
  readonly directions?: readonly Direction[] | undefined;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  readonly systemAttrs?: Attributes;
  /** Where it was confirmed on fresh seeds. */
  readonly confirmation?: Confirmation | null;
};

/** What a conclusion needs of a study, and of its runs on fresh seeds among the studies of its journal. */
export function concluded(log: StudyLog, studies: readonly StudyLog[]): ConcludedStudy {
  const study = { ...log, direction: log.directions[0]! };
  return { ...study, confirmation: confirmationOf(study, studies) };
}

/** How a study or a contest is concluded. */
export type ConcludeOptions = {
  /** A value to compare with. */
  reference?: number | undefined;
  /** Names published results to compare with. */
  references?: string | undefined;
  /** Prints one JSON object to stdout instead. */
  json?: boolean;
  say: (line: string) => void;
};

/** Concludes a study that other processes may work on too: whichever of them ends last, and once. */
export async function concludeShared(
  { name, folder, storage: place }: StudyPlace,
  options: ConcludeOptions,
): Promise<void> {
  const storage = openStorage(place);
  try {
    const read = (log: StudyLog) => concluded(log, storage.log.studies());
    const conclusion = await concludeOnce(storage, name, (log) => concludeStudy(folder, read(log), options));
    const log = storage.log.study(name);
    if (conclusion === 'mine' || !log) return;
    const [study, running] = [read(log), conclusion === 'done' ? 0 : conclusion];
    if (running > 0)
      options.say(
        `${counted(running, 'trial')} of this study still ${running === 1 ? 'runs' : 'run'}; the worker that ends last writes the report`,
      );
    else {
      if (!options.json) options.say(printable(summaryText(study)));
      const words = isRemote(place)
        ? `${shellPath(shownPlace(place))} ${shellOption('name', name)} --out ${shellPath(folder)}`
        : shellPath(folder);
      options.say(
        `The report is written already, or by another worker now; again: npx tinygpt report ${words}`,
      );
    }
    if (options.json) printOutcome(folder, study, { running });
  } finally {
    storage.close();
  }
}

/**
 * Writes best.json (of several objectives front.json), the plot and report.html, and prints the summary, also when no trial has
 * finished.
 */
export async function concludeStudy(
  folder: string,
  study: ConcludedStudy,
  options: ConcludeOptions,
): Promise<void> {
  const { say } = options;
  const { trials, directions = [] } = study;
  const front = directions.length > 1 ? sortedFront(trials, directions) : null;
  const paths = await writeReport(folder, study, {
    reference: referenceValue(options.reference, options.references),
    losses: readLosses(folder),
  });
  if (options.json !== true) say(printable(paths.text));
  if (options.json !== true && study.confirmation) say(confirmationText(study.confirmation));
  const chosen = front ? null : chosenTrial(study);
  if (front && front.length > 0) {
    const file = join(folder, 'front.json');
    writeFileAtomic(file, `${formatStandardJson(front.map(withConfig))}\n`);
    say(`Their values and configurations: ${file}`);
  } else if (chosen) {
    const { config } = chosen.userAttrs;
    const file = join(folder, 'best.json');
    const what = isObject(config) ? config : chosen.params;
    writeFileAtomic(file, `${JSON.stringify({ ...what, _study: howChosen(study, chosen) }, null, 2)}\n`);
    if (isObject(config)) say(`Train the best: npx tinygpt train --config ${shellPath(file)}`);
  } else {
    const done = completeTrials(trials).length;
    const failed = trials.findLast(
      ({ state, userAttrs }) => state === 'fail' && userAttrs.fail_reason !== 'interrupted',
    );
    const { fail_message: message, log } = failed?.userAttrs ?? {};
    const hint = failed
      ? `the last failure: ${message ?? failReason(failed)}${log ? `; see ${log}` : ''}`
      : 'allow more time or use a smaller space';
    const none =
      done > 0
        ? `None of ${counted(done, 'complete trial')} satisfies the constraints; run more trials, or loosen them in a new study`
        : `No trial has finished (${counted(trials.length, 'trial')} in all); ${hint}`;
    say(printable(none));
  }
  say(`Report: ${paths.html}   Plot: ${paths.svg}`);
  if (options.json) printOutcome(folder, study);
}

/** Prints the outcome as one JSON object to stdout; infinite values are written as 1e999. */
function printOutcome(folder: string, study: ConcludedStudy, more: Attributes = {}): void {
  const { trials, direction, directions = [], userAttrs } = study;
  const front = directions.length > 1 ? sortedFront(trials, directions) : null;
  const best = front ? null : bestTrial(trials, direction);
  const winner = study.confirmation?.winner;
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const outcome = {
    study: study.name,
    folder,
    ...(front && { front: front.map(({ number, values, params }) => ({ trial: number, values, params })) }),
    best_trial: best?.number ?? null,
    best_value: best?.value ?? null,
    best_params: best?.params ?? null,
    confirmed_trial: winner ? (winner.trial ?? chosenTrial(study)?.number ?? null) : null,
    confirmed_mean: winner?.mean ?? null,
    confirmed_interval: winner?.interval ?? null,
    complete: count('complete'),
    pruned: count('pruned'),
    failed: count('fail'),
    ...(isObject(userAttrs.llm_usage) && { llm: userAttrs.llm_usage }),
    ...more,
  };
  process.stdout.write(`${formatStandardJson(outcome)}\n`);
}

/** A trial of the front, for a file. */
const withConfig = ({ number, values, params, userAttrs: { config } }: Trial): Attributes => ({
  trial: number,
  values,
  params,
  ...(isObject(config) && { config }),
});

/** The winner of the confirmation, where it has one; else the best trial. */
function chosenTrial({ trials, direction, confirmation }: ConcludedStudy): Trial | null {
  const winner = confirmation?.winner;
  if (!winner) return bestTrial(trials, direction);
  const isDefaults = ({ state, params }: Trial) =>
    state === 'complete' && formatStandardJson(params) === formatStandardJson(winner.params);
  return winner.trial === null ? (trials.find(isDefaults) ?? null) : trials[winner.trial]!;
}

/** What best.json says about itself; `--config` leaves it out. */
function howChosen({ name, confirmation }: ConcludedStudy, { number, value }: Trial): Attributes {
  const winner = confirmation?.winner;
  const seeds = winner?.runs.map(({ seed }) => seed);
  return {
    study: name,
    trial: number,
    value,
    ...(winner && { confirmed: { mean: winner.mean, interval: winner.interval, gain: winner.gain, seeds } }),
  };
}
