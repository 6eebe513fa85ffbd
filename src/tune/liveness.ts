// Which running trials still have a worker. A process on this machine is looked up; one that cannot be seen from here
// (another machine or container) writes a sign of life with its trial every few seconds, a system attribute, and is taken
// for gone when neither that nor anything else of the trial has changed for a grace period. Clocks are not compared,
// unless they are far apart. Trials without signs of life, Python's for one, are left alone.

import { uptime } from 'node:os';
import { LONGEST_WAIT } from '../base/pause.js';
import { formatDate, isFinished, parseDate, trialAttrEntry } from './journal/records.js';
import type { Storage } from './storage/types.js';
import { asWorker, mayBeAlive, type WorkerIdentity } from './storage/worker.js';
import type { Trial } from './types.js';

/** System attributes of a trial: the process that runs it, with the seconds between its signs of life, and the last one. */
export const WORKER = 'tinygpt:worker';
export const HEARTBEAT = 'tinygpt:heartbeat';

/** What a worker writes into its trials. */
export type BeatingWorker = WorkerIdentity & { heartbeat?: number };

/** When a trial gave its last sign of life. */
const lastSign = ({ systemAttrs: { [HEARTBEAT]: last }, start }: Trial): number | null =>
  typeof last === 'string' ? parseDate(last) : start;

/** Signs of life in a grace period. */
const BEATS = 4;
/** Clocks of machines are at most this far apart. */
const CLOCK_SKEW_MS = 600_000;

export type Liveness = {
  /** This process, as its trials name it; null where they outlive it. */
  readonly worker: BeatingWorker | null;
  /** Writes signs of life for a trial of this process until it is finished. */
  keep(trial: Trial): void;
  /**
   * Whether the process of a running trial is gone.
   * @param unknown whether to count those that cannot be seen from here too, with or without signs of life
   */
  isLost(trial: Trial, unknown?: boolean): boolean;
};

/**
 * @param graceSeconds without a sign of life after which a worker is gone; Infinity for trials that somebody else evaluates,
 *   whoever asked for them
 */
export function createLiveness(storage: Storage, own: WorkerIdentity, graceSeconds: number): Liveness {
  const isShared = storage.place !== 'memory';
  const outlive = graceSeconds === Infinity;
  const worker = outlive ? null : isShared ? { ...own, heartbeat: graceSeconds / BEATS } : own;
  const kept = new Set<Trial>();
  const seen = new Map<number, { sign: string; at: number }>();
  let timer: NodeJS.Timeout | undefined;

  function beat(): void {
    for (const trial of kept) {
      if (isFinished(trial.state)) kept.delete(trial);
      else {
        const entry = trialAttrEntry('system', trial.id, HEARTBEAT, formatDate(Date.now()));
        try {
          storage.record(trial, [entry], { passing: true });
        } catch {
          // a full disk: the trial itself will say so
        }
      }
    }
    if (kept.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  }

  /** Whether nothing of the trial has changed for long. */
  function isSilent(trial: Trial, beatSeconds: number): boolean {
    const graceMs = Math.max(graceSeconds, beatSeconds * BEATS) * 1000;
    const date = lastSign(trial);
    if (date !== null && Date.now() - date > graceMs + CLOCK_SKEW_MS) return true;
    const sign = `${date} ${trial.intermediate.size} ${Object.keys(trial.userAttrs).length}`;
    const before = seen.get(trial.id);
    if (before?.sign !== sign) seen.set(trial.id, { sign, at: performance.now() });
    return before?.sign === sign && performance.now() - before.at > graceMs;
  }

  /** Whether it is of another machine of this one's name: it gave a sign of life since this one started. */
  const isNamesake = ({ host, boot }: WorkerIdentity, trial: Trial): boolean =>
    host === own.host && boot !== own.boot && (lastSign(trial) ?? 0) > Date.now() - uptime() * 1000;

  return {
    worker,
    keep(trial) {
      if (!isShared || outlive) return;
      kept.add(trial);
      timer ??= setInterval(beat, Math.min((graceSeconds / BEATS) * 1000, LONGEST_WAIT)).unref();
    },
    isLost(trial, unknown = false) {
      if (trial.state !== 'running') return false;
      const owner = asWorker(trial.systemAttrs[WORKER]);
      if (owner !== null && !isNamesake(owner, trial)) {
        if (!mayBeAlive(owner)) return true;
        if (owner.host === own.host && owner.namespace === own.namespace) return false;
      }
      const { heartbeat } = Object(trial.systemAttrs[WORKER]) as BeatingWorker;
      return unknown || (typeof heartbeat === 'number' && isSilent(trial, heartbeat));
    },
  };
}
