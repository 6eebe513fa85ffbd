// Studies behind Optuna's gRPC storage proxy, in whatever database it serves: a copy of the studies in use that follows
// the server's, and the records of a transaction as calls, under the lock of grpcEndpoint.ts.
//
// What a journal would ignore, the server refuses, which comes to the same. It dates the ends of trials itself.

import { randomUUID } from 'node:crypto';
import { EnvironmentError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { formatJson } from '../../base/json.js';
import {
  decodeRecord,
  distributionFromJson,
  type KnownDistributions,
  type Operations,
} from '../journal/decode.js';
import { checkedLines } from '../journal/lines.js';
import { type Entry, isFinished, op, states } from '../journal/records.js';
import { type StudyLog, trialOperations } from '../journal/replay.js';
import { HEARTBEAT } from '../liveness.js';
import { setOwn } from '../objects.js';
import type { Direction, Trial } from '../types.js';
import { attributes, isSame, TOKEN, trialFrom, wireOf } from './grpcTrial.js';
import type { Connection } from './network/connection.js';
import { ConnectionLost, LOCK } from './network/endpoint.js';
import type { RpcResult, StudyNews, WireStudy, WireTrial } from './network/grpcEndpoint.js';
import type { Remote } from './remoteStorage.js';
import type { Reads } from './types.js';

/** The id of a study in the records that create it. */
const NEW = -1;
const lockWaitMs = 60_000;

type Mirror = { log: StudyLog & { trials: Trial[] }; last: number };

/** @param place for messages */
export function grpcRemote(connection: Connection, place: string): Remote {
  const mirrors = new Map<number, Mirror>();
  const byId = new Map<number, { trial: Trial; study: StudyLog }>();
  const distributions: KnownDistributions = new Map();
  let unfinished: Work | null = null;

  const rpc = <T>(name: string, request: object) => connection.call('rpc', [name, request]) as RpcResult<T>;

  /** The reply of a call, or null where the trial or study is finished or gone. @throws EnvironmentError */
  function effect<T>(name: string, request: object): T | null {
    const result = rpc<T>(name, request);
    if (!result.refused) return result.reply;
    if (result.refused === 'invalid') throw new EnvironmentError(`${name}: ${result.details}`);
    return null;
  }

  function distribution(text: string) {
    let found = distributions.get(text);
    if (!found) distributions.set(text, (found = distributionFromJson(text)));
    return found;
  }

  const trialOf = (wire: WireTrial, study: Pick<StudyLog, 'directions'>): Trial =>
    trialFrom(wire, study, distribution);

  const gone = (what: string) =>
    new EnvironmentError(
      `${place} no longer has ${what}: a study was deleted, or the server lost what it had; its database must keep what it acknowledges`,
    );

  function follow(mirror: Mirror, wire: WireTrial): void {
    const { trials } = mirror.log;
    if (wire.number > trials.length) return; // comes again with the one before it
    const trial = trialOf(wire, mirror.log);
    const before = trials[wire.number];
    if (before && !isSame(before, trial))
      throw gone(`trial ${wire.number} of study ${mirror.log.name} as it was read`);
    if (before) Object.assign(before, trial);
    else {
      trials.push(trial);
      byId.set(trial.id, { trial, study: mirror.log });
      mirror.last = Math.max(mirror.last, trial.id);
    }
  }

  function pullStudy(mirror: Mirror, reads: Reads = 'all'): void {
    const { log, last } = mirror;
    const wanted = log.trials
      .filter(({ id, state }) => id === last || !isFinished(state))
      .map(({ id }) => id);
    const news = connection.call('pull', [log.id, wanted, last, reads === 'all']) as StudyNews | null;
    if (!news) {
      mirrors.delete(log.id);
      return;
    }
    // Ids begin again in a database that was emptied: its trials are not those that are known here.
    if (last >= 0 && !news.trials.some(({ trial_id }) => trial_id === last))
      throw gone(`the ${counted(log.trials.length, 'trial')} of study ${log.name} that were read`);
    Object.assign(log.userAttrs, attributes(news.user_attributes));
    Object.assign(log.systemAttrs, attributes(news.system_attributes));
    for (const trial of news.trials.sort((a, b) => a.number - b.number)) follow(mirror, trial);
  }

  function openStudy({ study_id: id, study_name: name, directions }: WireStudy): Mirror {
    let mirror = mirrors.get(id);
    if (mirror) return mirror;
    const names = directions.map((code): Direction => (code === 1 ? 'maximize' : 'minimize'));
    const log = { id, name, directions: names, userAttrs: {}, systemAttrs: {}, trials: [] };
    mirror = { log, last: -1 };
    mirrors.set(id, mirror);
    pullStudy(mirror);
    return mirror;
  }

  function allStudies(): WireStudy[] {
    const { studies } = effect<{ studies: WireStudy[] }>('GetAllStudies', {})!;
    return studies.filter(({ study_name }) => study_name !== LOCK);
  }

  function study(name: string): StudyLog | undefined {
    for (const { log } of mirrors.values()) if (log.name === name) return log;
    if (rpc('GetStudyIdFromName', { study_name: name }).refused) return undefined;
    const found = allStudies().find(({ study_name }) => study_name === name);
    return found && openStudy(found).log;
  }

  function pull(reads?: Reads): void {
    for (const mirror of [...mirrors.values()]) pullStudy(mirror, reads);
  }

  /** A transaction on its way: the record that is next, the last one that was sent, ids of trials that it created. */
  type Work = {
    build: () => Entry[];
    entries: Entry[];
    next: number;
    sent: number;
    study: number;
    created: number[];
    token: string;
  };

  const tokenOf = (work: Work) => `${work.token}-${work.next}`;

  /** The trial of the next record, where it was created although the answer was lost. */
  function alreadyCreated(work: Work): Trial | undefined {
    const { study_id } = work.entries[work.next]!;
    const trials = mirrors.get(study_id === NEW ? work.study : (study_id as number))?.log.trials;
    return trials?.find(({ systemAttrs }) => systemAttrs[TOKEN] === tokenOf(work));
  }

  /** Whether a part of it has been done, so that it is to be completed, not decided again. */
  function hasBegun(work: Work): boolean {
    if (work.next > 0) return true;
    const { op_code, trial_id } = work.entries[0] ?? {};
    if (op_code === op.createTrial) return alreadyCreated(work) !== undefined;
    return op_code !== op.setState || byId.get(trial_id as number)?.trial.state !== 'waiting';
  }

  /**
   * Makes the calls of one record.
   * @param again its answer was lost before
   * @returns false where what follows about this trial has no effect
   */
  function perform(work: Work, entry: Entry, again: boolean): boolean {
    const own = (id: unknown) => (id === NEW ? work.study : (id as number));
    const [[key, value] = ['', null]] = Object.entries(
      (entry.user_attr ?? entry.system_attr ?? {}) as Record<string, unknown>,
    );
    const trial_id = entry.trial_id as number;
    switch (entry.op_code) {
      case op.createStudy: {
        const { study_name, directions } = entry as unknown as { study_name: string; directions: number[] };
        const codes = directions.map((code) => (code === 2 ? 1 : 0));
        effect('CreateNewStudy', { study_name, directions: codes }); // one that exists now was created by Python
        work.study = study(study_name)!.id;
        return true;
      }
      case op.studyUserAttr:
      case op.studySystemAttr: {
        const name = entry.op_code === op.studyUserAttr ? 'SetStudyUserAttribute' : 'SetStudySystemAttribute';
        effect(name, { study_id: own(entry.study_id), key, value: formatJson(value) });
        return true;
      }
      case op.createTrial: {
        const study_id = own(entry.study_id);
        const there = again && alreadyCreated(work);
        const template_trial = wireOf(entry, tokenOf(work));
        const created = there
          ? { trial_id: there.id }
          : effect<{ trial_id: number }>('CreateNewTrial', { study_id, template_trial });
        if (created) work.created.push(created.trial_id);
        return true;
      }
      case op.setParam: {
        const { param_name, param_value_internal, distribution } = entry;
        effect('SetTrialParameter', { trial_id, param_name, param_value_internal, distribution });
        return true;
      }
      case op.setState: {
        const { state, values } = entry as unknown as { state: number; values: number[] | null };
        const reply = effect<{ trial_updated: boolean }>('SetTrialStateValues', {
          trial_id,
          state,
          values: values ?? [],
        });
        // A claim whose answer was lost and that has been made is taken for ours, though it may be that of a Python worker.
        if (reply === null || !(reply.trial_updated || again)) return false;
        if (states[state] === 'running') signLife(trial_id, entry);
        return true;
      }
      case op.intermediate: {
        const { step, intermediate_value } = entry;
        return effect('SetTrialIntermediateValue', { trial_id, step, intermediate_value }) !== null;
      }
      default: {
        const name = entry.op_code === op.trialUserAttr ? 'SetTrialUserAttribute' : 'SetTrialSystemAttribute';
        return effect(name, { trial_id, key, value: formatJson(value) }) !== null;
      }
    }
  }

  /** The server's dates are in nobody knows which time zone: the first sign of life is the start. */
  const signLife = (trial_id: number, { datetime_start }: Entry) =>
    effect('SetTrialSystemAttribute', { trial_id, key: HEARTBEAT, value: formatJson(datetime_start) });

  function performAll(work: Work): void {
    const closed = new Set<unknown>();
    for (; work.next < work.entries.length; work.next++) {
      const entry = work.entries[work.next]!;
      if (entry.trial_id !== undefined && closed.has(entry.trial_id)) continue;
      const again = work.sent === work.next;
      work.sent = work.next;
      if (!perform(work, entry, again)) closed.add(entry.trial_id);
    }
  }

  function workOf(build: () => Entry[]): Work {
    const entries = build();
    checkedLines(entries, 'tinygpt'); // before anything of it is written
    return { build, entries, next: 0, sent: -1, study: NEW, created: [], token: randomUUID() };
  }

  function transact(build: () => Entry[], reads?: Reads): Trial[] {
    connection.call('lock', [], lockWaitMs);
    let work: Work;
    try {
      pull(reads);
      work = unfinished?.build === build && hasBegun(unfinished) ? unfinished : workOf(build);
      unfinished = work;
      performAll(work);
    } finally {
      unlock();
    }
    readBack(work); // nobody has to wait for that
    unfinished = null;
    return work.created.flatMap((id) => byId.get(id)?.trial ?? []);
  }

  /** Reads what a transaction wrote. */
  function readBack({ entries, created: [id] }: Work): void {
    const [entry] = entries;
    if (!entry) return;
    const mirror = mirrors.get(entry.study_id as number);
    if (entries.length === 1 && mirror && id !== undefined) {
      const found = rpc<{ trial: WireTrial }>('GetTrial', { trial_id: id });
      if (!found.refused) follow(mirror, found.reply.trial);
      if (byId.has(id)) return; // else others came between
    }
    pull(entries.some(({ op_code }) => op_code < op.createTrial) ? 'all' : 'trials');
  }

  function unlock(): void {
    try {
      connection.call('unlock');
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error; // the next lock gives it back, or others take it
    }
  }

  /** The trial where it is known here, and its study has not been deleted. */
  function known(id: number): Trial | undefined {
    const here = byId.get(id);
    return here && mirrors.get(here.study.id)?.log === here.study ? here.trial : undefined;
  }

  function openTrial(id: number): { trial: Trial; study: StudyLog } | undefined {
    const entry = byId.get(id);
    return entry && !isFinished(entry.trial.state) ? entry : undefined;
  }
  const onTrials = {
    ...trialOperations(openTrial),
    setAttribute(of, kind, id, key, value) {
      const open = of === 'trial' && openTrial(id);
      if (open) setOwn(open.trial[kind], key, value);
    },
  } as Partial<Operations> as Operations;

  function apply(entries: Entry[]): void {
    const lines = checkedLines(
      entries.filter(({ op_code }) => op_code > op.createTrial),
      'tinygpt',
    );
    for (const { record } of lines) decodeRecord(record, distributions)(onTrials);
  }

  return {
    log: { study, studies: () => allStudies().map((wire) => openStudy(wire).log), studyCount: () => NEW },
    pull,
    transact,
    record(id, entries) {
      const work = workOf(() => entries);
      if (entries.every((entry) => perform(work, entry, false))) return apply(entries);
      pull('trials'); // another process has finished the trial
      if (!known(id)) throw gone(`trial ${byId.get(id)?.trial.number}`);
    },
    trial(id) {
      const here = known(id);
      if (here) return here;
      const found = rpc<{ trial: WireTrial }>('GetTrial', { trial_id: id });
      return found.refused ? undefined : trialOf(found.reply.trial, { directions: ['minimize'] });
    },
    studyOf: ({ id }) => byId.get(id)!.study.id,
    apply,
  };
}
