// What storages on the network have in common: a lost connection. Decisions wait for it to come back. Records about a
// running trial do not: they are applied here, written to this machine's disk, and sent when it is back, so that
// training goes on and nothing that was measured is lost. Redis and gRPC differ in the `Remote` that they give.

import { EnvironmentError, messageOf } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { formatJson } from '../../base/json.js';
import { pause } from '../../base/pause.js';
import { type Entry, isFinished, op, states } from '../journal/records.js';
import { WORKER } from '../liveness.js';
import type { Trial } from '../types.js';
import type { Connection } from './network/connection.js';
import { ConnectionLost } from './network/endpoint.js';
import { isRetryOf, recoveredEntries } from './recovered.js';
import { type Batch, openSpool } from './spool.js';
import type { Reads, Storage, Studies } from './types.js';

/** A server's studies. All but `apply` throw ConnectionLost. */
export type Remote = {
  readonly log: Studies;
  /** Reads what is new. */
  pull(reads?: Reads): void;
  /** As a storage's. May be called again with the same `build` where it is not known whether it succeeded. */
  transact(build: () => Entry[], reads?: Reads): Trial[];
  /** Appends records about one trial; nothing where it is finished. */
  record(trialId: number, entries: Entry[]): void;
  /** The trial as the server has it. */
  trial(id: number): Trial | undefined;
  /** The id of a trial's study. */
  studyOf(trial: Trial): number;
  /** Applies records to what is known of a trial here, before the server has them. */
  apply(entries: Entry[]): void;
};

export type RemoteOptions = {
  place: string;
  onNote: (line: string) => void;
  /** Seconds that a decision waits for a lost connection. */
  patience?: number;
  /** Seconds that the first connection may take; 15 unless set. */
  connectSeconds?: number | undefined;
  /** Where records are kept meanwhile; in the cache unless set. */
  spoolFolder?: string | undefined;
};

/** Servers and workers start together. */
const usualConnectSeconds = 15;

/** @throws EnvironmentError where the server cannot be reached */
export function remoteStorage(
  connection: Connection,
  open: () => Remote,
  { place, onNote, patience = 60, connectSeconds = usualConnectSeconds, spoolFolder }: RemoteOptions,
): Storage {
  const spool = openSpool(place, spoolFolder);
  let remote: Remote;
  try {
    connection.call('connected', [], Math.min(connectSeconds, usualConnectSeconds) * 1000);
    remote = open();
  } catch (error) {
    connection.close();
    if (!(error instanceof ConnectionLost)) throw error;
    throw new EnvironmentError(
      `Cannot reach ${place} (${error.message}); start the server or check the address`,
    );
  }
  let pending: Batch[] = spool.adopt();
  /** What was noted as failing. A server may answer reads and take no writes: its memory is full, or it is a replica. */
  let noted: 'reads' | 'writes' | null = null;
  let lastReason = '';
  let inMemory = false; // the disk does not take all of what is pending

  /** Runs `work`; false where the connection is lost. */
  function attempt(work: () => void, what: 'reads' | 'writes' = 'reads'): boolean {
    if (!connection.up) return lost(connection.reason, 'reads');
    try {
      const sends = pending.length > 0;
      flush();
      work();
      if (noted === 'reads' || (noted && (sends || what === 'writes'))) {
        if (!sends) onNote(`Connection to ${place} is back`);
        noted = null;
      }
      return true;
    } catch (error) {
      if (error instanceof ConnectionLost) return lost(error.message, pending.length > 0 ? 'writes' : what);
      throw error;
    }
  }

  function lost(reason: string, what: 'reads' | 'writes'): false {
    lastReason = reason;
    if (!noted) onNote(`Connection to ${place} lost (${reason}); trying again until it is back`);
    if (noted !== 'writes') noted = what;
    return false;
  }

  /** Sends what was kept. */
  function flush(): void {
    if (pending.length === 0) return;
    const batches = pending;
    const strays: Batch[] = [];
    // What ended here has not ended there; whether another process has ended it is read next.
    for (const batch of batches) reopen(trialOf(batch));
    try {
      remote.pull();
      while (pending.length > 0) {
        const trial = trialOf(pending[0]!);
        if (trial) send(trial, pending[0]!, batches);
        else strays.push(pending[0]!);
        pending = pending.slice(1);
      }
    } catch (error) {
      pending = [...strays, ...pending];
      for (const batch of pending) if (trialOf(batch)) remote.apply(batch.entries);
      throw error;
    }
    const sent = countOf(batches) - countOf(strays);
    if (sent > 0)
      onNote(
        `${counted(sent, 'record')} that ${sent === 1 ? 'was' : 'were'} kept in ${spool.path ?? 'memory'} ${sent === 1 ? 'is' : 'are'} now in ${place}`,
      );
    if (strays.length > 0)
      onNote(
        `Not sent: ${counted(countOf(strays), 'record')} of trials that ${place} does not have, as after it was emptied; kept in ${spool.setAside(strays)}`,
      );
    spool.clear();
    inMemory = false;
  }

  /** The trial of a batch; undefined where the number now stands for a trial of another worker. */
  function trialOf({ trial: id, owner }: Batch): Trial | undefined {
    const trial = remote.trial(id);
    const isOwners =
      owner === undefined || formatJson(owner) === formatJson(trial?.systemAttrs[WORKER] ?? null);
    return isOwners ? trial : undefined;
  }

  function send(trial: Trial, { study, trial: id, entries }: Batch, batches: Batch[]): void {
    const end = entries.find(
      ({ op_code, state }) => op_code === op.setState && isFinished(states[state as number]!),
    );
    if (!isFinished(trial.state)) {
      remote.record(id, entries);
      return;
    }
    const log = remote.log.studies().find((each) => each.id === study);
    if (!log || !end) return;
    if (states[end.state as number] === 'fail') {
      // It may have ended there, and the connection been lost before it was enqueued again.
      const again = entries.filter(({ op_code }) => op_code === op.createTrial);
      if (again.length > 0) remote.transact(() => (log.trials.some(isRetryOf(trial)) ? [] : again), 'trials');
    } else if (!isSame(trial, end)) {
      const all = batches.filter((batch) => batch.trial === id).flatMap((batch) => batch.entries);
      remote.transact(() => recoveredEntries(log, trial, all, end), 'trials');
      onNote(
        `Trial ${trial.number} had been given up as ${trial.userAttrs.fail_reason ?? trial.state}; its result is recorded as a new trial`,
      );
    }
  }

  connection.onChange(() => {
    try {
      if (connection.up) attempt(() => {});
      else lost(connection.reason, 'reads');
    } catch {
      // the next call says so
    }
  });
  attempt(() => {});

  return {
    place,
    path: null,
    log: remote.log,
    refresh: (reads) => void attempt(() => remote.pull(reads)),
    transact(build, reads) {
      let created: Trial[] = [];
      const end = performance.now() + patience * 1000; // clocks are set, and machines sleep
      const work = () => {
        created = remote.transact(build, reads);
      };
      while (!attempt(work, 'writes')) {
        const left = end - performance.now();
        if (left <= 0)
          throw new EnvironmentError(
            `${place} cannot be reached (${lastReason})${spool.path ? `; ${spool.path} keeps what was measured, and the next start sends it` : ''}`,
          );
        try {
          connection.call('connected', [], Math.min(left, 5000));
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
        }
      }
      return created;
    },
    record(trial, entries, { passing = false } = {}) {
      if (entries.length === 0 || isFinished(trial.state)) return;
      const keep = (said: (path: string) => string) => {
        const owner = trial.systemAttrs[WORKER];
        const batch = {
          study: remote.studyOf(trial),
          trial: trial.id,
          ...(owner !== undefined && { owner }),
          entries,
        };
        const isFirst = spool.path === null;
        pending.push(batch);
        remote.apply(entries);
        try {
          spool.add(batch);
          if (isFirst) onNote(said(spool.path!));
        } catch (error) {
          if (!inMemory) onNote(`${messageOf(error)}; what is measured meanwhile is kept in memory only`);
          inMemory = true;
        }
      };
      try {
        if (attempt(() => remote.record(trial.id, entries), 'writes') || passing) return;
      } catch (error) {
        if (error instanceof EnvironmentError && !passing)
          keep((path) => `${path} keeps what was measured, and the next start on this machine sends it`);
        throw error;
      }
      keep((path) => `The trial goes on; its records are kept in ${path} meanwhile`);
    },
    async ready(signal) {
      while (!signal?.aborted && !attempt(() => {})) await pause(200, signal);
    },
    close() {
      connection.onChange(null);
      try {
        if (connection.up) attempt(() => {});
      } finally {
        if (pending.length > 0 && spool.path !== null)
          onNote(`${spool.path} keeps what ${place} has not got; the next start on this machine sends it`);
        if (pending.length > 0 && inMemory)
          onNote(`${place} has not got all that was measured, and no disk could keep it: it is lost`);
        connection.close();
      }
    },
  };
}

const countOf = (batches: readonly Batch[]): number =>
  batches.reduce((sum, { entries }) => sum + entries.length, 0);

function reopen(trial: Trial | undefined): void {
  if (!trial || !isFinished(trial.state)) return;
  Object.assign(trial, { state: 'running', value: null, end: null });
  delete trial.values;
}

/** Whether a trial ended as a record says, so that it is that record which ended it. */
function isSame(trial: Trial, end: Entry): boolean {
  const value = (end.values as number[] | null)?.[0] ?? null;
  return trial.state === states[end.state as number] && Object.is(trial.value, value);
}
