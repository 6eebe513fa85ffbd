// Studies that Optuna's Python workers and ours work on at the same time, in Redis and behind the gRPC storage proxy over
// PostgreSQL, and those servers killed in the middle. TINYGPT_REDIS_SERVER, TINYGPT_OPTUNA_PYTHON and TINYGPT_POSTGRES_BIN
// say where they are if not on the path; without them the tests are skipped.

import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { float } from '../../src/tune/distributions.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { lossEntries } from '../../src/tune/starting.js';
import { openStorage, readJournal } from '../../src/tune/storage/index.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import {
  hasOptuna,
  hasPostgres,
  hasRedis,
  python,
  pythonSync,
  type Server,
  startPostgres,
  startProxy,
  startRedis,
} from './servers.js';

const space = { x: float(-5, 5), lr: float(1e-4, 1, { log: true }) };
const options = { space, defaults: { x: 1, lr: 0.01 }, sampler: randomSampler(), seed: 5 };
const loss = ({ x, lr }: { x: number; lr: number }) => x ** 2 + Math.log10(lr) ** 2;

/** What Python runs first; `storage` is the server's. */
const head = (storage: string) => `
import json, math, sys, time
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = ${storage}
def objective(trial):
    x = trial.suggest_float("x", -5, 5)
    lr = trial.suggest_float("lr", 1e-4, 1, log=True)
    trial.report(x, 1)
    trial.set_user_attr("by", "python")
    time.sleep(0.005)
    return x ** 2 + math.log10(lr) ** 2
`;

const kinds = [
  {
    kind: 'redis',
    available: hasRedis && hasOptuna,
    launch: async () => {
      const { port } = await startRedis();
      return { url: `redis://127.0.0.1:${port}`, storage: redisIn(port) };
    },
  },
  {
    kind: 'grpc over PostgreSQL',
    available: hasPostgres,
    launch: async () => {
      const { port } = (await sharedServers()).proxy;
      const storage = `optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=${port})`;
      return { url: `grpc://127.0.0.1:${port}`, storage };
    },
  },
];
let servers: Promise<{ database: Awaited<ReturnType<typeof startPostgres>>; proxy: Server }> | undefined;
const sharedServers = () =>
  (servers ??= startPostgres().then(async (database) => ({
    database,
    proxy: await startProxy(database.url),
  })));
const redisIn = (port: number) =>
  `optuna.storages.JournalStorage(optuna.storages.journal.JournalRedisBackend("redis://127.0.0.1:${port}"))`;

for (const { kind, available, launch } of kinds)
  (available ? describe : describe.skip)(`Optuna and tinygpt in ${kind}`, () => {
    let url = '';
    let storage = '';
    beforeAll(async () => void ({ url, storage } = await launch()));

    test('workers of both kinds share a study: each trial once, the same in both', async () => {
      const study = createStudy({ ...options, name: 'both', storage: url });
      study.enqueue([{ x: 2 }, { x: 3 }, { x: 4 }]);
      const worker = `${head(storage)}
study = optuna.load_study(study_name="both", storage=storage, sampler=optuna.samplers.RandomSampler(seed=int(sys.argv[1])))
study.optimize(objective, n_trials=12)
`;
      let pythons = 2;
      const done = [1, 2].map((seed) => python(worker, `${seed}`).finally(() => pythons--));
      while (pythons > 0 || study.trials.length < 30) {
        const trial = study.ask();
        trial.report(1, trial.params.x);
        await delay(2);
        study.tell(trial, loss(trial.params));
      }
      await Promise.all(done);
      study.refresh();
      const seen = JSON.parse(
        await python(`${head(storage)}
trials = optuna.load_study(study_name="both", storage=storage).trials
print(json.dumps([[t.number, t.state.name, t.value, t.params, t.user_attrs, t.intermediate_values] for t in trials]))`),
      ) as [number, string, number, { x: number; lr: number }, { by?: string }, Record<string, number>][];
      expect(seen.map(([number]) => number)).toEqual(study.trials.map(({ number }) => number));
      expect(seen.every(([, state]) => state === 'COMPLETE')).toBe(true);
      for (const [number, , value, params, attrs, reports] of seen) {
        const ours = study.trials[number]!;
        expect([ours.value, ours.params, ours.userAttrs, Object.fromEntries(ours.intermediate)]).toEqual([
          value,
          params,
          attrs,
          reports,
        ]);
        expect(Math.abs(loss(params) - value)).toBeLessThan(1e-12);
      }
      expect(seen.filter(([, , , , { by }]) => by === 'python')).toHaveLength(24);
      for (const x of [1, 2, 3, 4]) expect(seen.filter(([, , , params]) => params.x === x)).toHaveLength(1);
    });

    test.each([
      ['running', ''],
      ['complete', 'study.tell(trial, 1)'],
    ])(
      'a waiting trial that Python claims at the same time is left to it: %s when we look',
      async (state, ending) => {
        const name = `claimed-${state}`;
        let claim = () => {};
        const check = () => {
          claim();
          return null;
        };
        const study = createStudy({ ...options, name, storage: url, check, runDefaults: false });
        study.enqueue([{ x: 2 }, { x: 3 }]);
        claim = () => {
          claim = () => {};
          pythonSync(`${head(storage)}
study = optuna.load_study(study_name="${name}", storage=storage)
trial = study.ask()
${ending}`);
        };
        const trial = study.ask();
        expect([trial.number, trial.params.x]).toEqual([1, 3]);
        study.refresh();
        expect(study.trials.map(({ state }) => state)).toEqual([state, 'running']);
      },
    );

    test('a study that Python created is continued here, and what it enqueued is run', async () => {
      await python(`${head(storage)}
study = optuna.create_study(study_name="theirs", storage=storage, direction="maximize")
study.set_user_attr("note", ["a", 1])
study.optimize(objective, n_trials=3)
study.enqueue_trial({"x": 0.5, "lr": 0.25})`);
      const study = loadStudy({ storage: url, name: 'theirs', sampler: randomSampler(), runDefaults: false });
      expect([study.direction, study.userAttrs.note]).toEqual(['maximize', ['a', 1]]);
      expect(study.trials.map(({ state }) => state)).toEqual(['complete', 'complete', 'complete', 'waiting']);
      const trial = study.ask();
      expect([trial.number, trial.params]).toEqual([3, { x: 0.5, lr: 0.25 }]);
      study.tell(trial, 1e9);
      expect(
        (
          await python(
            `${head(storage)}print(optuna.load_study(study_name="theirs", storage=storage).best_trial.number)`,
          )
        ).trim(),
      ).toBe('3');
    });

    test('a trial that lost its worker is a retry to Optuna too', async () => {
      const study = createStudy({ ...options, name: 'retried', storage: url });
      study.ask();
      const other = openStorage(url);
      const log = other.log.study('retried')!;
      other.transact(() => lossEntries(log.id, log.trials[0]!, 1));
      other.close();
      const said = await python(`${head(storage)}
from optuna.storages import RetryHeartbeatStaleTrialCallback as Retry
study = optuna.load_study(study_name="retried", storage=storage)
study.optimize(objective, n_trials=1)
first, second = study.trials
print(json.dumps([first.state.name, second.state.name, Retry.retried_trial_number(second), Retry.retry_history(second), second.params == first.params]))`);
      expect(JSON.parse(said)).toEqual(['FAIL', 'COMPLETE', 0, [0], true]);
    });
  });

(hasPostgres ? describe : describe.skip)('a gRPC proxy and its PostgreSQL that are killed', () => {
  test.each(['proxy', 'database'] as const)(
    'the %s is started again, and nothing is lost or doubled',
    async (which) => {
      const { database, proxy } = await sharedServers();
      const url = `grpc://127.0.0.1:${proxy.port}`;
      const name = `killed ${which}`;
      const killed: Server = which === 'proxy' ? proxy : database;
      const notes: string[] = [];
      const study = createStudy({
        ...options,
        name,
        storage: url,
        onNote: (line) => notes.push(line),
      });
      await study.optimize(
        async (trial) => {
          trial.report(1, trial.number);
          if (trial.number === 2) {
            await killed.stop();
            trial.report(2, trial.number);
            void killed.start();
          }
          return loss(trial.params);
        },
        { trials: 5 },
      );
      const [log] = readJournal(url).filter((study) => study.name === name);
      expect(log!.trials.map(({ number, state, value }) => [number, state, value])).toEqual(
        study.trials.map(({ number, params }) => [number, 'complete', loss(params)]),
      );
      expect(log!.trials).toHaveLength(5);
      expect(log!.trials[2]!.intermediate.get(2)).toBe(2);
      expect(notes.length).toBeGreaterThan(0);
    },
  );
});
