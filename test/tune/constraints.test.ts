import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import {
  describeConstraint,
  isFeasible,
  parseConstraint,
  parseConstraints,
  storedViolations,
  totalViolation,
  violation,
} from '../../src/tune/constraints.js';
import { float } from '../../src/tune/distributions.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import { TrialPruned } from '../../src/tune/trial.js';
import { uniform } from './problem.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const space = { x: float(0, 10) };
const options = { space, defaults: { x: 5 }, sampler: uniform, constraints: ['size<30e6'] };

describe('constraints as text', () => {
  test('are a metric, an operator and a decimal number', () => {
    expect(parseConstraint('num_params<30e6')).toEqual({ metric: 'num_params', operator: '<', limit: 3e7 });
    expect(parseConstraint(' tokens_per_second >= 1.5e4 ')).toMatchObject({ operator: '>=', limit: 15000 });
    expect(parseConstraint('final_train_loss>-.5').limit).toBe(-0.5);
    for (const text of ['a<1', 'a<=0.25', 'a>1e+21', 'eval.loss>=-3'])
      expect(parseConstraint(describeConstraint(parseConstraint(text)))).toEqual(parseConstraint(text));
  });

  test('anything else is refused with an example of what is meant', () => {
    const bad = [
      '',
      'a',
      'a<',
      '<1',
      'a=1',
      'a==1',
      'a<1GB',
      'a<0x10',
      'a<1<2',
      'a<1,b<2',
      '1<a',
      'a<NaN',
      'a<1e999',
    ];
    for (const text of [...bad, 'a b<1', 'a < b', 'a=<1', 'a<>1', 3, null, undefined])
      expect(() => parseConstraint(text)).toThrow(/Expected a constraint such as num_params<30e6 .* got /);
  });

  test('two that no value satisfies are refused, a range is not', () => {
    for (const pair of [
      ['a<1', 'a>2'],
      ['a<1', 'a>=1'],
      ['a<=1', 'a>1'],
      ['a>3', 'b<1', 'a<=2'],
    ])
      expect(() => parseConstraints(pair)).toThrow(/Expected constraints that a value can satisfy/);
    for (const pair of [
      ['a>1', 'a<2'],
      ['a<=1', 'a>=1'],
      ['a<1', 'b>2'],
      ['a<1', 'a<1'],
    ])
      expect(parseConstraints(pair)).toHaveLength(2);
  });
});

describe('violations', () => {
  const of = (text: string, value?: number) => violation(parseConstraint(text), value);

  test('are at most 0 exactly where the constraint holds', () => {
    for (const limit of [0, 1, -1, 0.1, 3e7, -1e-9, 1e300, 5e-324])
      for (const value of [
        limit,
        limit * (1 + 2 ** -52),
        limit * (1 - 2 ** -52),
        limit + 1,
        limit - 1,
        0,
        1e308,
        -1e308,
      ])
        for (const [operator, holds] of [
          ['<', value < limit],
          ['<=', value <= limit],
          ['>', value > limit],
          ['>=', value >= limit],
        ] as const)
          expect([operator, limit, value, of(`a${operator}${limit}`, value) <= 0]).toEqual([
            operator,
            limit,
            value,
            holds,
          ]);
  });

  test('are relative to the limit, finite, and 1 for what was not measured', () => {
    expect(of('a<200', 300)).toBe(0.5);
    expect(of('a>200', 300)).toBe(-0.5);
    expect(of('a<0', 3)).toBe(3);
    expect([of('a<1', Infinity), of('a<1', -Infinity), of('a>1', -Infinity)]).toEqual([1e6, -1e6, 1e6]);
    expect([of('a<1', Number.NaN), of('a<1')]).toEqual([1, 1]);
  });

  test('are read from both of the ways in which Optuna stores them', () => {
    const trial = { systemAttrs: { constraints: [-1, 2], 'constraints:memory': 3, other: 9 } };
    expect(storedViolations(trial)).toEqual([-1, 2, 3]);
    expect([totalViolation(trial), isFeasible(trial)]).toEqual([5, false]);
    expect(isFeasible({ systemAttrs: {} })).toBe(true);
    expect(isFeasible({ systemAttrs: { constraints: null } })).toBe(true);
    for (const odd of [[Number.NaN], ['1'], [null]])
      expect(isFeasible({ systemAttrs: { constraints: odd } })).toBe(false);
  });
});

describe('a study with constraints', () => {
  test('stores what each trial violates; the best is the best feasible one', () => {
    const storage = fresh('journal.log');
    const study = createStudy({
      ...options,
      storage,
      metricName: 'loss',
      constraints: ['size<30e6', 'loss>=1'],
    });
    const sizes = [60e6, 15e6, 30e6, 'big', undefined, 15e6, Number.NaN];
    for (const [i, size] of sizes.entries()) {
      const trial = study.ask();
      if (size !== undefined) trial.setUserAttr('size', size);
      study.tell(trial, i === 5 ? 0.5 : 7 - i);
    }
    const stored = study.trials.map((trial) => trial.systemAttrs.constraints);
    expect(stored).toEqual([
      [1, -6],
      [-0.5, -5],
      [1e-12, -4],
      [1, -3],
      [1, -2],
      [-0.5, 0.5],
      [1, 0],
    ]);
    expect(study.trials.every((trial) => trial.state === 'complete')).toBe(true);
    const unmeasured = study.trials.map((trial) => 'tinygpt:unmeasured' in trial.systemAttrs);
    expect(unmeasured).toEqual([false, false, false, true, true, false, true]);
    expect(study.best()).toMatchObject({ number: 1, value: 6 });
    expect(study.front().map((trial) => trial.number)).toEqual([1]);
    expect(readJournal(storage)[0]!.userAttrs.constraints).toEqual(['size<30000000', 'loss>=1']);
    expect(readFileSync(storage, 'utf8')).not.toMatch(/"constraints":\[[^\]]*(NaN|Infinity)/);
  });

  test('has no best trial where none is feasible', async () => {
    const study = createStudy(options);
    await study.optimize(({ params }) => params.x, { trials: 3 });
    expect([study.best(), study.front()]).toEqual([null, []]);
  });

  test('a pruned trial has constraints only where it recorded their metrics; a failed one has none', async () => {
    const study = createStudy(options);
    await study.optimize(
      (trial) => {
        if (trial.number > 0) trial.setUserAttr('size', 1);
        if (trial.number < 2) throw new TrialPruned();
        return Number.NaN;
      },
      { trials: 3 },
    );
    expect(study.trials.map(({ state }) => state)).toEqual(['pruned', 'pruned', 'fail']);
    expect(study.trials.map(({ systemAttrs }) => 'constraints' in systemAttrs)).toEqual([false, true, false]);
  });

  test('is continued with the same constraints only; loading takes those it recorded', () => {
    const storage = fresh('journal.log');
    const study = createStudy({ ...options, storage });
    study.tell(study.ask(), 1);
    expect(() => createStudy({ ...options, storage, constraints: [] })).toThrow(
      /its constraints are size<30000000, this one's are none/,
    );
    expect(() => createStudy({ ...options, storage, constraints: ['size<1'] })).toThrow(
      /this one's are size<1/,
    );
    expect(createStudy({ ...options, storage, constraints: ['size < 30000000'] }).trials).toHaveLength(2 - 1);
    const loaded = loadStudy({ storage, sampler: uniform });
    const trial = loaded.ask();
    trial.setUserAttr('size', 15e6);
    expect(loaded.tell(trial, 2).systemAttrs.constraints).toEqual([-0.5]);

    const plain = fresh('plain.log');
    createStudy({ ...options, constraints: [], storage: plain });
    expect(() => createStudy({ ...options, storage: plain })).toThrow(/its constraints are none/);
    expect(() => createStudy({ ...options, constraints: ['size<'] })).toThrow(UsageError);
  });
});
