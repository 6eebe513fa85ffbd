// tinygpt study: what can be done with a study from a terminal or a script besides running it.

import { join } from 'node:path';
import { EnvironmentError, expect } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { pause } from '../base/pause.js';
import { type Found, isJournal, type Library, openLibrary } from '../dashboard/library.js';
import { studyCsv, studyJsonl } from '../report/export.js';
import type { ReportedStudy } from '../report/study.js';
import { exportEvents } from '../report/trialEvents.js';
import { endedLines, watchLines } from '../report/watchText.js';
import { isConfirmation } from '../tune/identity.js';
import { shownPlace } from '../tune/storage/index.js';
import type { Trial } from '../tune/types.js';
import { STEPS_OPTIONS, stepsFolder } from './dashboardCommand.js';
import { choice, command, flag, integer, number, required, text, type ValuesOf } from './options.js';
import { studyBest, studyStatus, studyStop, studyWait } from './studyActions.js';
import { abortOnInterrupt, counted, fitted, isLive, shellPath } from './terminal.js';

const FORMATS = ['csv', 'jsonl', 'tensorboard'] as const;
const ACTIONS: Record<string, { describe: string; run: (args: Arguments) => Promise<number> }> = {
  watch: { describe: 'show a study while it runs', run: watch },
  status: { describe: 'count its trials', run: once(studyStatus) },
  best: { describe: 'print its best trial', run: once(studyBest) },
  wait: { describe: 'wait until it has ended', run: wait },
  stop: { describe: 'end it after the running trials', run: once(studyStop) },
  export: { describe: 'write its trials for other tools', run: once(exportStudy) },
};
const actionNames = Object.keys(ACTIONS);

const WORDS = {
  action: required(actionNames.map((name) => `${name}: ${ACTIONS[name]!.describe}`).join('; '), actionNames),
  study: text('folder of a study, a journal or the URL of a storage (default: the studies here)', {
    default: 'studies',
  }),
};
const OPTIONS = {
  name: text('which study, if there are several (default: the one that changed last)', {
    placeholder: 'name',
  }),
  storage: text('the same as the study, for scripts: folder, journal or URL', { placeholder: 'url' }),
  trials: integer('wait for so many finished trials (default: until a worker has written the report)', {
    min: 1,
  }),
  timeout: number('seconds that wait waits at most', { above: 0 }),
  json: flag('print one JSON object (status, best, wait, stop)', { default: false }),
  ...STEPS_OPTIONS,
  format: choice(FORMATS, `what export writes: ${FORMATS.join(', ')}`, { default: 'csv' }),
  out: text('file that export writes, or folder for tensorboard (default: standard output)', {
    placeholder: 'path',
  }),
};
type Arguments = ValuesOf<typeof WORDS & typeof OPTIONS>;

export const studyCommand = command({
  options: OPTIONS,
  positionals: WORDS,
  examples: [
    ['tinygpt study watch studies/gp', 'the study in this terminal, live'],
    ['tinygpt study watch redis://host:6379 --steps studies/night', 'with the loss curves of this machine'],
    ['tinygpt study best --storage redis://host:6379 --name night --json', 'for a script'],
    ['tinygpt study export studies/gp > trials.csv', 'its trials for a spreadsheet'],
    ['tinygpt study export studies/gp --format tensorboard --out events', 'event files for TensorBoard'],
  ],
  run: (args) => {
    const fix = { watch: 'status --json', export: '--format jsonl' }[args.action];
    expect(!args.json || fix === undefined, () => `Expected no --json with ${args.action}; use ${fix}`);
    return ACTIONS[args.action]!.run({ ...args, study: args.storage ?? args.study });
  },
});

const WATCH_MS = 1000;
/** A server that is there has connected by then. */
const LEAST_SECONDS = 1;

/** Reads the study and does one thing with it. */
function once(act: (study: Found, args: Arguments) => number): (args: Arguments) => Promise<number> {
  return async (args) => {
    const library = openLibrary([args.study], stepsFolder(args));
    try {
      return act(chosen(library, args), args);
    } finally {
      library.close();
    }
  };
}

async function wait(args: Arguments): Promise<number> {
  const end = performance.now() + (args.timeout ?? Number.POSITIVE_INFINITY) * 1000;
  const left = () => Math.max(LEAST_SECONDS, (end - performance.now()) / 1000);
  const library = openLibrary([args.study], stepsFolder(args), left);
  const { signal, release } = abortOnInterrupt(() => {});
  let isRead = true;
  const find = () => {
    if (!isRead) library.rescan();
    isRead = false;
    return named(library, args).length > 0 ? chosen(library, args) : null;
  };
  try {
    const missing = () => library.unreadable[0]?.error ?? 'it does not exist yet';
    return await studyWait(find, { ...args, missing, end, signal });
  } finally {
    library.close();
    release();
  }
}

/** Redraws on a terminal; elsewhere prints a line for each trial that ends. Ends with Ctrl-C. */
async function watch(args: Arguments): Promise<number> {
  const library = openLibrary([args.study], stepsFolder(args));
  const { signal, release } = abortOnInterrupt(() => {});
  const { stdout } = process;
  const printed = new WeakSet<Trial>();
  // `tinygpt study watch | head`: nobody reads on.
  let isRead = true;
  const leave = () => {
    isRead = false;
  };
  stdout.on('error', leave);
  try {
    while (!signal.aborted && isRead) {
      const study = chosen(library, args);
      study.refresh();
      if (isLive(stdout)) {
        const size = { rows: (stdout.rows || 24) - 1, columns: stdout.columns || 80 };
        const lines = watchLines(reported(study), study.steps, {
          ...size,
          now: Date.now(),
          isLost: study.isLost,
        });
        stdout.write(`\x1b[H\x1b[J${lines.join('\n')}\n`);
      } else {
        // Trials do not end in the order of their numbers.
        const ended = study.log.trials.filter(
          (trial) => trial.state !== 'running' && trial.state !== 'waiting' && !printed.has(trial),
        );
        for (const line of endedLines(reported(study), ended)) stdout.write(`${fitted(line)}\n`);
        for (const trial of ended) printed.add(trial);
      }
      await pause(WATCH_MS, signal);
      library.rescan();
    }
    return 0;
  } finally {
    stdout.off('error', leave);
    library.close();
    release();
  }
}

function exportStudy(study: Found, { format, out }: Arguments): number {
  if (format === 'tensorboard') {
    const folder = out ?? join(study.where.endsWith('.log') ? join(study.where, '..') : '.', 'tensorboard');
    const count = exportEvents(folder, reported(study), study.steps.losses);
    process.stderr.write(
      `${counted(count, 'trial')} in ${folder}; show them with: tensorboard --logdir ${shellPath(folder)}\n`,
    );
    return 0;
  }
  expect(
    out === undefined || !isJournal(out),
    () => `Expected --out to be a file for the export, got ${out}, the journal of a study; name another`,
  );
  const content = format === 'csv' ? studyCsv(reported(study)) : studyJsonl(reported(study));
  if (out === undefined) process.stdout.write(content);
  else writeFileAtomic(out, content);
  return 0;
}

const reported = ({ log }: Found): ReportedStudy => ({ ...log, direction: log.directions[0] ?? 'minimize' });

/** The studies of the name that was given, else all but confirmation runs, which are no study to ask for. */
const named = ({ studies }: Library, { name }: Pick<Arguments, 'name'>): Found[] =>
  studies.filter(({ log }) => (name === undefined ? !isConfirmation(log) : log.name === name));

/**
 * The study of the name that was given, else the one that changed last.
 * @throws UsageError where there is none; EnvironmentError where its place cannot be read
 */
function chosen(library: Library, { name, study }: Arguments): Found {
  const { studies, unreadable } = library;
  const found = named(library, { name });
  if (found.length === 0 && unreadable[0]) throw new EnvironmentError(unreadable[0].error);
  const names = [...new Set(studies.map(({ log }) => log.name))].join(', ');
  expect(
    found.length > 0,
    () =>
      `Expected a study in ${shownPlace(study)}, got ${name === undefined ? 'none' : `the name ${name}, and there is ${names || 'none'}`}`,
  );
  const last = ({ log: { trials } }: Found) =>
    trials.slice(-50).reduce((latest, { start, end }) => Math.max(latest, end ?? start ?? 0), 0);
  return [...found].sort((a, b) => last(b) - last(a))[0]!;
}
