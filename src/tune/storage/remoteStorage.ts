// What storages on the network have in common: a lost connection. Decisions wait for it to come back. Records about a
// running trial do not: they are applied here, written to this machine's disk, and sent when it is back, so that
// training goes on and nothing that was measured is lost. Redis and gRPC differ in the `Remote` that they give.

import { EnvironmentError } from '../../base/errors.js';
import { pause } from '../../base/pause.js';
import { type Entry, isFinished, op, states } from '../journal/records.js';
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
  /** Where records are kept meanwhile; in the cache unless set. */
  spoolFolder?: string | undefined;
};

/** Seconds that the first connection may take: servers and workers start together. */
const firstPatience = 15;

/** @throws EnvironmentError where the server cannot be reached */
export function remoteStorage(
  connection: Connection,
  open: () => Remote,
  { place, onNote, patience = 60, spoolFolder }: RemoteOptions,
): Storage {
  const spool = openSpool(place, spoolFolder);
  let remote: Remote;
  try {
    connection.call('connected', [], firstPatience * 1000);
    remote = open();
  } catch (error) {
    connection.close();
    if (!(error instanceof ConnectionLost)) throw error;
    throw new EnvironmentError(
      `Cannot reach ${place} (${error.message}); start the server or check the address`,
    );
  }
  let pending: Batch[] = spool.adopt();
  let isNoted = false;

  /** Runs `work`; false where the connection is lost. */
  function attempt(work: () => void): boolean {
    if (!connection.up) return lost(connection.reason);
    try {
      work();
      return true;
    } catch (error) {
      if (error instanceof ConnectionLost) return lost(error.message);
      throw error;
    }
  }

  function lost(reason: string): false {
    if (!isNoted) onNote(`Connection to ${place} lost (${reason}); trying again until it is back`);
    isNoted = true;
    return false;
  }

  /** Sends what was kept. */
  function flush(): void {
    if (pending.length > 0) {
      const batches = pending;
      // What ended here has not ended there; whether another process has ended it is read next.
      for (const { trial } of batches) reopen(remote.trial(trial));
      try {
        remote.pull();
        while (pending.length > 0) {
          send(pending[0]!, batches);
          pending = pending.slice(1);
        }
      } catch (error) {
        for (const { entries } of pending) remote.apply(entries);
        throw error;
      }
      const count = batches.reduce((sum, { entries }) => sum + entries.length, 0);
      onNote(`${count} records that were kept in ${spool.path} are now in ${place}`);
      spool.clear();
      isNoted = false;
    } else if (isNoted) {
      onNote(`Connection to ${place} is back`);
      isNoted = false;
    }
  }

  function send({ study, trial: id, entries }: Batch, batches: Batch[]): void {
    const trial = remote.trial(id);
    if (!trial) return; // deleted
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
    if (connection.up) attempt(flush);
    else lost(connection.reason);
  });
  attempt(flush);

  return {
    place,
    path: null,
    log: remote.log,
    refresh: (reads) =>
      void attempt(() => {
        flush();
        remote.pull(reads);
      }),
    transact(build, reads) {
      let created: Trial[] = [];
      const end = Date.now() + patience * 1000;
      const work = () => {
        flush();
        created = remote.transact(build, reads);
      };
      while (!attempt(work)) {
        const left = end - Date.now();
        if (left <= 0)
          throw new EnvironmentError(
            `${place} cannot be reached (${connection.reason})${spool.path ? `; ${spool.path} keeps what was measured, and the next start sends it` : ''}`,
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
      const work = () => {
        flush();
        remote.record(trial.id, entries);
      };
      if (attempt(work) || passing) return;
      const batch = { study: remote.studyOf(trial), trial: trial.id, entries };
      const isFirst = spool.path === null;
      spool.add(batch);
      pending.push(batch);
      remote.apply(entries);
      if (isFirst) onNote(`The trial goes on; its records are kept in ${spool.path} meanwhile`);
    },
    async ready(signal) {
      while (!signal?.aborted && !attempt(flush)) await pause(200, signal);
    },
    close() {
      connection.onChange(null);
      if (connection.up) attempt(flush);
      if (pending.length > 0)
        onNote(`${spool.path} keeps what ${place} has not got; the next start on this machine sends it`);
      connection.close();
    },
  };
}

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
