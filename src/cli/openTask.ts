// What the options of tinygpt tune ask to search.

import type { Task } from './task.js';
import type { ProgressLine } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

/** Opens it; the other one's libraries are not loaded. @throws UsageError for options that do not fit together */
export async function openTask(
  args: TuneArguments,
  place: { journal: string; name: string },
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<Task> {
  const { command, metric, patch, timeLimit, intermediate, env, direction } = args;
  const given = [command, metric, patch, timeLimit, intermediate, env[0], direction];
  return given.some((option) => option !== undefined)
    ? (await import('./commandTask.js')).commandTask(args)
    : (await import('./trainTask.js')).trainTask(args, place, progress, signal);
}
