// The outcome of a study, from its journal alone: the table, best parameters as a configuration file, the report.

import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { confirmationText } from '../report/confirmation.js';
import { sortedFront } from '../report/frontPlot.js';
import { writeReport } from '../report/index.js';
import { referenceValue } from '../report/references.js';
import { readLosses } from '../report/steps.js';
import { bestTrial, completeTrials } from '../tune/best.js';
import { claimConclusion } from '../tune/conclusion.js';
import { type Confirmation, confirmationOf } from '../tune/confirm.js';
import { isRemote, openStorage } from '../tune/storage/index.js';
import type { Attributes, Direction, Trial } from '../tune/types.js';
import { counted, printable, shellPath } from './terminal.js';
import type { StudyPlace } from './tuneOptions.js';

/** The part of a study that a conclusion needs; a journal's studies have it. */
export type ConcludedStudy = {
  readonly name: string;
  readonly direction: Direction;
  /** Two of a study of two objectives. */
  readonly directions?: readonly Direction[] | undefined;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  readonly systemAttrs?: Attributes;
  /** Where it was confirmed on fresh seeds. */
  readonly confirmation?: Confirmation | null;
};

/**
 * Concludes a study that other processes may work on too: whichever of them ends last, and once.
 * @param ran trials that this process has run; with none, a study that has ended already is reported again
 */
export async function concludeShared(
  { name, folder, storage: place }: StudyPlace,
  options: Parameters<typeof concludeStudy>[2],
  ran: number,
): Promise<void> {
  const storage = openStorage(place);
  const conclusion = claimConclusion(storage, name);
  const study = storage.log.study(name);
  const direction = study?.directions[0] ?? 'minimize';
  const confirmation = study && confirmationOf({ ...study, direction }, storage.log.studies());
  storage.close();
  const again = conclusion === 'done' && ran === 0 && !isRemote(place);
  if (study && (conclusion === 'mine' || again))
    return concludeStudy(folder, { ...study, direction, confirmation: confirmation ?? null }, options);
  const best = study?.directions.length === 1 ? bestTrial(study.trials, direction) : null;
  options.say(
    typeof conclusion === 'number'
      ? `${counted(conclusion, 'trial')} of this study still ${conclusion === 1 ? 'runs' : 'run'}; the worker that ends last writes the report`
      : 'Another worker has written the report',
  );
  if (options.json)
    process.stdout.write(
      `${formatStandardJson({ study: name, folder, best_trial: best?.number ?? null, best_value: best?.value ?? null, running: conclusion === 'done' ? 0 : conclusion })}\n`,
    );
}

/**
 * Writes best.json (of two objectives front.json), the plot and report.html, and prints the summary, also when no trial has
 * finished.
 * @param options.json prints one JSON object to stdout instead; infinite values are written as 1e999
 */
export async function concludeStudy(
  folder: string,
  study: ConcludedStudy,
  options: {
    reference?: number | undefined;
    references?: string | undefined;
    json?: boolean;
    say: (line: string) => void;
  },
): Promise<void> {
  const { say } = options;
  const { trials, direction, directions = [] } = study;
  const front = directions.length > 1 ? sortedFront(trials, directions) : null;
  const best = front ? null : bestTrial(trials, direction);
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
    if (isObject(config)) say(`Train the best: tinygpt train --config ${shellPath(file)}`);
  } else {
    const done = completeTrials(trials).length;
    const none =
      done > 0
        ? `None of ${counted(done, 'complete trial')} satisfies the constraints; run more trials, or loosen them in a new study`
        : `No trial has finished (${counted(trials.length, 'trial')} in all); allow more time or use a smaller space`;
    say(none);
  }
  say(`Report: ${paths.html}   Plot: ${paths.svg}`);
  if (!options.json) return;
  const winner = study.confirmation?.winner;
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const outcome = {
    study: study.name,
    folder,
    ...(front && { front: front.map(({ number, values, params }) => ({ trial: number, values, params })) }),
    best_trial: best?.number ?? null,
    best_value: best?.value ?? null,
    best_params: best?.params ?? null,
    confirmed_trial: winner ? (winner.trial ?? chosen?.number ?? null) : null,
    confirmed_mean: winner?.mean ?? null,
    confirmed_interval: winner?.interval ?? null,
    complete: count('complete'),
    pruned: count('pruned'),
    failed: count('fail'),
    ...(isObject(study.userAttrs.llm_usage) && { llm: study.userAttrs.llm_usage }),
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
