// Golden values are Optuna's own (test/golden/samplers/importance.py).

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { importances } from '../../src/tune/importance.js';
import type { Direction, Params, SearchSpace, Trial, TrialState } from '../../src/tune/types.js';

type GoldenTrial = {
  state: string;
  value: number | 'inf' | null;
  params: Params;
  distributions?: SearchSpace;
};
type Golden = {
  name: string;
  direction: Direction;
  space: SearchSpace;
  trials: GoldenTrial[];
  expected: Record<string, number>;
};

const golden = JSON.parse(
  readFileSync(new URL('../../../test/golden/samplers/importance.json', import.meta.url), 'utf8'),
) as { studies: Golden[] };

function trialOf(space: SearchSpace, number: number, from: GoldenTrial): Trial {
  return {
    number,
    id: number,
    state: from.state as TrialState,
    value: from.value === 'inf' ? Infinity : from.value,
    params: from.params,
    distributions: from.distributions ?? space,
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
    start: number,
    end: number,
  };
}

const trialsOf = (study: Golden) => study.trials.map((trial, i) => trialOf(study.space, i, trial));

describe("importances equal Optuna's", () => {
  test.each(golden.studies.map((study) => [study.name, study] as const))('%s', (_, study) => {
    const ours = importances(trialsOf(study), study.direction);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(study.expected).sort());
    // Same sums of the same normal masses: only rounding differs, erfc to about 1e-15.
    for (const [name, value] of Object.entries(study.expected)) expect(ours[name]).toBeCloseTo(value, 10);
  });
});

test('importances sum to 1 and come most important first', () => {
  for (const study of golden.studies) {
    const values = Object.values(importances(trialsOf(study), study.direction));
    expect(values.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(values).toEqual([...values].sort((a, b) => b - a));
  }
});

test('a parameter with one value has importance 0, the one that decides the value the largest', () => {
  const study = golden.studies[0]!;
  const ours = importances(trialsOf(study), study.direction);
  expect(ours.fixed).toBe(0);
  expect(Object.keys(ours)[0]).toBe('lr');
});

test('there are no importances without a complete trial', () => {
  const trials = trialsOf(golden.studies[0]!).map((trial) => ({ ...trial, state: 'fail' as const }));
  expect(importances(trials, 'minimize')).toEqual({});
  expect(importances([], 'minimize')).toEqual({});
});

test('trials without a finite value do not change importances', () => {
  const study = golden.studies[0]!;
  const trials = trialsOf(study);
  const odd = [NaN, Infinity, -Infinity, null].map((value, i) => ({
    ...trials[i]!,
    number: trials.length + i,
    value,
  }));
  expect(importances([...trials, ...odd], 'minimize')).toEqual(importances(trials, 'minimize'));
});
