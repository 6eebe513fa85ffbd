// Identifies a process and determines whether another one is still alive: the basis for taking over a dead writer's lock and for
// failing the trials of killed workers. A process is known by host, boot, pid namespace, pid and start time,
// since pids are reused, a restart empties the table, and containers number their own.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Identifies a process for as long as the log may live. `start` counts clock ticks since boot. */
export type WorkerIdentity = { host: string; boot: string; namespace: string; pid: number; start: number };

function read(get: () => string): string {
  try {
    return get().trim();
  } catch {
    return ''; // not Linux, or no /proc: that part of the identity is simply empty
  }
}

let place: Pick<WorkerIdentity, 'host' | 'boot' | 'namespace'> | undefined;

/** Identity of a process on this machine, this one by default. */
export function identify(pid = process.pid): WorkerIdentity {
  return { ...here(), pid, start: processStatus(pid).start };
}

function here() {
  return (place ??= {
    host: hostname(),
    boot: read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    namespace: read(() => readlinkSync('/proc/self/ns/pid')).replace(/\D/g, ''),
  });
}

/** Whether the process still runs; null where that cannot be known from here (another machine or container). */
export function isAlive(worker: WorkerIdentity): boolean | null {
  const { host, boot, namespace } = here();
  if (worker.host !== host) return null;
  if (worker.boot !== boot) return false; // this machine restarted since
  if (worker.namespace !== namespace) return null;
  const status = processStatus(worker.pid);
  if (!status.alive) return false;
  return status.start === 0 || worker.start === 0 ? null : status.start === worker.start;
}

/** Whether the process still runs, as far as can be known from here. */
export const mayBeAlive = (worker: WorkerIdentity): boolean => isAlive(worker) !== false;

/** A worker identity from untyped data, or null. */
export function asWorker(value: unknown): WorkerIdentity | null {
  if (typeof value !== 'object' || value === null) return null;
  const { host, boot, namespace, pid, start } = value as Record<string, unknown>;
  if (typeof host !== 'string' || typeof boot !== 'string' || typeof namespace !== 'string') return null;
  if (!Number.isInteger(pid) || typeof start !== 'number') return null;
  return { host, boot, namespace, pid: pid as number, start };
}

/** Start time in clock ticks since boot (0 where unknown); a zombie counts as dead. */
export function processStatus(pid: number): { alive: boolean; start: number } {
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat !== '') {
    // "pid (name) state ppid ...": the name may hold spaces and parentheses, so count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { alive: !['Z', 'X', 'x'].includes(fields[0]!), start: Number(fields[19]) };
  }
  try {
    process.kill(pid, 0);
    return { alive: true, start: 0 };
  } catch (error) {
    return { alive: (error as NodeJS.ErrnoException).code === 'EPERM', start: 0 };
  }
}
