// A program in a process group of its own, ended with everything it has started: at its end, at a time limit, when asked
// to, and when this process dies. Children that leave the group (daemons) are found by an environment variable that they
// inherit; on systems without /proc they are not.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { LONGEST_WAIT } from '../../base/pause.js';

const MARK = 'TINYGPT_TRIAL_PROCESS';
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 5000;
const POLL_MS = 25;
/** For output that is still in the pipe when the processes are gone. */
const DRAIN_MS = 1000;

export type ProcessEnd = {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why it was ended from here. */
  stopped: 'timeout' | 'asked' | null;
};

export type ProcessOptions = {
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Seconds; the process is ended then. */
  timeLimit?: number | undefined;
  /** Ends it. */
  signal: AbortSignal;
  /** What it reads; nothing unless given. */
  input?: string | undefined;
  onOutput: (chunk: Buffer, from: 'stdout' | 'stderr') => void;
};

/**
 * Runs a program, or a command line by the system's shell, to its end. When this resolves, nothing that it has started is running.
 * @throws the system's error where it cannot be started
 */
export async function runProcess(
  command: readonly string[] | string,
  options: ProcessOptions,
): Promise<ProcessEnd> {
  const { cwd, env, timeLimit, signal, input, onOutput } = options;
  const mark = randomUUID();
  const shell = typeof command === 'string';
  const [program, ...args] = shell ? [command] : command;
  const child = spawn(program!, args, {
    shell,
    cwd,
    env: { ...env, [MARK]: mark },
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => undefined).end(input); // it may end without reading
  for (const from of ['stdout', 'stderr'] as const)
    child[from]!.on('data', (chunk: Buffer) => onOutput(chunk, from)).on('error', () => undefined);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new Promise<Pick<ProcessEnd, 'code' | 'signal'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, by) => resolve({ code, signal: by }));
  });
  let stopped: ProcessEnd['stopped'] = null;
  const stop = (why: 'timeout' | 'asked') => {
    stopped ??= why;
    if (child.pid !== undefined) void endProcesses(child.pid, mark);
  };
  const ask = () => stop('asked');
  const limit = timeLimit === undefined ? undefined : Math.min(timeLimit * 1000, LONGEST_WAIT);
  const timer = limit === undefined ? undefined : setTimeout(stop, limit, 'timeout');
  const guard = child.pid === undefined ? undefined : guardAgainstOurEnd(child.pid);
  signal.addEventListener('abort', ask);
  if (signal.aborted) ask();
  try {
    const end = await ended;
    clearTimeout(timer); // what it leaves running is not its own time
    await endProcesses(child.pid!, mark);
    await Promise.race([closed, pause(DRAIN_MS)]);
    return { ...end, stopped };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', ask);
    child.stdout!.destroy();
    child.stderr!.destroy();
    if (guard?.pid !== undefined) sendTo(-guard.pid, 'SIGKILL');
  }
}

/** Ends a group and the marked processes outside it: SIGTERM, and SIGKILL to what is left after five seconds. */
async function endProcesses(group: number, mark: string): Promise<void> {
  let left = running(group, mark);
  if (left.length === 0) return;
  const until = performance.now() + GRACE_MS;
  for (const pid of left) sendTo(pid, 'SIGTERM');
  while (left.length > 0 && performance.now() < until) {
    await pause(POLL_MS);
    left = running(group, mark);
  }
  // Until none is left: one that forks while this looks has children that the next look finds.
  for (let i = 0; i < 40 && left.length > 0; i++) {
    for (const pid of left) sendTo(pid, 'SIGKILL');
    await pause(POLL_MS);
    left = running(group, mark);
  }
}

/** Processes of a group or with the mark; where /proc does not tell, the group as a whole (a negative number). */
function running(group: number, mark: string): number[] {
  if (!existsSync('/proc/self/stat')) return sendTo(-group, 0) ? [-group] : [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      // pid (name) state ppid pgrp: the name may hold blanks and parentheses.
      const [state, , pgrp] = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (state === 'Z' || state === 'X') return false;
      return (
        Number(pgrp) === group || readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${mark}`)
      );
    } catch {
      return false; // gone, or another user's
    }
  });
}

/** Whether the signal could be sent. */
function sendTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false; // gone
  }
}

/** A shell that waits for this process to die, however it does, and then ends the group. */
function guardAgainstOurEnd(group: number): ChildProcess {
  const script = 'read line; kill -s TERM -- "-$0"; sleep 5; kill -s KILL -- "-$0"';
  const guard = spawn('/bin/sh', ['-c', script, String(group)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.on('error', () => undefined);
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  guard.stdin?.on('error', () => undefined);
  return guard;
}
