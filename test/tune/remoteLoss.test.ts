// Storages on the network when the connection is lost: training goes on, nothing measured is lost, nothing is recorded
// twice. The cable between this process and the server is a TCP proxy that the tests cut.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createClient } from '@redis/client';
import { studyNamed } from '../../src/tune/identity.js';
import {
  createStudyEntry,
  createTrialEntry,
  finishEntry,
  intermediateEntry,
  trialAttrEntry,
} from '../../src/tune/journal/records.js';
import { createReplay } from '../../src/tune/journal/replay.js';
import { createLiveness } from '../../src/tune/liveness.js';
import { grpcRemote } from '../../src/tune/storage/grpcStorage.js';
import { openStorage } from '../../src/tune/storage/index.js';
import { openConnection } from '../../src/tune/storage/network/connection.js';
import { ConnectionLost } from '../../src/tune/storage/network/endpoint.js';
import { redisRemote } from '../../src/tune/storage/redisStorage.js';
import { type Remote, remoteStorage } from '../../src/tune/storage/remoteStorage.js';
import { identify } from '../../src/tune/storage/worker.js';
import { createStudy } from '../../src/tune/study.js';
import { defaults, space, uniform, value } from './problem.js';
import { scratchFolder } from './scratch.js';
import {
  freePort,
  hasOptuna,
  hasRedis,
  pythonSync,
  type Server,
  startCable,
  startProxy,
  startRedis,
} from './servers.js';

const fresh = scratchFolder();
process.env.TINYGPT_CACHE = fresh('cache');
const spool = `${process.env.TINYGPT_CACHE}/spool`;
const spooled = () => (existsSync(spool) ? readdirSync(spool) : []);

const kinds = [
  { kind: 'redis', available: hasRedis, launch: startRedis },
  { kind: 'grpc', available: hasOptuna, launch: () => startProxy() },
];

test('a server that is not there is an error that names it, without its password', async () => {
  const port = await freePort();
  const connection = openConnection(`redis://:secret@127.0.0.1:${port}`);
  const reason = () => {
    try {
      connection.call('connected', [], 50);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  while (reason() === 'not connected yet'); // the thread has not tried
  expect(reason()).toContain('ECONNREFUSED');
  connection.close();
  expect(() => openStorage('mysql://root:secret@host/db')).toThrow(
    'Expected a storage like redis://host:6379, rediss://host:6379 or grpc://host:13000, got "mysql://host/db"',
  );
  expect(() => studyNamed([], 'night', 'redis://:secret@host')).toThrow(
    'No study in redis://host; give another journal',
  );
});

test('a server that connects at once and refuses is named with what it said', () => {
  const refuse = () => {
    throw new ConnectionLost('READONLY');
  };
  const connection = { up: true, reason: '', call: () => null, onChange() {}, close() {} };
  const remote = { log: createReplay(), transact: refuse } as unknown as Remote;
  const storage = remoteStorage(connection, () => remote, { place: 'redis://r', onNote() {}, patience: 0 });
  expect(() => storage.transact(() => [])).toThrow('redis://r cannot be reached (READONLY)');
});

test('a decision waits as long when the clock is set meanwhile', () => {
  const clock = jest.spyOn(Date, 'now').mockReturnValue(1e12);
  const log = createReplay();
  let asked = 0;
  const transact = () => {
    if (asked++ < 2) throw new ConnectionLost('cut');
    return [];
  };
  const call = () => void (asked > 0 && clock.mockReturnValue(2e12));
  const connection = { up: true, reason: '', call, onChange() {}, close() {} };
  const remote = { log, transact } as unknown as Remote;
  const storage = remoteStorage(connection, () => remote, { place: 'redis://r', onNote() {} });
  expect(storage.transact(() => [])).toEqual([]);
  clock.mockRestore();
});

for (const { kind, available, launch } of kinds)
  (available ? describe : describe.skip)(`connection: ${kind}`, () => {
    let server: Server;
    let cable: Awaited<ReturnType<typeof startCable>>;
    let direct = '';
    let url = '';
    beforeAll(async () => {
      server = await launch();
      cable = await startCable(server.port);
      direct = `${kind}://127.0.0.1:${server.port}`;
      url = `${kind}://127.0.0.1:${cable.port}`;
    });

    const open = (name: string, storage: string, notes: string[] = []) =>
      createStudy({ name, storage, space, defaults, sampler: uniform, onNote: (line) => notes.push(line) });

    test('a trial goes on without the server, and its result is recorded when it is back', async () => {
      const notes: string[] = [];
      const study = open('cut', url, notes);
      const other = open('cut', direct);
      const run = study.optimize(
        async (trial) => {
          trial.report(1, 10);
          if (trial.number === 1) {
            await cable.cut();
            trial.report(2, 20);
            trial.setUserAttr('note', 'kept');
            setImmediate(() => void cable.mend());
          }
          return value(trial.params);
        },
        { trials: 4 },
      );
      await run;
      other.refresh();
      expect(other.trials.map(({ state }) => state)).toEqual(Array(4).fill('complete'));
      expect(other.trials[1]).toMatchObject({
        value: study.trials[1]!.value,
        userAttrs: { note: 'kept' },
        intermediate: new Map([
          [1, 10],
          [2, 20],
        ]),
      });
      expect(notes[0]).toMatch(/^Connection to .* lost \(.*\); trying again until it is back$/);
      expect(notes[1]).toMatch(/^The trial goes on; its records are kept in .*spool.* meanwhile$/);
      expect(notes.at(-1)).toMatch(/^\d records? that (?:was|were) kept in .* (?:is|are) now in /);
      expect(spooled()).toEqual([]);
    });

    test('a trial goes on without the server where the disk keeps nothing either', async () => {
      const notes: string[] = [];
      open('memory', direct).close();
      const connection = openConnection(url);
      const remote = () => (kind === 'grpc' ? grpcRemote(connection, url) : redisRemote(connection, url));
      const storage = remoteStorage(connection, remote, {
        place: url,
        onNote: (line) => notes.push(line),
        spoolFolder: '/proc/none',
      });
      const { id } = storage.log.study('memory')!;
      const [trial] = storage.transact(() => [
        createTrialEntry(id, space, { state: 'running', params: defaults, start: Date.now() }),
      ]);
      await cable.cut();
      storage.record(trial!, [intermediateEntry(trial!.id, 1, 10)]);
      storage.record(trial!, [finishEntry(trial!.id, 'complete', [7], { start: null, end: Date.now() })]);
      await cable.mend();
      await storage.ready();
      storage.close();
      expect(notes.slice(1)).toEqual([
        expect.stringMatching(/^Cannot write .*; what is measured meanwhile is kept in memory only$/),
        expect.stringMatching(/^2 records that were kept in memory are now in /),
      ]);
      expect(open('memory', direct).trials.at(-1)).toMatchObject({ state: 'complete', value: 7 });
    });

    test('a result that comes after others gave the trial up becomes a new trial', async () => {
      const study = open('late', url);
      const other = open('late', direct);
      const trial = study.ask();
      trial.report(1, 10);
      await cable.cut();
      trial.report(2, 20);
      const told = study.tell(trial, 7);
      expect(told).toMatchObject({ state: 'complete', value: 7 });
      other.refresh();
      const storage = openStorage(direct);
      const lost = storage.log.study('late')!.trials[0]!;
      storage.record(lost, [
        trialAttrEntry('user', lost.id, 'fail_reason', 'killed'),
        finishEntry(lost.id, 'fail', null, { start: null, end: Date.now() }),
      ]);
      storage.close();
      await cable.mend();
      await study.ready();
      expect(study.trials.map(({ state, value: at }) => [state, at])).toEqual([
        ['fail', null],
        ['complete', 7],
      ]);
      other.refresh();
      expect(other.trials[1]).toMatchObject({
        params: study.trials[0]!.params,
        intermediate: new Map([
          [1, 10],
          [2, 20],
        ]),
        systemAttrs: { 'tinygpt:recovered_from': 0 },
      });
      expect(other.trials[1]!.userAttrs.fail_reason).toBeUndefined();
      expect(spooled()).toEqual([]);
    });

    test('what a process left behind is sent by the next one on this machine', async () => {
      open('left', direct).close();
      const worker = fork(fileURLToPath(new URL('./leavingWorker.js', import.meta.url)), [url, 'left'], {
        env: process.env, // where the cache is
      });
      await once(worker, 'message');
      await cable.cut();
      worker.send('tell');
      await once(worker, 'exit');
      expect(spooled()).toHaveLength(1);
      await cable.mend();
      const notes: string[] = [];
      const next = open('left', url, notes);
      await next.ready();
      expect(next.trials[0]).toMatchObject({ state: 'complete', value: 7, intermediate: new Map([[1, 8]]) });
      expect(open('left', direct).trials[0]!.value).toBe(7);
      expect(spooled()).toEqual([]);
    });
  });

(hasRedis ? test : test.skip)(
  'a Redis that is killed and started again in the middle of a study loses nothing',
  async () => {
    const server = await startRedis();
    const study = createStudy({
      name: 'restart',
      storage: `redis://127.0.0.1:${server.port}`,
      space,
      defaults,
      sampler: uniform,
      onNote: () => {},
    });
    await study.optimize(
      async (trial) => {
        trial.report(1, trial.number);
        if (trial.number % 3 === 1) {
          await server.stop();
          trial.report(2, trial.number);
          void server.start();
        }
        return value(trial.params);
      },
      { trials: 9 },
    );
    const again = createStudy({
      name: 'restart',
      storage: `redis://127.0.0.1:${server.port}`,
      space,
      defaults,
      sampler: uniform,
    });
    expect(again.trials.map(({ state, value: at }) => [state, at])).toEqual(
      study.trials.map(({ state, value: at }) => [state, at]),
    );
    expect(again.trials).toHaveLength(9);
    expect(again.trials[4]!.intermediate.get(2)).toBe(4);
  },
);

(hasRedis ? describe : describe.skip)('a Redis', () => {
  let server: Server;
  let url = '';
  const open = (name: string, notes: string[] = [], storage = url) =>
    createStudy({ name, storage, space, defaults, sampler: uniform, onNote: (line) => notes.push(line) });
  /** @returns what it answers */
  const say = async (...words: string[]): Promise<string> => {
    const client = await createClient({ url }).connect();
    const answer = await client.sendCommand(words);
    client.destroy();
    return `${answer}`;
  };
  beforeAll(async () => {
    server = await startRedis();
    url = `redis://127.0.0.1:${server.port}`;
  });

  test.each([
    ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0'], 'OOM'],
    ['became a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], 'READONLY'],
  ])(
    'that %s loses no result, is asked with growing pauses, and is noted once',
    async (_, break_, mend, code) => {
      const notes: string[] = [];
      const study = open(code, notes);
      const trial = study.ask();
      await say(...break_);
      study.tell(trial, 7);
      expect(notes).toEqual([
        expect.stringMatching(
          new RegExp(`^Connection to .* lost \\(${code} .*\\); trying again until it is back$`),
        ),
        expect.stringMatching(/^The trial goes on; its records are kept in /),
      ]);

      const connection = openConnection(url);
      const heard: string[] = [];
      const storage = remoteStorage(connection, () => redisRemote(connection, url), {
        place: 'redis://full',
        onNote: (line) => heard.push(line),
        patience: 1,
      });
      const count = async () =>
        Number(/total_connections_received:(\d+)/.exec(await say('INFO', 'stats'))![1]);
      const before = await count();
      expect(() => storage.transact(() => [createStudyEntry(`${code} too`, 'minimize')])).toThrow(code);
      // Nor while it waits: a worker sends what it kept as soon as it is connected.
      await study.ready(AbortSignal.timeout(1000));
      expect((await count()) - before).toBeLessThan(25);
      expect(heard).toEqual([expect.stringContaining(`lost (${code} `)]);
      storage.close();

      await say(...mend);
      await study.ready();
      expect(notes.at(-1)).toMatch(/^\d records? that (?:was|were) kept in .* (?:is|are) now in /);
      expect(notes).toHaveLength(3);
      expect(open(code).trials[0]).toMatchObject({ state: 'complete', value: 7 });
      expect(spooled()).toEqual([]);
    },
  );

  test('that was emptied gets no result of the study before, which stays in a file', async () => {
    const cable = await startCable(server.port);
    const through = `redis://127.0.0.1:${cable.port}`;
    open('emptied').close();
    const worker = fork(fileURLToPath(new URL('./leavingWorker.js', import.meta.url)), [through, 'emptied'], {
      env: process.env,
    });
    await once(worker, 'message');
    await cable.cut();
    worker.send('tell');
    await once(worker, 'exit');
    await say('FLUSHALL');
    const other = open('emptied');
    const trial = other.ask();
    await cable.mend();
    const notes: string[] = [];
    const next = open('emptied', notes, through);
    await next.ready();
    expect(next.trials[0]!.state).toBe('running');
    expect(notes).toEqual([
      expect.stringMatching(/^Not sent: \d records? of trials that .* does not have, as after/),
    ]);
    const [kept] = spooled();
    expect(kept).toMatch(/^unsent-/);
    expect(notes[0]).toContain(kept);
    other.tell(trial, 1);
    next.close();
    expect(open('emptied', notes, through).trials[0]).toMatchObject({ state: 'complete', value: 1 });
    expect(notes).toHaveLength(1);
    rmSync(`${spool}/${kept}`);
  });

  test.each([0, 99])(
    'that was emptied under a worker ends it, and its result stays on disk (%i trials since)',
    async (since) => {
      const notes: string[] = [];
      const study = open('lost', notes);
      const trial = study.ask();
      await say('FLUSHALL');
      const other = open('another');
      for (let i = 0; i < since; i++) other.ask();
      other.close();
      expect(() => study.tell(trial, 7)).toThrow('the server lost some, or was emptied');
      expect(notes).toEqual([expect.stringMatching(/keeps what was measured/)]);
      expect(spooled()).toHaveLength(1);
      expect(() => study.close()).toThrow('was emptied');
      expect(() => study.ask()).toThrow('The storage is closed');
      rmSync(`${spool}/${spooled()[0]}`);
    },
  );
});

(hasOptuna ? describe : describe.skip)('a gRPC proxy', () => {
  let server: Server;
  let url = '';
  const open = (name: string, notes: string[] = []) =>
    createStudy({
      name,
      storage: url,
      space,
      defaults,
      sampler: uniform,
      onNote: (line) => notes.push(line),
    });
  beforeEach(async () => {
    server = await startProxy(); // it keeps studies in memory only
    url = `grpc://127.0.0.1:${server.port}`;
  });
  afterEach(() => server.stop());

  test.each([
    ['no trials', 'other', 0],
    ['trials of another study', 'other', 5],
    ['trials of a study of that name', 'lost', 5],
  ])(
    'that was emptied under a worker, and has %s since, ends it; its result stays on disk',
    async (_, name, since) => {
      const notes: string[] = [];
      const study = open('lost', notes);
      study.tell(study.ask(), 1);
      const trial = study.ask();
      await server.stop();
      await server.start();
      const other = open(name);
      for (let i = 0; i < since; i++) other.ask();
      study.tell(trial, 7);
      expect(notes[1]).toMatch(/its records are kept in/);
      expect(() => study.ask()).toThrow('the server lost what it had');
      other.refresh();
      expect(other.trials.filter(({ state }) => state === 'complete')).toEqual([]);
      expect(() => study.close()).toThrow('no longer has');
      expect(spooled()).toHaveLength(1);
      rmSync(`${spool}/${spooled()[0]}`);
      other.close();
    },
  );

  test('whose study was deleted under a worker ends it, and its result stays on disk', async () => {
    const notes: string[] = [];
    const study = open('deleted', notes);
    const trial = study.ask();
    pythonSync(
      `import optuna; optuna.delete_study(study_name='deleted', storage=optuna.storages.GrpcStorageProxy(port=${server.port}))`,
    );
    expect(() => study.tell(trial, 7)).toThrow('no longer has trial 0: a study was deleted');
    expect(notes).toEqual([expect.stringMatching(/keeps what was measured/)]);
    expect(spooled()).toHaveLength(1);
    study.close();
    expect(notes[1]).toMatch(/^Not sent: 1 record of trials that .* does not have/);
    rmSync(`${spool}/${spooled()[0]}`);
  });

  test("does not make a worker in another time zone take this one's trial for lost", async () => {
    open('zones').close();
    const [worker, TZ] = [fileURLToPath(new URL('./leavingWorker.js', import.meta.url)), 'Pacific/Pago_Pago'];
    const children = [];
    for (const _ of ['from the queue', 'proposed']) {
      const child = fork(worker, [url, 'zones'], { env: { ...process.env, TZ } });
      children.push(child);
      await once(child, 'message');
    }
    const storage = openStorage(url);
    const { isLost } = createLiveness(storage, { ...identify(), host: 'elsewhere' }, 120);
    const { trials } = storage.log.study('zones')!;
    expect(trials.map((trial) => [trial.state, isLost(trial)])).toEqual([
      ['running', false],
      ['running', false],
    ]);
    storage.close();
    for (const child of children) child.kill();
  });
});
