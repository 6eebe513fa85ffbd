// Parameters that exist only with certain values of others.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { activeParams, isActive, withFixed } from '../../src/tune/conditions.js';
import { categorical, describeDistribution, float, int } from '../../src/tune/distributions.js';
import { createStudyEntry, createTrialEntry, setParamEntry } from '../../src/tune/journal/records.js';
import { cmaesSampler } from '../../src/tune/samplers/cmaes.js';
import { samplerByName, samplerNames } from '../../src/tune/samplers/index.js';
import { checkSpace, fixParams, onlyParams } from '../../src/tune/space.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import type { Params, ParamsOf, SearchSpace } from '../../src/tune/types.js';
import { memoryStudy } from './samplers/memoryStudy.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();

/** The optimizer decides which rates there are; warm restarts have a period, and long ones a decay. */
const SPACE: SearchSpace = {
  optimizer: categorical(['sgd', 'adamw', 'muon']),
  rate: float(1e-5, 1, { log: true }),
  momentum: float(0.5, 0.99, { when: { optimizer: ['sgd', 'muon'] } }),
  beta2: float(0.9, 0.999, { when: { optimizer: 'adamw' } }),
  nesterov: categorical([true, false], { when: { optimizer: 'sgd' } }),
  restarts: categorical([true, false]),
  period: int(1, 4, { when: { restarts: true } }),
  decay: float(0, 1, { when: { period: [3, 4] } }),
};
const expected = (params: Params): string[] => {
  const names = ['optimizer', 'rate', 'restarts'];
  if (params.optimizer !== 'adamw') names.push('momentum');
  if (params.optimizer === 'adamw') names.push('beta2');
  if (params.optimizer === 'sgd') names.push('nesterov');
  if (params.restarts) names.push('period');
  if (params.restarts && (params.period as number) >= 3) names.push('decay');
  return names.sort();
};
/** Best 0: adamw, rate 1e-3, beta2 0.95, restarts of period 3 with decay 0.4. */
const loss = (p: Params) => {
  let value = { sgd: 0.3, adamw: 0, muon: 0.2 }[p.optimizer as string]!;
  value += 0.1 * (Math.log10(p.rate as number) + 3) ** 2;
  if (p.optimizer === 'adamw') value += 20 * ((p.beta2 as number) - 0.95) ** 2;
  else value += (0.9 - (p.momentum as number)) ** 2 + (p.nesterov === false ? 0.05 : 0);
  if (!p.restarts) return value + 0.2;
  value += 0.05 * Math.abs((p.period as number) - 3);
  return value + ((p.period as number) >= 3 ? 0.5 * ((p.decay as number) - 0.4) ** 2 : 0.1);
};

describe.each(samplerNames)('%s', (name) => {
  test('proposes exactly the active parameters, and the same after a resume', () => {
    for (const seed of [1]) {
      const whole = memoryStudy(SPACE, { seed }).runParallel(samplerByName(name), 30, 3, loss);
      for (const { params } of whole.trials) expect(Object.keys(params).sort()).toEqual(expected(params));
      expect(new Set(whole.trials.map(({ params }) => params.optimizer)).size).toBe(3);
      const resumed = memoryStudy(SPACE, { seed });
      let sampler = samplerByName(name);
      const restarted = (study: typeof resumed, number: number) => {
        if (number % 9 === 0) sampler = samplerByName(name);
        return sampler.ask(study, number);
      };
      resumed.runParallel({ name, ask: restarted as typeof sampler.ask }, 30, 3, loss);
      expect(resumed.trials.map(({ params }) => params)).toEqual(whole.trials.map(({ params }) => params));
    }
  });

  test('tries every configuration of a finite conditional space once', () => {
    const space: SearchSpace = {
      kind: categorical(['a', 'b']),
      size: int(1, 3, { when: { kind: 'b' } }),
      deep: categorical([true, false], { when: { size: 2 } }),
    };
    // a; b 1, b 2 true, b 2 false, b 3
    const study = memoryStudy(space).run(samplerByName(name), 5, () => 1);
    expect(new Set(study.trials.map(({ params }) => JSON.stringify(params))).size).toBe(5);
    expect(samplerByName(name).ask(study, 5).exhausted).toBe(true);
  });

  test('does not repeat finite parts of an infinite space', () => {
    const space: SearchSpace = {
      kind: categorical(['plain', 'tuned']),
      x: float(0, 1, { when: { kind: 'tuned' } }),
    };
    const study = memoryStudy(space).run(samplerByName(name), 20, ({ x = 0.5 }) => x as number);
    expect(study.trials.filter(({ params }) => params.kind === 'plain')).toHaveLength(1);
  });
});

test.each([
  ['gp', 0.02],
  ['cmaes', 0.06],
  ['tpe', 0.06],
])('%s finds the optimum of a conditional space in 60 trials', (name, bound) => {
  const found = [1, 2, 3].map((seed) =>
    memoryStudy(SPACE, { seed }).run(samplerByName(name), 60, loss).best(),
  );
  expect(found.sort((a, b) => a - b)[1]!).toBeLessThan(bound);
});

test('CMA-ES keeps what it drew for absent parameters, so that their distribution does not shrink', () => {
  const space: SearchSpace = {
    on: categorical([true, false]),
    x: float(0, 1),
    y: float(0, 1, { when: { on: true } }),
  };
  const study = memoryStudy(space).run(cmaesSampler(), 30, ({ x }) => x as number);
  const without = study.trials.slice(2).filter(({ params }) => !params.on);
  expect(without.length).toBeGreaterThan(3);
  for (const { systemAttrs } of without) {
    const { y } = systemAttrs['cmaes:inactive'] as { y: number };
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThanOrEqual(1);
  }
});

describe('a study with conditions', () => {
  const file = fresh;

  test('records the active parameters only, reads them back, and continues', async () => {
    const storage = file('conditions.log');
    const make = () => createStudy({ space: SPACE, storage, sampler: samplerByName('random'), seed: 3 });
    const study = make();
    study.enqueue({ optimizer: 'adamw', momentum: 0.8 } as object);
    await study.optimize(({ params }) => loss(params as Params), { trials: 12 });
    const loaded = loadStudy({ storage, sampler: samplerByName('gp') });
    expect(loaded.space).toEqual(SPACE);
    for (const trial of loaded.trials) {
      expect(Object.keys(trial.params).sort()).toEqual(expected(trial.params as Params));
      expect(Object.keys(trial.distributions).sort()).toEqual(expected(trial.params as Params));
    }
    expect(loaded.trials[1]!.params).toMatchObject({ optimizer: 'adamw' });
    await make().optimize(({ params }) => loss(params as Params), { trials: 14 });
    expect(make().trials).toHaveLength(14);
  });

  test('is another study under other conditions', () => {
    const storage = file('other.log');
    const make = (when: Record<string, string>) =>
      createStudy({
        space: { a: categorical(['x', 'y']), b: float(0, 1, { when }) },
        storage,
        sampler: samplerByName('random'),
      });
    make({ a: 'x' });
    expect(() => make({ a: 'y' })).toThrow(/b in float 0 .. 1 when a = "x", this one in .* when a = "y"/);
  });

  test('refuses a sampler that leaves out an active parameter, and drops inactive ones', () => {
    const ask = (params: Params) =>
      createStudy({
        space: SPACE,
        sampler: { name: 'own', ask: () => ({ params }) },
        runDefaults: false,
      }).ask().params;
    const given = { optimizer: 'adamw', rate: 0.1, beta2: 0.95, restarts: false };
    expect(ask({ ...given, period: 2, decay: 0.1, momentum: 0.9 })).toEqual(given);
    expect(() => ask({ ...given, restarts: true })).toThrow(/proposed period = undefined outside int 1 .. 4/);
  });
});

describe('conditions', () => {
  test('hold through several levels', () => {
    const params = { restarts: true, period: 3, optimizer: 'muon', rate: 1, nesterov: true, decay: 0.1 };
    expect(isActive(SPACE, 'decay', params)).toBe(true);
    expect(isActive(SPACE, 'decay', { ...params, restarts: false })).toBe(false);
    expect(activeParams(SPACE, { ...params, period: 2 })).toEqual({
      restarts: true,
      period: 2,
      optimizer: 'muon',
      rate: 1,
    });
  });

  test('come from plain data and are described', () => {
    const plain = JSON.parse(JSON.stringify(SPACE));
    expect(checkSpace(plain).space).toEqual(SPACE);
    expect(describeDistribution(SPACE.momentum!)).toBe('float 0.5 .. 0.99 when optimizer = "sgd" or "muon"');
  });

  test.each([
    [
      { a: { kind: 'int', low: 1, high: 2, when: { b: 1 } } },
      /Parameter a: expected when to name other parameters.*"b"/,
    ],
    [{ a: int(1, 2), b: { ...int(1, 2), when: { a: 3 } } }, /Parameter b: a in when cannot be 3/],
    [{ a: { ...int(1, 2), when: { a: 1 } } }, /Parameter a: expected when without a cycle/],
    [
      { a: { ...int(1, 2), when: { b: 1 } }, b: { ...int(1, 2), when: { a: 1 } } },
      /expected when without a cycle, got one through/,
    ],
    [
      { a: { ...int(1, 2), when: [] } },
      /Parameter a: expected when to give values of other parameters.*got \[\]/,
    ],
    [{ a: { ...int(1, 2), when: {} } }, /got {}/],
    [{ a: int(1, 2), b: { ...int(1, 2), when: { a: [] } } }, /Parameter b: expected when to give values/],
    [
      { a: int(1, 2), b: { ...int(1, 2), when: null } },
      /Parameter b: expected when to give values.*got null/,
    ],
  ])('that make no sense are refused: %#', (space, message) => {
    expect(() => checkSpace(space)).toThrow(message);
  });

  test('are resolved where their parameters are fixed', () => {
    const setup = checkSpace(SPACE);
    const adam = fixParams(setup, { optimizer: 'adamw' });
    expect(Object.keys(adam.space)).toEqual(['rate', 'beta2', 'restarts', 'period', 'decay']);
    expect(adam.space.beta2).toEqual(float(0.9, 0.999));
    expect(Object.keys(adam.defaults)).toEqual(Object.keys(adam.space));
    const none = fixParams(adam, { restarts: 'false' as never });
    expect(Object.keys(none.space)).toEqual(['rate', 'beta2']);
    const only = onlyParams(setup, ['rate', 'momentum']);
    expect(only.space).toEqual({ rate: SPACE.rate, momentum: float(0.5, 0.99) });
    expect(withFixed({ x: float(0, 1, { when: { a: 1 } }) }, { a: 2 })).toEqual({});
    // What cannot apply is no fixed parameter either; what may apply is held at its default.
    const sgd = checkSpace(SPACE, { optimizer: 'sgd' });
    const held = Object.keys(onlyParams(sgd, ['rate']).fixed);
    expect(held).toContain('momentum');
    expect(held).not.toContain('beta2');
    expect(Object.keys(onlyParams(sgd, ['rate', 'optimizer']).fixed)).toEqual(
      expect.arrayContaining(['momentum', 'beta2']),
    );
  });
});

test('the types of conditional parameters are optional, of the others they are not', async () => {
  const space = {
    optimizer: categorical(['sgd', 'adamw']),
    momentum: float(0.5, 0.99, { when: { optimizer: 'sgd' } }),
    steps: int(1, 5, { when: { optimizer: ['sgd'] } }),
    rule: categorical(['a', 'b'], { when: { optimizer: 'adamw' } }),
    lr: float(1e-5, 1, { log: true, prior: { center: 1e-3, width: 0.1 } }),
  };
  const study = createStudy({ space, defaults: { lr: 0.1 }, sampler: samplerByName('random') });
  await study.optimize(
    ({ params }) => {
      const lr: number = params.lr;
      const optimizer: 'sgd' | 'adamw' = params.optimizer;
      const rule: 'a' | 'b' | undefined = params.rule;
      // @ts-expect-error: undefined without sgd
      const momentum: number = params.momentum;
      // @ts-expect-error: undefined without sgd
      const steps: number = params.steps;
      expect([momentum, steps].includes(undefined as unknown as number)).toBe(optimizer === 'adamw');
      expect(rule === undefined).toBe(optimizer === 'sgd');
      return lr;
    },
    { trials: 6 },
  );
  // @ts-expect-error: lr is not optional
  const incomplete: ParamsOf<typeof space> = { optimizer: 'adamw' };
  const complete: ParamsOf<typeof space> = { optimizer: 'adamw', lr: 0.1 };
  expect([incomplete, complete]).toHaveLength(2);
});

test('a study that Python made is continued with the conditions, which its trials do not tell', () => {
  const path = fresh('python.log');
  const space = {
    optimizer: categorical(['sgd', 'adamw']),
    momentum: float(0.5, 0.99, { when: { optimizer: 'sgd' } }),
    beta: float(0.9, 0.999, { when: { optimizer: 'adamw' } }),
  };
  const trial = (optimizer: string) => ({
    ...createTrialEntry(0, space, { state: 'running', params: { optimizer }, start: 0 }),
    worker_id: 'python',
  });
  const setParam = { ...setParamEntry(1, 'momentum', 0.9, space.momentum), worker_id: 'python' };
  const create = { ...createStudyEntry('study', 'minimize'), worker_id: 'python' };
  const records = [create, trial('sgd'), trial('sgd'), setParam];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  const study = createStudy({
    space,
    storage: path,
    sampler: samplerByName('tpe'),
    defaults: { optimizer: 'adamw' },
  });
  expect(study.trials).toHaveLength(2);
  expect(Object.keys(study.ask().params).sort()).toContain('optimizer');
  const other = { ...space, momentum: float(0, 0.99, { when: { optimizer: 'sgd' } }) };
  expect(() => createStudy({ space: other, storage: path, sampler: samplerByName('tpe') })).toThrow(
    /momentum/,
  );
});
