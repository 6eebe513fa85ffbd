// A connection that is lost after the server has done what it was asked and before its answer arrives, at every call of an
// operation in turn: what is done again must not be done twice, and nothing may be left half done.

import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  claimEntry,
  createTrialEntry,
  finishEntry,
  setParamEntry,
  trialAttrEntry,
} from '../../src/tune/journal/records.js';
import { WORKER } from '../../src/tune/liveness.js';
import { lossEntries, waitingEntry } from '../../src/tune/starting.js';
import { grpcRemote } from '../../src/tune/storage/grpcStorage.js';
import { openStorage, type Storage } from '../../src/tune/storage/index.js';
import { type Connection, openConnection } from '../../src/tune/storage/network/connection.js';
import { ConnectionLost } from '../../src/tune/storage/network/endpoint.js';
import { redisRemote } from '../../src/tune/storage/redisStorage.js';
import { remoteStorage } from '../../src/tune/storage/remoteStorage.js';
import { createStudy } from '../../src/tune/study.js';
import type { Trial } from '../../src/tune/types.js';
import { defaults, space, uniform } from './problem.js';
import { scratchFolder } from './scratch.js';
import { hasOptuna, hasRedis, startProxy, startRedis } from './servers.js';

const fresh = scratchFolder();

/** A storage that notes its calls, and loses the answer of one, or the request. */
function fragile(url: string) {
  const inner = openConnection(url);
  const made: string[] = [];
  let lost = { call: Number.POSITIVE_INFINITY, request: false, meanwhile: () => {} };
  const connection: Connection = {
    up: true,
    reason: '',
    call(method, args = [], waitMs) {
      if (method === 'connected') {
        lost.meanwhile();
        return inner.call(method, args, waitMs);
      }
      const detail = method === 'pull' ? (args[3] ? ' all' : ' trials') : '';
      made.push(method === 'rpc' ? `${args[0]}` : method + detail);
      const isLost = made.length - 1 === lost.call;
      const answer = isLost && lost.request ? null : inner.call(method, args, waitMs);
      if (isLost) throw new ConnectionLost('the answer was lost');
      return answer;
    },
    onChange() {},
    close: () => inner.close(),
  };
  const remote = () => (url.startsWith('grpc') ? grpcRemote(connection, url) : redisRemote(connection, url));
  const storage = remoteStorage(connection, remote, {
    place: url,
    onNote: () => {},
    spoolFolder: fresh('spool'),
  });
  /** From now on. @param meanwhile what happens before the connection is back */
  function lose(call: number, { request = false, meanwhile = () => {} } = {}): void {
    made.length = 0;
    lost = { call, request, meanwhile };
  }
  return { storage, made, lose };
}

const kinds = [
  { kind: 'redis', available: hasRedis, launch: startRedis },
  { kind: 'grpc', available: hasOptuna, launch: () => startProxy() },
];

for (const { kind, available, launch } of kinds)
  (available ? describe : describe.skip)(`an answer that is lost: ${kind}`, () => {
    let url = '';
    let count = 0;
    beforeAll(async () => void (url = `${kind}://127.0.0.1:${(await launch()).port}`));

    type Setting = { storage: Storage; id: number; trials: readonly Trial[] };

    /** Runs `act` on a study of its own for each of its calls, whose answer is lost, and once with all answers. */
    function losingEach(
      prepare: (setting: Setting) => void,
      act: (setting: Setting) => void,
      check: (found: readonly Trial[], setting: Setting) => void,
    ): string[] {
      for (let lost = 0; ; lost++) {
        const name = `study ${count++}`;
        createStudy({ name, storage: url, space, sampler: uniform, seed: 1, runDefaults: false }).close();
        const { storage, made, lose } = fragile(url);
        const { id, trials } = storage.log.study(name)!;
        const setting = { storage, id, trials };
        prepare(setting);
        lose(lost);
        act(setting);
        const reader = openStorage(url);
        check(reader.log.study(name)!.trials, setting);
        for (const each of [reader, storage]) each.close();
        if (made.length <= lost) return made;
      }
    }
    const own = { [WORKER]: 'this one' };
    const running = (id: number) =>
      createTrialEntry(id, space, { state: 'running', params: defaults, start: 0, systemAttrs: own });

    test('a trial is started once, in few calls', () => {
      let created: Trial[] = [];
      const calls = losingEach(
        () => {},
        ({ storage, id }) => {
          storage.refresh('trials');
          created = storage.transact(() => [running(id)], 'trials');
        },
        (found, { trials }) => {
          expect(found).toMatchObject([{ number: 0, state: 'running', params: defaults, systemAttrs: own }]);
          expect(created).toEqual([trials[0]]);
          expect(trials).toHaveLength(1);
        },
      );
      const ofGrpc = ['pull trials', 'lock', 'pull trials', 'CreateNewTrial', 'unlock', 'GetTrial'];
      expect(calls).toEqual(kind === 'grpc' ? ofGrpc : ['exchange', 'exchange']);
    });

    if (kind === 'redis')
      test('more records than one answer holds are written once', () => {
        losingEach(
          () => {},
          ({ storage, id }) =>
            void storage.transact(() => Array.from({ length: 1001 }, () => waitingEntry(id, {}))),
          (found, { trials }) => expect([found.length, trials.length]).toEqual([1001, 1001]),
        );
      });

    test('a trial from the queue is claimed with all that belongs to it', () => {
      losingEach(
        ({ storage, id }) => void storage.transact(() => [waitingEntry(id, {}), waitingEntry(id, {})]),
        ({ storage, trials }) =>
          storage.transact(() => {
            const { id } = trials.find(({ state }) => state === 'waiting')!;
            const x = setParamEntry(id, 'x', 2, space.x!);
            return [claimEntry(id, 0), x, trialAttrEntry('system', id, WORKER, own[WORKER])];
          }, 'trials'),
        (found, { trials }) => {
          expect(found).toMatchObject([
            { state: 'running', params: { x: 2 }, systemAttrs: own },
            { state: 'waiting', params: {} },
          ]);
          expect(trials).toMatchObject(found.map(({ state, params }) => ({ state, params })));
        },
      );
    });

    test('a result is recorded, in one call', () => {
      const calls = losingEach(
        ({ storage, id }) => void storage.transact(() => [running(id)]),
        ({ storage, trials }) => {
          storage.record(trials[0]!, [
            finishEntry(trials[0]!.id, 'complete', [7], { start: 0, end: Date.now() }),
          ]);
          storage.refresh('trials'); // sends what is not known to be there
        },
        (found, { trials }) => {
          expect(found).toMatchObject([{ state: 'complete', value: 7 }]);
          expect(trials).toMatchObject([{ state: 'complete', value: 7 }]);
        },
      );
      expect(calls).toEqual(
        kind === 'grpc' ? ['SetTrialStateValues', 'pull trials'] : ['exchange', 'exchange'],
      );
    });

    test('a trial of the queue that was interrupted is enqueued again once', () => {
      losingEach(
        ({ storage, id }) => void storage.transact(() => [running(id)]),
        ({ storage, id, trials: [trial] }) => {
          const again = waitingEntry(id, {}, { retry_history: [0] });
          storage.record(trial!, [finishEntry(trial!.id, 'fail', null, { start: 0, end: 0 }), again]);
          storage.refresh('trials'); // sends what is not known to be there
        },
        (found) =>
          expect(found).toMatchObject([
            { state: 'fail' },
            { state: 'waiting', systemAttrs: { retry_history: [0] } },
          ]),
      );
    });

    test('a trial that lost its worker is failed, and enqueued again once', () => {
      losingEach(
        ({ storage, id }) => void storage.transact(() => [running(id)]),
        ({ storage, id, trials }) =>
          storage.transact(
            () =>
              trials.filter(({ state }) => state === 'running').flatMap((trial) => lossEntries(id, trial, 1)),
            'trials',
          ),
        (found) =>
          expect(found).toMatchObject([
            { state: 'fail', userAttrs: { fail_reason: 'killed' } },
            { state: 'waiting', systemAttrs: { retry_history: [0] } },
          ]),
      );
    });

    test('a trial is not started where others have reached the limit before the connection was back', () => {
      const name = `study ${count++}`;
      createStudy({ name, storage: url, space, sampler: uniform, seed: 1, runDefaults: false }).close();
      const [other, { storage, lose }] = [openStorage(url), fragile(url)];
      const { id, trials } = storage.log.study(name)!;
      lose(kind === 'grpc' ? 2 : 0, {
        request: true, // the one that creates the trial
        meanwhile: () => void other.transact(() => [running(id)]),
      });
      storage.transact(() => (trials.length < 1 ? [running(id)] : []), 'trials');
      other.refresh();
      expect(other.log.study(name)!.trials).toHaveLength(1);
      for (const each of [storage, other]) each.close();
    });
  });
