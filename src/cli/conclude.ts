// The outcome of a study, from its journal alone: the table, best parameters as a configuration file, the report.

import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { confirmationText } from '../report/confirmation.js';
import { writeReport } from '../report/index.js';
import { readLosses } from '../report/steps.js';
import { bestTrial } from '../tune/best.js';
import type { Confirmation } from '../tune/confirm.js';
import type { Attributes, Direction, Trial } from '../tune/types.js';
import { counted, printable, shellPath } from './terminal.js';

/** The part of a study that a conclusion needs; a journal's studies have it. */
export type ConcludedStudy = {
  readonly name: string;
  readonly direction: Direction;
  readonly trials: readonly Trial[];
  readonly userAttrs: Attributes;
  /** Where it was confirmed on fresh seeds. */
  readonly confirmation?: Confirmation | null;
};

/**
 * Writes best.json, progress.svg and report.html, and prints the summary, also when no trial has finished.
 * @param options.json prints one JSON object to stdout instead; infinite values are written as 1e999
 */
export async function concludeStudy(
  folder: string,
  study: ConcludedStudy,
  options: { reference?: number | undefined; json?: boolean; say: (line: string) => void },
): Promise<void> {
  const { say } = options;
  const { trials, direction } = study;
  const best = bestTrial(trials, direction);
  const paths = await writeReport(folder, study, {
    reference: options.reference,
    losses: readLosses(folder),
  });
  if (options.json !== true) say(printable(paths.text));
  if (options.json !== true && study.confirmation) say(confirmationText(study.confirmation));
  const chosen = chosenTrial(study);
  if (chosen) {
    const { config } = chosen.userAttrs;
    const file = join(folder, 'best.json');
    const what = isObject(config) ? config : chosen.params;
    writeFileAtomic(file, `${JSON.stringify({ ...what, _study: howChosen(study, chosen) }, null, 2)}\n`);
    if (isObject(config)) say(`Train the best: tinygpt train --config ${shellPath(file)}`);
  } else
    say(
      `No trial has finished (${counted(trials.length, 'trial')} in all); allow more time or use a smaller space`,
    );
  say(`Report: ${paths.html}   Plot: ${paths.svg}`);
  if (!options.json) return;
  const winner = study.confirmation?.winner;
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const outcome = {
    study: study.name,
    folder,
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
