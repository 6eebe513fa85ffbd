// Processes that the proof starts: how they end, and that nothing of them stays.

import type { ChildProcess } from 'node:child_process';

/** What a process has written is read within this, milliseconds, after it has ended. */
const LAST_WORDS_MS = 1000;

/**
 * Resolves when a process has ended and its output is read. What it has started itself may keep the output open: torch.compile
 * starts workers that outlive a process which is killed.
 * @returns `0` or what ended it
 */
export const endOf = (child: ChildProcess): Promise<number | string> =>
  new Promise((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (code, signal) => done(code ?? `${signal}`));
    child.on('exit', (code, signal) => {
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        done(code ?? `${signal}`);
      }, LAST_WORDS_MS).unref();
    });
  });

/** Ends a process that was started `detached`, and all that it has started. */
export function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {} // there is nothing left
}
