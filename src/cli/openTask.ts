// What the options of tinygpt tune ask to search.

import type { Task, TaskOutline } from './task.js';
import type { ProgressLine } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

/** Whether they name a command, or anything that only a command has. */
export function isOfCommand(args: Partial<TuneArguments>): boolean {
  const { command, metric, patch, timeLimit, intermediate, env, direction } = args;
  const given = [command, metric, patch, timeLimit, intermediate, env?.[0], direction];
  return given.some((option) => option !== undefined);
}

/**
 * Opens it; the other one's libraries are not loaded.
 * @param check of options that name parts of the task, before it measures anything
 * @throws UsageError for options that do not fit together
 */
export async function openTask(
  args: TuneArguments,
  place: { journal: string; name: string },
  progress: ProgressLine,
  signal: AbortSignal,
  check: (outline: TaskOutline) => void = () => {},
): Promise<Task> {
  if (!isOfCommand(args))
    return (await import('./trainTask.js')).trainTask(args, place, progress, signal, check);
  const task = await (await import('./commandTask.js')).commandTask(args);
  check(task);
  return task;
}
