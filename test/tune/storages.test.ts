// What every storage of studies promises: the same tests over a file, memory, Redis and Optuna's gRPC storage proxy.
// Redis and the proxy (TINYGPT_REDIS_SERVER, TINYGPT_OPTUNA_PYTHON) are started here; where they are not installed, their
// tests are skipped.

import { beforeAll, describe, expect, test } from '@jest/globals';
import { concludeOnce, isConcluded } from '../../src/tune/conclusion.js';
import { createTrialEntry, finishEntry, studyAttrEntry } from '../../src/tune/journal/records.js';
import { openStorage, readJournal, type Storage } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import type { Sampler } from '../../src/tune/types.js';
import { defaults, space, uniform, value } from './problem.js';
import { scratchFolder } from './scratch.js';
import { hasOptuna, hasRedis, startProxy, startRedis } from './servers.js';

const fresh = scratchFolder();

type Kind = {
  name: string;
  available: boolean;
  place: () => string | undefined;
  start?: () => Promise<void>;
};

let redis = '';
let proxy = '';
let count = 0;
const kinds: Kind[] = [
  { name: 'file', available: true, place: () => fresh('journal.log') },
  { name: 'memory', available: true, place: () => undefined },
  {
    name: 'redis',
    available: hasRedis,
    place: () => `${redis}?prefix=test${count++}`,
    start: async () => void (redis = `redis://127.0.0.1:${(await startRedis()).port}`),
  },
  {
    name: 'grpc',
    available: hasOptuna,
    place: () => proxy,
    start: async () => void (proxy = `grpc://127.0.0.1:${(await startProxy()).port}`),
  },
];

const names = (storage: Storage) => storage.log.studies().map(({ name }) => name);

for (const { name: kind, available, place, start } of kinds) {
  const isShared = kind !== 'memory';
  (available ? describe : describe.skip)(`storage: ${kind}`, () => {
    if (start) beforeAll(start);
    const studyName = () => `study ${count++}`;

    test('a study is read back as it was written, other values of floats and attributes included', async () => {
      const [where, name] = [place(), studyName()];
      const options = { name, storage: where, space, defaults, sampler: uniform, seed: 3 } as const;
      const study = createStudy({ ...options, userAttrs: { note: ['ä', { deep: [1, null, 'x\n'] }] } });
      await study.optimize(
        (trial) => {
          trial.report(0, Number.NaN);
          trial.report(7, Number.POSITIVE_INFINITY);
          trial.setUserAttr('tokens', 12_345_678_901);
          if (trial.number === 2) throw Object.assign(new Error('no'), { reason: 'diverged' });
          return trial.number === 3 ? Number.NEGATIVE_INFINITY : value(trial.params);
        },
        { trials: 5 },
      );
      expect(study.trials.map(({ state }) => state)).toEqual([
        'complete',
        'complete',
        'fail',
        'complete',
        'complete',
      ]);
      expect(study.trials[3]!.value).toBe(Number.NEGATIVE_INFINITY);
      expect(study.trials[1]!.intermediate).toEqual(
        new Map([
          [0, Number.NaN],
          [7, Number.POSITIVE_INFINITY],
        ]),
      );
      expect(study.trials[2]!.userAttrs).toMatchObject({
        fail_reason: 'diverged',
        fail_message: 'no',
        tokens: 12_345_678_901,
      });
      if (!isShared) return;
      const again = createStudy(options);
      const dates = (trial: { start: number | null; end: number | null }) => ({
        ...trial,
        start: null,
        end: null,
      });
      expect(again.trials.map(dates)).toEqual(study.trials.map(dates));
      expect(again.userAttrs).toEqual(study.userAttrs);
      const read = readJournal(where!).find((each) => each.name === name)!;
      expect(read.trials.map(dates)).toEqual(study.trials.map(dates));
      expect(read.directions).toEqual(['minimize']);
      for (const trial of again.trials) {
        expect(Math.abs(trial.start! - study.trials[trial.number]!.start!)).toBeLessThan(2);
        expect(trial.end! >= trial.start!).toBe(true);
      }
    });

    test('proposals are those of the same seed in memory', async () => {
      const trials = async (storage: string | undefined) => {
        const study = createStudy({ name: studyName(), storage, space, defaults, sampler: uniform, seed: 9 });
        await study.optimize(({ params }) => value(params), { trials: 6 });
        return study.trials.map(({ params, value: at }) => [params, at]);
      };
      expect(await trials(place())).toEqual(await trials(undefined));
    });

    test('a record that a reader would refuse is not written', () => {
      const storage = openStorage(place(), { create: true });
      const before = names(storage);
      const bad = { op_code: 0, study_name: 'bad', directions: 'up' };
      expect(() => storage.transact(() => [studyAttrEntry('user', 0, 'a', 1), bad])).toThrow(
        'Cannot record this in a study',
      );
      storage.refresh();
      expect(names(storage)).toEqual(before);
      storage.close();
    });

    test('what another process finished is not changed', () => {
      const [where, name] = [place(), studyName()];
      const options = { name, storage: where, space, defaults, sampler: uniform } as const;
      const study = createStudy(options);
      const trial = study.ask();
      const other = isShared ? createStudy(options) : study;
      other.tell(trial.number, 1);
      expect(study.tell(trial.number, 2).value).toBe(1);
      expect(() => trial.report(1, 0.5)).toThrow('already finished');
      expect(study.trials[0]!.intermediate.size).toBe(0);
    });

    if (!isShared) return;

    test('workers that take turns start each trial once, up to the limit in all', () => {
      const [where, name] = [place(), studyName()];
      const worker = () => createStudy({ name, storage: where, space, defaults, sampler: uniform, seed: 1 });
      const workers = [worker(), worker(), worker(), worker()];
      workers[1]!.enqueue([{ x: 2 }, { x: 3 }]);
      const seen = new Map<number, number>();
      for (;;) {
        const asked = workers.map((study) => study.askWithin(11));
        if (asked.every((trial) => trial === null)) break;
        asked.forEach((trial, i) => {
          if (!trial) return;
          seen.set(trial.number, (seen.get(trial.number) ?? 0) + 1);
          workers[(i + 1) % 4]!.tell(trial.number, value(trial.params)); // told by another one
        });
      }
      expect([...seen.values()]).toEqual(Array(11).fill(1));
      for (const study of workers) {
        study.refresh();
        expect(study.trials.filter(({ state }) => state === 'complete')).toHaveLength(11);
        expect(new Set(study.trials.map(({ params }) => JSON.stringify(params))).size).toBe(11);
      }
    });

    test('a decision is made again where another worker has decided meanwhile', () => {
      const where = place();
      const [one, two] = [openStorage(where, { create: true }), openStorage(where)];
      const name = studyName();
      const create = (storage: Storage) => () =>
        storage.log.study(name) ? [] : [{ op_code: 0, study_name: name, directions: [1] }];
      one.transact(create(one));
      two.transact(create(two)); // has not seen it when it begins
      two.refresh();
      const study = two.log.study(name)!;
      const addUpTo = (storage: Storage, most: number) =>
        storage.transact(() =>
          storage.log.study(name)!.trials.length < most
            ? [createTrialEntry(study.id, {}, { state: 'waiting', params: {}, start: null })]
            : [],
        );
      const created = [one, two, one, two, one].map((storage) =>
        addUpTo(storage, 3).map(({ number }) => number),
      );
      expect(created).toEqual([[0], [1], [2], [], []]);
      for (const storage of [one, two]) {
        storage.refresh();
        expect(storage.log.study(name)!.trials).toHaveLength(3);
        expect(names(storage).filter((each) => each === name)).toHaveLength(1);
      }
      const [first] = one.log.study(name)!.trials;
      one.record(first!, [finishEntry(first!.id, 'complete', [4], { start: null, end: Date.now() })]);
      two.refresh();
      expect(two.log.study(name)!.trials[0]).toMatchObject({ state: 'complete', value: 4 });
      one.close();
      two.close();
    });

    test('a study is concluded once, and again when another trial has been run', async () => {
      const [where, name] = [place(), studyName()];
      const study = createStudy({ name, storage: where, space, defaults, sampler: uniform });
      const storages = [openStorage(where), openStorage(where)];
      const outcomes = async () => {
        study.tell(study.ask(), 1);
        const found: unknown[] = [];
        for (const storage of storages) found.push(await concludeOnce(storage, name, async () => {}));
        return found;
      };
      expect(await outcomes()).toEqual(['mine', 'done']);
      expect(await outcomes()).toEqual(['mine', 'done']);
      expect(isConcluded(readJournal(where!).find((each) => each.name === name)!)).toBe(true);
      for (const storage of storages) storage.close();
    });

    test('the sampler sees the running trials of other workers', () => {
      const [where, name] = [place(), studyName()];
      const views: string[][] = [];
      const watching: Sampler = {
        name: 'watching',
        ask(study, number) {
          views.push(study.trials.map(({ state }) => state));
          return uniform.ask(study, number);
        },
      };
      const options = {
        name,
        storage: where,
        space,
        defaults,
        sampler: watching,
        runDefaults: false,
      } as const;
      const [one, two] = [createStudy(options), createStudy(options)];
      one.ask();
      two.ask();
      expect(views.at(-1)).toEqual(['running']);
    });
  });
}
