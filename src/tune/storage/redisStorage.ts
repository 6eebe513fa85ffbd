// Studies in Redis, in the layout of Optuna's JournalRedisBackend. No lock: records are appended only where nothing was
// written since this process read, else it reads and decides again.

import { createHash, randomUUID } from 'node:crypto';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { parseJson } from '../../base/json.js';
import { sleepSync } from '../../base/pause.js';
import { checkedLines } from '../journal/lines.js';
import { type Entry, isFinished } from '../journal/records.js';
import { createReplay } from '../journal/replay.js';
import type { Trial } from '../types.js';
import type { Connection } from './network/connection.js';
import type { Exchange } from './network/redisEndpoint.js';
import type { Remote } from './remoteStorage.js';

/** A number whose record is not there yet: a writer in Optuna's cluster mode is between two commands. */
const gapPauseMs = 20;
const longestGapMs = 10_000;

/** @param place for messages */
export function redisRemote(connection: Connection, place: string): Remote {
  const log = createReplay();
  const workerId = `tinygpt-${randomUUID()}`;
  let [next, last] = [0, '']; // the first number that has not been read, and the SHA-1 of the record before it
  let inDoubt: { build: () => Entry[]; lines: string[]; at: [number, string]; before: number } | null = null;

  function ask(at: [number, string], lines: string[]) {
    const reply = connection.call('exchange', [...at, lines]) as Exchange;
    if (reply) return reply;
    throw new EnvironmentError(
      `${place} no longer has the ${counted(at[0], 'record')} that were read: the server lost some, or was emptied; it must keep what it acknowledges (appendonly yes)`,
    );
  }

  /** Appends lines where there is nothing new; reads what is new otherwise. */
  function exchange(lines: string[]) {
    const reply = ask([next, last], lines);
    const gap = reply.lines.indexOf(null);
    const read = gap < 0 ? reply.lines : reply.lines.slice(0, gap);
    for (const line of read) {
      try {
        log.apply(parseJson(line!));
      } catch (error) {
        throw new EnvironmentError(`${place}: record ${next}: ${messageOf(error)} in ${line!.slice(0, 80)}`);
      }
      next++;
    }
    if (read.length > 0) last = sha1(read.at(-1)!);
    return { ...reply, count: read.length };
  }

  /** @returns the number of records read */
  function pull(): number {
    let total = 0;
    for (let gapSince = 0; ; ) {
      const { appended, count } = exchange([]);
      total += count;
      if (appended) return total;
      if (count > 0) gapSince = 0;
      else {
        gapSince ||= performance.now();
        if (performance.now() - gapSince > longestGapMs)
          throw new EnvironmentError(
            `${place}: record ${next} is numbered but absent; its writer died between the two`,
          );
        sleepSync(gapPauseMs);
      }
    }
  }

  function transact(build: () => Entry[]): Trial[] {
    const doubt = inDoubt?.build === build ? inDoubt : null;
    inDoubt = null;
    if (doubt) {
      // All was written before the connection was lost, or nothing: its first line, like no other, would come first.
      const first = ask(doubt.at, []);
      pull();
      if (first.lines[0] === doubt.lines[0])
        return log.trialsFrom(doubt.before).slice(0, creations(doubt.lines));
    }
    for (;;) {
      const checked = checkedLines(build(), workerId);
      const lines = checked.map(({ line }) => line);
      if (lines.length === 0) {
        if (pull() === 0) return [];
        continue;
      }
      const before = log.trialCount();
      inDoubt = { build, lines, at: [next, last], before };
      const { appended } = exchange(lines);
      inDoubt = null;
      if (!appended) continue;
      for (const { record } of checked) log.apply(record);
      next += lines.length;
      last = sha1(lines.at(-1)!);
      return log.trialsFrom(before);
    }
  }

  pull();
  return {
    log,
    pull,
    transact,
    record: (id, entries) => void transact(() => (isOpen(log.trial(id)) ? entries : [])),
    trial: (id) => log.trial(id),
    studyOf: (trial) => log.studies().find((study) => study.trials[trial.number] === trial)!.id,
    apply(entries) {
      for (const { record } of checkedLines(
        entries.filter(({ op_code }) => op_code > 4),
        workerId,
      ))
        log.apply(record);
    },
  };
}

const sha1 = (line: string) => createHash('sha1').update(line).digest('hex');
const isOpen = (trial: Trial | undefined) => trial !== undefined && !isFinished(trial.state);
const creations = (lines: string[]) => lines.filter((line) => line.startsWith('{"op_code":4,')).length;
