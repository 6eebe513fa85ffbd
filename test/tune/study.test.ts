import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { describeStudies } from '../../experiments/optuna-interop/describe.js';
import { TrainingError, UsageError } from '../../src/base/errors.js';
import { type Random, randomStream } from '../../src/base/random.js';
import { categorical, contains, float, int } from '../../src/tune/distributions.js';
import { createTrialEntry, studyAttrEntry } from '../../src/tune/journal/records.js';
import { fileStorage } from '../../src/tune/storage/fileStorage.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { identify } from '../../src/tune/storage/worker.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import type { Study, StudyOptions } from '../../src/tune/studyTypes.js';
import { type RunningTrial, TrialPruned } from '../../src/tune/trial.js';
import type { Params, Sampler, SearchSpace } from '../../src/tune/types.js';
import { defaults, space, uniform, value } from './problem.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const options = (more: Partial<StudyOptions> = {}): StudyOptions => ({
  space,
  defaults,
  sampler: uniform,
  ...more,
});
function boom(): never {
  throw new Error('boom');
}
const objective = ({ params }: RunningTrial) => value(params);

/** Trials without times and owners, which differ from run to run. */
function outcomes(study: Study) {
  return study.trials.map(({ number, state, value, params, userAttrs }) => ({
    number,
    state,
    value,
    params,
    userAttrs,
  }));
}

describe('creating a study', () => {
  test('what is no sampler or pruner is refused, such as a name', () => {
    const create = (more: object) => () => createStudy(options(more));
    expect(create({ sampler: 'gp' })).toThrow(
      new UsageError('Expected a sampler such as gpSampler(), got "gp"'),
    );
    expect(create({ sampler: undefined })).toThrow('Expected a sampler such as gpSampler(), got undefined');
    expect(
      create({
        sampler: function gp() {
          return 1;
        },
      }),
    ).toThrow(/got function gp\(\) \{ return 1; ?\}$/);
    expect(create({ pruner: 'median' })).toThrow('Expected a pruner such as medianPruner(), got "median"');
  });
});

describe('ask and tell', () => {
  test('trial 0 is the default configuration, then the sampler proposes', () => {
    const study = createStudy(options());
    const first = study.ask();
    expect([first.number, first.params]).toEqual([0, defaults]);
    study.tell(first, 2);
    const second = study.ask();
    expect(second.params).toEqual(uniform.ask(study, 1).params);
    expect(study.tell(1, 1)).toMatchObject({ number: 1, state: 'complete', value: 1 });
    expect(study.best()).toMatchObject({ number: 1 });
  });

  test('the best is the largest where the value is maximized', () => {
    const study = createStudy(options({ direction: 'maximize', runDefaults: false }));
    for (const result of [1, 3, Infinity, 2, Number.NaN]) study.tell(study.ask(), result);
    expect(study.best()!.value).toBe(Infinity);
    expect(createStudy(options()).best()).toBeNull();
  });

  test('intermediate values are kept by step; the first report of a step counts', () => {
    const study = createStudy(options());
    const trial = study.ask();
    trial.report(10, 3);
    trial.report(0, Number.NaN);
    trial.report(10, 4);
    expect([...study.trials[0]!.intermediate]).toEqual([
      [10, 3],
      [0, Number.NaN],
    ]);
    expect(() => trial.report(0.5, 1)).toThrow('Expected step to be an integer >= 0, got 0.5');
    expect(() => trial.report(1, '2' as unknown as number)).toThrow('Expected a number to report, got "2"');
    study.tell(trial, 1);
    expect(() => trial.report(20, 1)).toThrow('Trial 0 is already finished (complete)');
  });

  test('attributes are stored; null and what JSON cannot hold are refused', () => {
    const study = createStudy(options());
    const trial = study.ask();
    trial.setUserAttr('config', { depth: 8, nested: [null, Number.NaN] });
    study.setUserAttr('note', 'x');
    expect(study.trials[0]!.userAttrs).toEqual({ config: { depth: 8, nested: [null, Number.NaN] } });
    expect(study.userAttrs.note).toBe('x');
    expect(() => trial.setUserAttr('a', null)).toThrow('Expected a value for the attribute a, got null');
    expect(() => trial.setUserAttr('a', 1n)).toThrow(UsageError);
  });

  test('a second tell changes nothing; an unknown number is refused', () => {
    const study = createStudy(options());
    const trial = study.ask();
    study.tell(trial, 1);
    expect(study.tell(trial, 2).value).toBe(1);
    study.enqueue({ depth: 6 });
    expect(() => study.tell(1, 1)).toThrow('Expected the number of a trial that was asked for, got 1');
    expect(() => study.tell(9, 1)).toThrow(UsageError);
  });

  test('tell accepts a failure without a reason; an invalid outcome is refused and leaves the trial running', () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path }));
    const [first, second] = [study.ask(), study.ask()];
    expect(study.tell(first, { state: 'fail' })).toMatchObject({ state: 'fail', value: null });
    for (const outcome of [{ state: 'done' }, { state: 'fail', reason: 5 }, { state: 'fail', message: {} }])
      expect(() => study.tell(second, outcome as never)).toThrow(
        /^Expected a value, \{ state: 'pruned' \} or/,
      );
    expect(study.trials[1]!.state).toBe('running');
    expect(study.tell(second, { state: 'complete', value: [2] })).toMatchObject({ value: 2 });
    expect(readJournal(path)[0]!.trials.map((t) => t.state)).toEqual(['fail', 'complete']);
  });

  test('records that the reader would refuse are never written', () => {
    const path = fresh('journal.log');
    const bad = <T>(value: unknown) => value as T;
    const study = createStudy(options({ storage: path }));
    const trial = study.ask();
    const before = readFileSync(path, 'utf8');
    const attempts = [
      () => createStudy(options({ storage: path, name: bad(5) })),
      () => createStudy(options({ storage: path, name: '' })),
      () => createStudy(options({ storage: path, name: 'new', direction: bad('minimum') })),
      () => createStudy(options({ storage: path, name: 'new', seed: bad({}) })),
      () => createStudy(options({ storage: path, name: 'new', seed: Number.NaN })),
      () => createStudy(options({ storage: path, name: 'new', objective: { a: 1n } })),
      () => createStudy(options({ storage: path, name: 'new', objective: bad(null) })),
      () =>
        createStudy(options({ storage: path, name: 'new', metricName: bad({ toJSON: () => undefined }) })),
      () => createStudy(options({ storage: path, name: 'new', userAttrs: { space: 'mine' } })),
      () =>
        createStudy(options({ storage: path, name: 'new', sampler: { ...uniform, name: bad(undefined) } })),
      () => study.setUserAttr('seed', 4),
      () => study.setUserAttr('date', new Date(Number.NaN)), // JSON's null
      () => study.setUserAttr(bad(undefined), 1),
      () => trial.setUserAttr('f', () => 1),
      () => trial.setUserAttr('u', { toJSON: () => undefined }),
      () => trial.report(bad('1'), 1),
      () => trial.report(2 ** 60, 1),
      () => trial.report(1, bad({ loss: 1 })),
    ];
    for (const attempt of attempts) expect(attempt).toThrow(UsageError);
    expect(readFileSync(path, 'utf8')).toBe(before);
    trial.report(1, Float32Array.of(3));
    trial.setUserAttr('loss', Float32Array.of(0.5, Number.NaN));
    expect(readJournal(path)[0]!.trials[0]).toMatchObject({ userAttrs: { loss: [0.5, Number.NaN] } });
  });

  test('attributes of samplers and pruners are checked before they are written too', () => {
    const path = fresh('journal.log');
    const sampler: Sampler = { name: 's', ask: () => ({ params: defaults, systemAttrs: { f: 1n } }) };
    const pruner = {
      name: 'p',
      shouldPrune: (_: unknown, __: unknown, set: (key: string, value: unknown) => void) => {
        set('f', () => 1);
        return false;
      },
    };
    const study = createStudy(options({ storage: path, sampler, pruner }));
    const trial = study.ask();
    expect(() => trial.shouldPrune()).toThrow('Cannot record this in a study: JSON cannot hold a function');
    expect(() => study.ask()).toThrow('Cannot record this in a study');
    expect(readJournal(path)[0]!.trials).toHaveLength(1);
  });

  test('asking a study that another program deleted is an error', () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path }));
    fileStorage(path).transact(() => [{ op_code: 1, study_id: 0 }]);
    expect(() => study.ask()).toThrow(`Study study was deleted from ${path} while in use`);
  });

  test('a sampler that leaves the space is an error, not a trial', () => {
    const astray: Sampler = { name: 'astray', ask: () => ({ params: { ...defaults, x: 6 } }) };
    const study = createStudy(options({ sampler: astray, runDefaults: false }));
    expect(() => study.ask()).toThrow('Sampler astray proposed x = 6 outside float -5 .. 5');
    expect(study.trials).toHaveLength(0);
  });
});

describe('the queue', () => {
  test('runs before the sampler in order, with defaults for what it leaves out', () => {
    const study = createStudy(options());
    study.enqueue({ depth: 12 });
    study.enqueue({ kind: null, x: -5 });
    const asked = Array.from({ length: 4 }, () => study.ask().params);
    expect(asked.slice(0, 3)).toEqual([
      defaults,
      { ...defaults, depth: 12 },
      { ...defaults, kind: null, x: -5 },
    ]);
    expect(study.trials[3]!.systemAttrs['tinygpt:sampler']).toBe('uniform');
  });

  test('skipIfExists skips configurations that the study has', () => {
    const study = createStudy(options());
    for (let i = 0; i < 2; i++) study.enqueue({ depth: 12 }, { skipIfExists: true });
    study.enqueue({}, { skipIfExists: true }); // the defaults are there already
    study.tell(study.ask(), 1);
    study.enqueue({ ...defaults }, { skipIfExists: true });
    expect(study.trials).toHaveLength(2);
    study.enqueue({ depth: 12 });
    expect(study.trials).toHaveLength(3);
  });

  test('enqueues all of a list or nothing, naming the invalid entry', () => {
    const study = createStudy(options());
    expect(() => study.enqueue([{ depth: 4 }, { depth: 3 }])).toThrow(
      'Entry 2: Parameter depth: expected a value within int 2 .. 12 step 2, got 3',
    );
    expect(() => study.enqueue([{}, { dept: 4 }])).toThrow('Entry 2: Unknown parameter dept to enqueue');
    expect(() => study.enqueue([5 as never])).toThrow('Entry 1: Expected parameters to enqueue, got 5');
    expect(study.trials).toHaveLength(1);
    study.enqueue([{ depth: 4 }, { depth: 6 }]);
    expect(study.trials).toHaveLength(3);
  });

  test('skipIfExists adds what is missing from a list, duplicates included', () => {
    const path = fresh('journal.log');
    const list = [{ depth: 8 }, { depth: 6 }, { depth: 8 }];
    for (const kept of [1, 3]) {
      const study = createStudy(options({ storage: path }));
      study.enqueue(list.slice(0, kept), { skipIfExists: true });
      study.enqueue(list.slice(0, kept), { skipIfExists: true });
      expect(study.trials).toHaveLength(1 + kept);
    }
  });

  test('skipIfExists knows grid values that Python rounded otherwise', () => {
    const path = fresh('journal.log');
    const grid = { x: float(0, 1, { step: 0.1 }) };
    const study = createStudy({ space: grid, sampler: uniform, storage: path, runDefaults: false });
    fileStorage(path).transact(() => [
      createTrialEntry(0, grid, { state: 'running', params: { x: 3 * 0.1 }, start: 0 }),
    ]);
    study.enqueue([{ x: 0.3 }, { x: 0.4 }], { skipIfExists: true });
    expect(study.trials.slice(1).map((trial) => trial.systemAttrs.fixed_params)).toEqual([{ x: 0.4 }]);
  });

  test('refuses unknown parameters and values outside their range', () => {
    const study = createStudy(options());
    expect(() => study.enqueue({ dept: 4 })).toThrow(
      'Unknown parameter dept to enqueue; did you mean depth?',
    );
    expect(() => study.enqueue({ depth: 3 })).toThrow(
      'Parameter depth: expected a value within int 2 .. 12 step 2, got 3',
    );
    expect(study.trials).toHaveLength(1);
  });

  test('an enqueued configuration outside the space fails without running', () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path, runDefaults: false }));
    const attrs = { fixed_params: { depth: 3, x: 2 } };
    fileStorage(path).transact(() => [
      createTrialEntry(0, {}, { state: 'waiting', params: {}, start: null, systemAttrs: attrs }),
    ]);
    expect(study.ask().number).toBe(1);
    expect(study.trials[0]).toMatchObject({
      state: 'fail',
      params: { x: 2, kind: 'b' },
      userAttrs: { fail_reason: 'infeasible', fail_message: 'outside the space: depth = 3' },
    });
  });
});

describe('infeasible proposals', () => {
  const check = ({ depth }: Params) =>
    (depth as number) > 6 ? { reason: 'memory', detail: `${depth} layers need 13 GB of 12 GB` } : null;

  test('are recorded with their reason, never run, and not counted against the limit', async () => {
    const study = createStudy(options({ check }));
    const ran: number[] = [];
    const seen: number[] = [];
    const result = await study.optimize(
      ({ number, params }) => {
        ran.push(number);
        expect(params.depth as number).toBeLessThanOrEqual(6);
        return value(params);
      },
      { trials: 10, onTrial: (trial) => seen.push(trial.number) },
    );
    const refused = study.trials.filter((trial) => trial.state === 'fail');
    expect(refused.length).toBeGreaterThan(3);
    expect(result).toMatchObject({ trials: 10, infeasible: refused.length, stopped: 'trials' });
    expect(ran).toHaveLength(10);
    expect(seen).toEqual(study.trials.map((trial) => trial.number));
    for (const trial of refused) {
      expect(trial.userAttrs).toEqual({
        fail_reason: 'infeasible',
        fail_message: `memory: ${trial.params.depth} layers need 13 GB of 12 GB`,
      });
      expect(trial.end).not.toBeNull();
    }
  });

  test('ends the study after maxInfeasible proposals in a row', async () => {
    const onlyDefaults: Sampler = { name: 'only defaults', ask: () => ({ params: defaults }) };
    const refuseDefaults = ({ x }: Params) => (x === 1 ? { reason: 'memory', detail: 'none' } : null);
    const study = createStudy(options({ check: refuseDefaults, maxInfeasible: 7, sampler: onlyDefaults }));
    await expect(study.optimize(objective, { trials: 3 })).rejects.toThrow(
      'The last 7 proposals cannot run (memory: none); narrow the space',
    );
    expect(study.trials).toHaveLength(7);
  });

  test('a space in which no configuration can run is an error at the first trial', async () => {
    const study = createStudy(options({ check: () => ({ reason: 'memory', detail: 'needs 2 GiB of 1' }) }));
    await expect(study.optimize(objective, { trials: 3 })).rejects.toThrow(
      'No configuration of this space can run: the smallest and 1,000 random ones are refused, as memory: needs 2 GiB of 1',
    );
    expect(study.trials.map((trial) => trial.userAttrs.fail_reason)).toEqual(['infeasible']);
  });

  test('a signal is handled between refused proposals', async () => {
    const abort = new AbortController();
    const result = await createStudy(
      options({ check: ({ x }) => (x === -5 ? null : { reason: 'sizes', detail: 'odd' }) }),
    ).optimize(objective, {
      signal: abort.signal,
      onTrial: () => setImmediate(() => abort.abort()), // as a handler of SIGTERM would
    });
    expect(result).toMatchObject({ stopped: 'signal', trials: 0 });
    expect(result.infeasible).toBeLessThan(4);
  });
});

describe('optimize', () => {
  test('records how each trial ended and continues', async () => {
    const study = createStudy(options());
    const endings: ((trial: RunningTrial) => number)[] = [
      () => 1,
      () => {
        throw new TrialPruned();
      },
      (trial) => {
        trial.report(0, 5);
        trial.report(3, 4);
        throw new TrialPruned();
      },
      () => {
        throw new TrainingError('out_of_memory', 'no memory left');
      },
      () => {
        throw new Error('boom');
      },
      () => {
        throw 'a string';
      },
      () => Number.NaN,
      () => undefined as unknown as number,
      () => null as unknown as number,
      () => -Infinity,
    ];
    const result = await study.optimize((trial) => endings[trial.number]!(trial), {
      trials: endings.length,
      catch: true,
    });
    expect(result).toMatchObject({ trials: 10, infeasible: 0, stopped: 'trials' });
    expect(
      study.trials.map((t) => [t.state, t.value, t.userAttrs.fail_reason, t.userAttrs.fail_message]),
    ).toEqual([
      ['complete', 1, undefined, undefined],
      ['pruned', null, undefined, undefined],
      ['pruned', 4, undefined, undefined],
      ['fail', null, 'out_of_memory', 'no memory left'],
      ['fail', null, 'exception', 'boom'],
      ['fail', null, 'exception', 'a string'],
      ['fail', null, 'nan', 'Expected the objective to return a number, got NaN'],
      ['fail', null, 'nan', 'Expected the objective to return a number, got undefined'],
      ['fail', null, 'nan', 'Expected the objective to return a number, got null'],
      ['complete', -Infinity, undefined, undefined],
    ]);
    expect(study.trials[4]!.userAttrs.cost_seconds).toBeGreaterThanOrEqual(0);
  });

  test('an unexpected error of the objective is recorded and rethrown, unless caught by its class', async () => {
    const study = createStudy(options());
    const fails = () => {
      throw new RangeError('boom');
    };
    await expect(study.optimize(fails, { trials: 3 })).rejects.toThrow('boom');
    expect(study.trials.map((t) => [t.state, t.userAttrs.fail_reason])).toEqual([['fail', 'exception']]);
    await expect(study.optimize(fails, { trials: 3, catch: [TypeError] })).rejects.toThrow('boom');
    expect(await study.optimize(fails, { trials: 4, catch: [TypeError, RangeError] })).toMatchObject({
      trials: 2,
    });
    expect(await study.optimize(fails, { trials: 6, catch: true })).toMatchObject({ trials: 2 });
  });

  test.each([
    ['an object without a prototype', () => Object.create(null)],
    ['a message that throws', () => ({ message: null, toString: () => boom() })],
    ['a reason that throws', () => Object.defineProperty(new Error('x'), 'reason', { get: boom })],
    ['an empty reason', () => Object.assign(new Error('x'), { reason: '' })],
    ['a proxy that throws', () => new Proxy({}, { get: boom })],
  ])('a trial fails with a reason when the objective throws %s', async (_, make) => {
    const study = createStudy(options());
    const thrown: unknown = make();
    const fails = () => {
      throw thrown;
    };
    await study.optimize(fails, { trials: 2, catch: true });
    expect(study.trials.map(({ state, userAttrs }) => [state, userAttrs.fail_reason])).toEqual([
      ['fail', 'exception'],
      ['fail', 'exception'],
    ]);
  });

  test('an objective may return a number or an array of one; other values fail the trial with the reason', async () => {
    const returned: unknown[] = [
      Float32Array.of(0.5),
      [0.25],
      new Float64Array([-Infinity]),
      { loss: 0.5 },
      [1, 2],
      [],
      [[1]],
      '1',
      1n,
      BigInt64Array.of(1n),
      Float32Array.of(Number.NaN),
      true,
      () => 1,
    ];
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path }));
    await study.optimize(({ number }) => returned[number] as number, { trials: returned.length });
    expect(study.trials.slice(0, 3).map((t) => [t.state, t.value])).toEqual([
      ['complete', 0.5],
      ['complete', 0.25],
      ['complete', -Infinity],
    ]);
    for (const trial of study.trials.slice(3)) {
      expect([trial.state, trial.value, trial.userAttrs.fail_reason]).toEqual(['fail', null, 'nan']);
      expect(trial.userAttrs.fail_message).toMatch(/^Expected the objective to return a number, got ./);
    }
    expect(study.trials[3]!.userAttrs.fail_message).toContain('{"loss":0.5}');
    expect(createStudy(options({ storage: path })).trials).toHaveLength(returned.length);
  });

  test('the trial limit applies to the study: the same call resumes, a finished study starts nothing', async () => {
    const path = fresh('journal.log');
    const storage = { storage: path };
    await createStudy(options(storage)).optimize(objective, { trials: 4 });
    const study = createStudy(options(storage));
    expect((await study.optimize(objective, { trials: 10 })).trials).toBe(6);
    expect((await study.optimize(objective, { trials: 10 })).trials).toBe(0);
    const whole = createStudy(options());
    await whole.optimize(objective, { trials: 10 });
    expect(outcomes(study)).toEqual(outcomes(whole));
  });

  test('a running trial of another worker counts against the limit', async () => {
    const path = fresh('journal.log');
    const other = createStudy(options({ storage: path }));
    const running = other.ask();
    const study = createStudy(options({ storage: path }));
    expect(study.trials[0]!.state).toBe('running');
    expect(await study.optimize(objective, { trials: 3 })).toMatchObject({ trials: 2 });
    other.tell(running, 1);
    expect(other.trials).toHaveLength(3);
  });

  test('an aborted trial is recorded as interrupted and its configuration enqueued again', async () => {
    const path = fresh('journal.log');
    const abort = new AbortController();
    const study = createStudy(options({ storage: path }));
    const result = await study.optimize(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped at step 3')));
          abort.abort();
        }),
      { trials: 5, signal: abort.signal },
    );
    expect(result).toMatchObject({ trials: 1, stopped: 'signal' });
    expect(study.trials.map((t) => [t.state, t.userAttrs.fail_reason])).toEqual([
      ['fail', 'interrupted'],
      ['waiting', undefined],
    ]);
    const resumed = createStudy(options({ storage: path }));
    await resumed.optimize(objective, { trials: 2 });
    expect(resumed.trials[1]).toMatchObject({ state: 'complete', params: defaults });
    expect(resumed.trials).toHaveLength(3);
  });

  test('a trial that finishes despite the signal is complete and the last', async () => {
    const abort = new AbortController();
    const study = createStudy(options());
    const result = await study.optimize(
      () => {
        abort.abort();
        return 3;
      },
      { signal: abort.signal },
    );
    expect([result.stopped, outcomes(study).map((t) => t.value)]).toEqual(['signal', [3]]);
  });

  test('no trial starts after the time limit', async () => {
    const clock = jest.spyOn(performance, 'now');
    let now = 0;
    clock.mockImplementation(() => now);
    try {
      const study = createStudy(options());
      const result = await study.optimize(
        () => {
          now += 400;
          return 1;
        },
        { seconds: 1 },
      );
      expect(result).toEqual({ trials: 3, infeasible: 0, seconds: 1.2, stopped: 'seconds' });
    } finally {
      clock.mockRestore();
    }
  });

  test.each([[{}], [{ trials: 0 }], [{ trials: Number.NaN }], [{ seconds: 0 }], [{ seconds: -1 }]])(
    'limits %p are refused',
    async (limits) => {
      await expect(createStudy(options()).optimize(objective, limits)).rejects.toThrow(
        /^Expected (trials|seconds)/,
      );
    },
  );
});

describe('determinism', () => {
  test('the seed fixes every proposal, in memory and on disk', async () => {
    const runs: unknown[] = [];
    for (const more of [{ seed: 3 }, { seed: 3, storage: fresh('journal.log') }, { seed: 4 }]) {
      const study = createStudy(options(more));
      await study.optimize(objective, { trials: 8 });
      runs.push(outcomes(study));
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
  });

  test('a continued study keeps its seed', () => {
    const path = fresh('journal.log');
    createStudy(options({ storage: path, seed: 'night' }));
    expect(createStudy(options({ storage: path })).seed).toBe('night');
    expect(loadStudy({ storage: path, sampler: uniform }).seed).toBe('night');
  });
});

describe('studies on disk', () => {
  test('a study in memory equals its journal', async () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path, metricName: 'val_bpb', objective: { seconds: 3 } }));
    await study.optimize(
      (trial) => {
        trial.report(1, 2);
        return value(trial.params);
      },
      { trials: 5 },
    );
    const [read] = readJournal(path);
    expect(describeStudies([{ ...read!, trials: [...study.trials] }])).toEqual(describeStudies([read!]));
    expect(read!.systemAttrs).toEqual({ 'study:metric_names': ['val_bpb'] });
    expect(read!.userAttrs).toEqual({
      space: JSON.parse(JSON.stringify(space)),
      defaults,
      seed: 0,
      sampler: 'uniform',
      pruner: 'nop',
      objective: { seconds: 3 },
    });
  });

  test('an interrupted creation of a study is completed; the defaults are still trial 0', () => {
    const path = fresh('journal.log');
    createStudy(options({ storage: path, metricName: 'val_bpb', objective: { seconds: 3 } }));
    const whole = describeStudies(readJournal(path));
    const lines = readFileSync(path, 'utf8').split('\n');
    for (let kept = 1; kept < lines.length; kept++) {
      const cut = fresh('journal.log');
      fileStorage(cut, { create: true });
      writeFileSync(cut, `${lines.slice(0, kept).join('\n')}\n{"op_co`);
      createStudy(options({ storage: cut, metricName: 'val_bpb', objective: { seconds: 3 } }));
      expect(describeStudies(readJournal(cut))).toEqual(whole);
    }
  });

  test('several studies share a journal; loading one needs its name', () => {
    const path = fresh('journal.log');
    createStudy(options({ storage: path, name: 'a' })).ask();
    createStudy(options({ storage: path, name: 'b', direction: 'maximize' })).ask();
    expect(readJournal(path).map((study) => study.trials.map((t) => [t.id, t.number]))).toEqual([
      [[0, 0]],
      [[1, 0]],
    ]);
    expect(loadStudy({ storage: path, name: 'b', sampler: uniform })).toMatchObject({
      direction: 'maximize',
      space,
      defaults,
    });
    expect(() => loadStudy({ storage: path, sampler: uniform })).toThrow(
      'Expected a study name among a, b of',
    );
    expect(() => loadStudy({ storage: path, name: 'c', sampler: uniform })).toThrow('got c');
    expect(() => loadStudy({ storage: fresh('none.log'), sampler: uniform })).toThrow('No study log at');
  });

  test('two processes see each other: numbers are unique and in the order of the log', () => {
    const path = fresh('journal.log');
    const studies = [0, 1].map(() => createStudy(options({ storage: path })));
    const asked = Array.from({ length: 12 }, (_, i) => studies[i % 2]!.ask());
    expect(asked.map((trial) => trial.number)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    studies[0]!.tell(asked[3]!.number, 5);
    studies[1]!.refresh();
    expect(studies[1]!.trials[3]!.value).toBe(5);
  });

  test('a trial number taken by another process while the sampler runs is proposed again', () => {
    const path = fresh('journal.log');
    const other = createStudy(options({ storage: path, runDefaults: false }));
    const asked: number[] = [];
    let intruders = 2;
    const slow: Sampler = {
      name: 'slow',
      ask(view, number) {
        asked.push(number);
        if (intruders-- > 0) other.ask();
        return uniform.ask(view, number);
      },
    };
    const study = createStudy(options({ storage: path, sampler: slow, runDefaults: false }));
    const trial = study.ask();
    expect(asked).toEqual([0, 1, 2]);
    expect([trial.number, trial.params]).toEqual([2, uniform.ask(study, 2).params]);
  });

  test('a sampler that is overtaken three times is asked under the lock', () => {
    const path = fresh('journal.log');
    const other = createStudy(options({ storage: path, runDefaults: false }));
    let asked = 0;
    const slow: Sampler = {
      name: 'slow',
      ask(view, number) {
        if (asked++ < 3) other.ask(); // a fourth time would wait for the lock that this ask holds
        return uniform.ask(view, number);
      },
    };
    expect(createStudy(options({ storage: path, sampler: slow, runDefaults: false })).ask().number).toBe(3);
    expect(asked).toBe(4);
  });
});

describe('continuing a different study is refused, naming the difference', () => {
  const path = fresh('journal.log');
  const original = () => createStudy(options({ storage: path, objective: { seconds: 60, data: 'stories' } }));
  const { depth: _, ...withoutDepth } = space;
  const { depth: __, ...defaultsWithoutDepth } = defaults;

  test.each<[string, Partial<StudyOptions>, RegExp]>([
    [
      'bounds',
      { space: { ...space, x: float(-5, 6) } },
      /searches x in float -5 \.\. 5, this one in float -5 \.\. 6/,
    ],
    [
      'scale',
      { space: { ...space, lr: float(1e-4, 1) } },
      /lr in float 0\.0001 \.\. 1 log, this one in float 0\.0001 \.\. 1;/,
    ],
    [
      'choices',
      { space: { ...space, kind: categorical(['b', 'a', null]) } },
      /kind in one of "a", "b", null, this one/,
    ],
    ['a parameter more', { space: { ...space, more: int(1, 2) } }, /does not search more, this one does/],
    [
      'a parameter less',
      { space: withoutDepth, defaults: defaultsWithoutDepth },
      /searches depth, this one does not/,
    ],
    ['defaults', { defaults: { ...defaults, x: 2 } }, /its default x is 1, here 2/],
    ['direction', { direction: 'maximize' }, /its direction is minimize, this one.s is maximize/],
    ['objective', { objective: { seconds: 30, data: 'stories' } }, /its objective seconds is 60, here 30/],
    [
      'objective entry',
      { objective: { seconds: 60, data: 'stories', seed: 1 } },
      /objective seed is nothing, here 1/,
    ],
  ])('%s', (_, more, message) => {
    original();
    const before = readFileSync(path, 'utf8');
    const again = () =>
      createStudy(options({ storage: path, objective: { seconds: 60, data: 'stories' }, ...more }));
    expect(again).toThrow(UsageError);
    expect(again).toThrow(message);
    expect(again).toThrow(`Study study in ${path} is a different one: `);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('by the distributions of its trials where the study recorded no space, as Python writes it', () => {
    const foreign = fresh('journal.log');
    fileStorage(foreign, { create: true }).transact(() => [
      { op_code: 0, study_name: 'study', directions: [1] },
      createTrialEntry(0, { x: float(0, 1) }, { state: 'running', params: { x: 0.5 }, start: 0 }),
    ]);
    expect(() => createStudy(options({ storage: foreign }))).toThrow(
      'it searches x in float 0 .. 1, this one in',
    );
    const study = createStudy({ storage: foreign, space: { x: float(0, 1) }, sampler: uniform });
    expect(study.ask().number).toBe(1); // no default trial in the middle of a study
    expect(readJournal(foreign)[0]!.userAttrs).toMatchObject({ seed: 0, space: { x: { kind: 'float' } } });
    expect(loadStudy({ storage: foreign, sampler: uniform }).space).toEqual({ x: float(0, 1) });
  });

  test('by its number of objectives', () => {
    const foreign = fresh('journal.log');
    fileStorage(foreign, { create: true }).transact(() => [
      { op_code: 0, study_name: 'study', directions: [1, 2] },
    ]);
    expect(() => createStudy(options({ storage: foreign }))).toThrow('it has 2 objectives, one is needed');
  });
});

describe('trials of dead processes', () => {
  const dead = { ...identify(), pid: 2 ** 22 - 1 };

  function leftBehind(path: string, worker: object | null, fixed?: Params): void {
    createStudy(options({ storage: path, runDefaults: false }));
    const systemAttrs = {
      ...(worker && { 'tinygpt:worker': worker }),
      ...(fixed && { fixed_params: fixed }),
    };
    fileStorage(path).transact(() => [
      createTrialEntry(0, space, { state: 'running', params: defaults, start: 0, systemAttrs }),
    ]);
  }

  test('fail when the study resumes, and do not count against its limit', async () => {
    const path = fresh('journal.log');
    leftBehind(path, dead);
    const study = createStudy(options({ storage: path }));
    await study.optimize(objective, { trials: 2 });
    expect(study.trials.map((t) => [t.state, t.userAttrs.fail_reason])).toEqual([
      ['fail', 'killed'],
      ['complete', undefined],
      ['complete', undefined],
    ]);
    expect(study.trials[0]!.userAttrs.fail_message).toMatch(/^Process 4194303 on .* ended$/);
  });

  test('are enqueued again once', async () => {
    const path = fresh('journal.log');
    leftBehind(path, dead, defaults);
    const study = createStudy(options({ storage: path }));
    expect(study.reclaim()).toEqual([0]);
    expect(study.trials[1]).toMatchObject({
      state: 'waiting',
      systemAttrs: { failed_trial: 0, retry_history: [0] },
    });
    const retry = study.ask();
    expect(retry.params).toEqual(defaults);
    fileStorage(path).transact(() => [
      { op_code: 9, trial_id: retry.id, system_attr: { 'tinygpt:worker': dead } },
    ]);
    study.refresh();
    expect(study.reclaim()).toEqual([1]);
    expect(study.trials).toHaveLength(2);
  });

  test('include trials from before a reboot and of a reused pid', () => {
    for (const worker of [
      { ...identify(), boot: 'earlier' },
      { ...identify(), start: identify().start + 1 },
    ]) {
      if (identify().start === 0) continue; // known on Linux only
      const path = fresh('journal.log');
      leftBehind(path, worker);
      expect(createStudy(options({ storage: path })).reclaim()).toEqual([0]);
    }
  });

  test('of other machines stay unless reclaimed on request; live ones always stay', () => {
    for (const worker of [{ ...dead, host: 'elsewhere' }, { ...dead, namespace: '1' }, null]) {
      const path = fresh('journal.log');
      leftBehind(path, worker);
      const study = createStudy(options({ storage: path }));
      expect(study.reclaim()).toEqual([]);
      expect(study.reclaim({ unknown: true })).toEqual([0]);
    }
    const path = fresh('journal.log');
    leftBehind(path, identify());
    expect(createStudy(options({ storage: path })).reclaim({ unknown: true })).toEqual([]);
  });

  test('are final: telling a reclaimed trial later changes nothing', () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path }));
    const trial = study.ask();
    fileStorage(path).transact(() => [
      {
        op_code: 6,
        trial_id: 0,
        state: 3,
        values: null,
        datetime_complete: '2026-11-23T12:00:00.000000+00:00',
      },
    ]);
    trial.report(1, 1);
    expect(study.tell(trial, 1)).toMatchObject({ state: 'fail', value: null });
  });
});

describe('properties', () => {
  function randomSpace(random: Random): SearchSpace {
    const make = [
      () => float(random.normal(), 4 + random.uniform()),
      () => float(10 ** -random.int(5), 2, { log: true }),
      () => float(0, 1, { step: 1 / (1 + random.int(20)) }),
      () => int(-random.int(9), random.int(9), { step: 1 + random.int(3) }),
      () => int(1 + random.int(4), 5 + random.int(900), { log: true }),
      () => categorical(['a', 'é"', 3, null, 2.5].slice(0, 1 + random.int(5))),
    ];
    return Object.fromEntries(
      Array.from({ length: 1 + random.int(6) }, (_, i) => [`p ${i}`, make[random.int(6)]!()]),
    );
  }

  test('every proposal is inside its space and is read back from the log unchanged', async () => {
    for (let seed = 0; seed < 15; seed++) {
      const path = fresh('journal.log');
      const searched = randomSpace(randomStream(seed, 'space'));
      const study = createStudy({ space: searched, sampler: uniform, storage: path, seed });
      const asked: Params[] = [];
      await study.optimize(
        ({ params }) => {
          for (const [name, distribution] of Object.entries(searched))
            expect(contains(distribution, params[name])).toBe(true);
          asked.push(params);
          return 0;
        },
        { trials: 6 },
      );
      const [read] = readJournal(path);
      expect(read!.trials.map((trial) => trial.params)).toEqual(asked);
      expect(createStudy({ space: searched, sampler: uniform, storage: path, seed }).trials).toHaveLength(6);
    }
  });

  test('interleaved steps of three processes replay to the same study in each', () => {
    const random = randomStream(9, 'interleave');
    const path = fresh('journal.log');
    const studies = [0, 1, 2].map(() => createStudy(options({ storage: path })));
    const open: { study: Study; trial: RunningTrial; step: number }[] = [];
    for (let i = 0; i < 150; i++) {
      const study = studies[random.int(3)]!;
      const at = open[random.int(open.length)];
      if (!at || random.uniform() < 0.2) open.push({ study, trial: study.ask(), step: 0 });
      else if (random.uniform() < 0.5) at.trial.report(at.step++, random.normal());
      else if (random.uniform() < 0.3) study.enqueue({ x: random.int(5) });
      else {
        const outcome = [1.5, Number.NaN, { state: 'pruned' } as const][random.int(3)]!;
        at.study.tell(at.trial, outcome);
        open.splice(open.indexOf(at), 1);
      }
    }
    const expected = describeStudies(readJournal(path));
    for (const study of studies) {
      study.refresh();
      const [read] = readJournal(path);
      expect(describeStudies([{ ...read!, trials: [...study.trials] }])).toEqual(expected);
    }
  });

  test('attributes written by another process are read', () => {
    const path = fresh('journal.log');
    const study = createStudy(options({ storage: path }));
    fileStorage(path).transact(() => [studyAttrEntry('user', 0, 'by', 'another')]);
    study.refresh();
    expect(study.userAttrs.by).toBe('another');
  });
});
