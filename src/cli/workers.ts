// Several processes on one study: the parent starts them, forwards their output, stops them, and reports at the end.
// They share the journal; each continues when another dies, and all stop when the parent is gone.

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { hasGpuTensorflow, visibleGpus } from '../backend/index.js';
import { isRemote } from '../tune/storage/index.js';
import { concludeShared } from './conclude.js';
import { placeWorkers } from './placement.js';
import { exitOf, runRestarting, startAgain } from './restart.js';
import { abortOnInterrupt, linePrinter } from './terminal.js';
import type { StudyPlace, TuneArguments } from './tuneOptions.js';

const WORKER = 'TINYGPT_TUNE_WORKER';
/** A worker that has not stopped so long after its parent went exits at once. */
const PATIENCE_MS = 30_000;

/** The index of this worker process, or null. */
export const workerIndex = (): number | null => (process.env[WORKER] ? Number(process.env[WORKER]) : null);

/**
 * A worker's signal: aborted by SIGTERM, and when its parent disconnects, stops it or dies. Ctrl-C and SIGHUP reach the
 * parent too and are left to it.
 */
export function stopWithParent(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const stop = () => {
    process.off('SIGTERM', stop); // the second one ends the process at once
    controller.abort();
    setTimeout(() => process.exit(1), PATIENCE_MS).unref();
  };
  const ignore = () => {};
  process.on('SIGTERM', stop);
  process.on('SIGINT', ignore);
  process.on('SIGHUP', ignore);
  process.on('disconnect', stop);
  process.channel?.unref(); // waits for nothing by itself
  if (process.connected === false) stop();
  const release = () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', ignore);
    process.off('SIGHUP', ignore);
    process.off('disconnect', stop);
  };
  return { signal: controller.signal, release };
}

/** GPUs that workers may be given: none for TensorFlow's build for CPUs, unless some are asked for. */
const usableGpus = async ({ backend, command, gpus }: TuneArguments): Promise<number> =>
  backend === 'tensorflow' && command === undefined && gpus === undefined && !(await hasGpuTensorflow())
    ? 0
    : visibleGpus();

/**
 * Runs the same command in `--workers` processes and reports once all are done. The first signal stops the workers, which
 * record their running trials; the second ends all at once.
 * @param place folder and name of the study
 * @returns the exit code
 */
export async function runWorkers(args: TuneArguments, place: StudyPlace): Promise<number> {
  const say = linePrinter(args.json);
  const { workers: placements, about } = placeWorkers(args, await usableGpus(args));
  say(about);
  const workers: ChildProcess[] = [];
  const killAll = () => {
    for (const worker of workers) worker.kill('SIGKILL');
    process.exit(130);
  };
  const { signal, release } = abortOnInterrupt(() => {
    process.stderr.write(
      'Stopping: recording the running trials, then the summary (Ctrl-C again exits at once)\n',
    );
    for (const worker of workers) if (worker.connected) worker.disconnect();
    process.once('SIGINT', killAll);
    process.once('SIGTERM', killAll);
  });
  try {
    const codes = await Promise.all(
      placements.map(({ label, env: own, prefix }, index) =>
        runRestarting(args.storage ?? place.folder, (env) => {
          if (signal.aborted) return Promise.resolve(130);
          const more = args.name === undefined ? ['--name', place.name] : [];
          const worker = startAgain(
            { ...own, ...env, [WORKER]: `${index + 1}` },
            { prefix, more, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }, // by the channel it learns that the parent is gone
          );
          workers[index] = worker;
          createInterface({ input: worker.stdout! }).on('line', (line) => {
            if (/^ *\d+ {2}/.test(line)) say(label ? `${label}  ${line}` : line);
            else if (index === 0)
              say(/^ +# /.test(line) && label ? `${' '.repeat(label.length)}  ${line}` : line);
          });
          return exitOf(worker);
        }),
      ),
    );
    const failed = codes.filter((code) => code !== 0 && code !== 130);
    const exists = isRemote(place.storage) || existsSync(place.storage);
    if (!exists || failed.length === codes.length) return failed[0] ?? 130;
    await concludeShared(place, { ...args, say });
    return signal.aborted ? 130 : 0;
  } finally {
    release();
    process.off('SIGINT', killAll);
    process.off('SIGTERM', killAll);
  }
}
