// A process that has lost its GPU cannot get it back, but a new one can: the parent starts another, which continues
// from the journal. This file decides when to do so and when to give up.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { releaseDevice } from '../backend/index.js';
import { DeviceLostError, messageOf } from '../base/errors.js';
import type { StudyLog } from '../tune/journal/replay.js';
import { isRemote, readJournal } from '../tune/storage/index.js';
import { MAIN } from './commandLine.js';
import { abortOnInterrupt } from './terminal.js';

/** In the environment of a process that continues for another: when the first one began, milliseconds since the epoch. */
const BEGUN = 'TINYGPT_TUNE_BEGUN';

/** Processes in a row that lose the GPU before one of them finishes a trial. */
const MOST_LOSSES = 3;

/** What is left of a limit that processes before this one have used up part of. */
export const secondsLeft = (seconds: number | undefined): number | undefined =>
  seconds !== undefined && process.env[BEGUN]
    ? seconds - (Date.now() - Number(process.env[BEGUN])) / 1000
    : seconds;

/**
 * Runs a process, and another for as long as it ends because its GPU was lost.
 * @param folder of the study, or of the studies of a contest; or the server that has the study
 * @param start runs it with more environment variables; resolves to its exit code
 * @returns the exit code of the last one
 */
export async function runRestarting(
  folder: string,
  start: (env: NodeJS.ProcessEnv) => Promise<number>,
  { begun = Date.now(), losses = 0 } = {},
): Promise<number> {
  for (let finished = finishedTrials(folder); ; ) {
    const code = await start(losses > 0 ? { [BEGUN]: `${begun}` } : {});
    if (code !== DeviceLostError.exitCode) return code;
    const now = finishedTrials(folder);
    losses = now > finished ? 1 : losses + 1;
    finished = now;
    if (losses === MOST_LOSSES) {
      process.stderr.write(
        `The GPU was lost ${losses} times in a row without a finished trial; see nvidia-smi and dmesg. The same command resumes\n`,
      );
      return code;
    }
    process.stderr.write('The GPU was lost; continuing in a new process\n');
  }
}

/**
 * Runs `work`, and where it loses the GPU, the same command line in a new process in its place. A process that was started for
 * another, or as a worker, leaves that to whoever started it.
 * @returns the exit code
 */
export async function orInNewProcess(
  folder: string,
  isWorker: boolean,
  work: () => Promise<number>,
): Promise<number> {
  const begun = Date.now();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DeviceLostError) || isWorker || process.env[BEGUN]) throw error;
    await releaseDevice();
    process.stderr.write(`${messageOf(error)}\nThe GPU was lost; continuing in a new process\n`);
    const { release } = abortOnInterrupt(() => undefined); // the terminal sends Ctrl-C to the new process too
    try {
      return await runRestarting(folder, (env) => exitOf(startAgain(env)), { begun, losses: 1 });
    } finally {
      release();
    }
  }
}

/** Starts this command line in another process, with `prefix` before it and `more` after it. */
export function startAgain(
  env: NodeJS.ProcessEnv,
  { prefix = [] as readonly string[], more = [] as string[], stdio = 'inherit' as StdioOptions } = {},
): ChildProcess {
  const given = process.argv.slice(2).filter((word, i) => !(i === 0 && word === 'tune'));
  const [command, ...words] = [...prefix, process.execPath, MAIN, 'tune', ...given, ...more];
  return spawn(command!, words, { env: { ...process.env, ...env }, stdio });
}

/** Resolves to the exit code of a process; 1 where a signal ended it. */
export const exitOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });

/** Trials that came to a value, of a study or of all studies of a contest. @param folder or a server's URL */
function finishedTrials(folder: string): number {
  if (isRemote(folder)) return countFinished(readJournal(folder));
  const folders = [
    folder,
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  const journals = folders.map((each) => join(each, 'journal.log')).filter((path) => existsSync(path));
  return countFinished(journals.flatMap((path) => readJournal(path)));
}

const countFinished = (studies: readonly StudyLog[]): number =>
  studies.flatMap(({ trials }) => trials).filter(({ state }) => state === 'complete' || state === 'pruned')
    .length;
