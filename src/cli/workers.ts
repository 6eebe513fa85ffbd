// Several processes on one study: the parent starts them, passes their lines on, and reports at the end. The journal
// is what they share; each continues when another dies.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readJournal } from '../tune/journal/storage.js';
import { concludeStudy } from './conclude.js';
import { runRestarting } from './restart.js';
import { abortOnInterrupt } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

const WORKER = 'TINYGPT_TUNE_WORKER';

/** Which worker this process is, null when it is none. */
export const workerIndex = (): number | null => (process.env[WORKER] ? Number(process.env[WORKER]) : null);

/**
 * Runs the same command in `--workers` processes and reports once all are done.
 * @param folder of the study; @param name of the study
 * @returns the exit code
 */
export async function runWorkers(
  args: TuneArguments,
  place: { name: string; folder: string },
): Promise<number> {
  const say = (line: string) => (args.json ? process.stderr : process.stdout).write(`${line}\n`);
  const { signal, release } = abortOnInterrupt(() => undefined); // the terminal sends Ctrl-C to the workers too
  try {
    const codes = await Promise.all(
      Array.from({ length: args.workers }, (_, index) =>
        runRestarting(place.folder, (env) => runWorker(index + 1, place.name, say, env)),
      ),
    );
    const failed = codes.find((code) => code !== 0 && code !== 130);
    if (failed !== undefined && codes.every((code) => code !== 0 && code !== 130)) return failed;
    const study = readJournal(join(place.folder, 'journal.log')).find(({ name }) => name === place.name)!;
    await concludeStudy(place.folder, { ...study, direction: study.directions[0]! }, { ...args, say });
    return signal.aborted ? 130 : 0;
  } finally {
    release();
  }
}

function runWorker(
  index: number,
  study: string,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const given = process.argv.slice(2).filter((word, i) => !(i === 0 && word === 'tune'));
  const child = spawn(process.execPath, [main, 'tune', ...given, '--name', study], {
    env: { ...process.env, ...env, [WORKER]: `${index}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (index === 1 || /^ *\d+ {2}/.test(line)) say(line);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
