import { describe, expect, test } from '@jest/globals';
import { float } from '../../../src/tune/distributions.js';
import { axesOf } from '../../../src/tune/samplers/axes.js';
import { finishedTrials, gather } from '../../../src/tune/samplers/evidence.js';
import type { Trial } from '../../../src/tune/types.js';
import { study, trial } from './gpStudies.js';

const space = { x: float(0, 1) };
const axes = axesOf(space);
const points = (trials: Trial[], more: object = {}) => {
  const view = { ...study(space, trials), ...more };
  return gather(view, axes, finishedTrials(view));
};
const at = (number: number, value: number | null, more: Partial<Trial> = {}): Trial => ({
  ...trial(number, { x: number / 10 }, value),
  ...more,
});

describe('what trials teach a sampler', () => {
  test('infinite values are observations, NaN is a failure', () => {
    const { observations, failures } = points([at(0, Infinity), at(1, -Infinity), at(2, NaN), at(3, 1)]);
    expect(observations.map((o) => o.value)).toEqual([Infinity, -Infinity, 1]);
    expect(failures).toEqual([Float64Array.of(0.2)]);
  });

  test('what complete trials did after a step is worked out once for all trials pruned there', () => {
    let reads = 0;
    class Counted extends Map<number, number> {
      override get(step: number): number | undefined {
        reads++;
        return super.get(step);
      }
    }
    const complete = Array.from({ length: 50 }, (_, i) =>
      at(i, i, { intermediate: new Counted([[1, i + 2]]) }),
    );
    const pruned = Array.from({ length: 50 }, (_, i) =>
      at(50 + i, null, { state: 'pruned', intermediate: new Map([[1, i]]) }),
    );
    const { observations } = points([...complete, ...pruned]);
    expect(observations.slice(50).map(({ value }) => value)).toEqual(pruned.map((_, i) => i - 2));
    expect(reads).toBeLessThanOrEqual(50);
  });

  test('values are negated where the study maximizes', () => {
    const { observations } = points([at(0, Infinity), at(1, 2)], { direction: 'maximize' });
    expect(observations.map((o) => o.value)).toEqual([-Infinity, -2]);
  });

  test('samplers ignore interrupted and killed trials but learn from other failures', () => {
    const reasons = ['interrupted', 'killed', 'diverged', 'out_of_memory', undefined];
    const trials = reasons.map((fail_reason, i) => at(i, null, { userAttrs: { fail_reason } }));
    expect(points(trials).failures.map(([x]) => x)).toEqual([0.2, 0.3, 0.4]);
    const python = at(5, null);
    expect(points([python]).failures).toHaveLength(1);
  });

  test('samplers learn from infeasible trials only without a check', () => {
    const trials = [at(0, null, { userAttrs: { fail_reason: 'infeasible' } })];
    expect(points(trials).failures).toHaveLength(1);
    expect(points(trials, { canRun: () => true }).failures).toHaveLength(0);
  });

  test('a pruned trial counts with its last value, extrapolated by how complete trials continued', () => {
    const complete = [3, 4, 6].map((value, i) => at(i, value, { intermediate: new Map([[5, value + 2]]) }));
    const pruned = at(3, null, {
      state: 'pruned',
      intermediate: new Map([
        [5, 8],
        [7, NaN],
      ]),
    });
    expect(points([...complete, pruned]).observations.at(-1)).toMatchObject({ value: 6, spread: 0 });
    expect(points([at(0, 1), at(1, 3), pruned]).observations.at(-1)).toMatchObject({ value: 8 });
    const infinite = at(3, null, { state: 'pruned', intermediate: new Map([[5, Infinity]]) });
    expect(points([...complete, infinite]).observations.at(-1)).toMatchObject({ value: Infinity });
  });

  test('the median over complete trials survives infinite values', () => {
    const pruned = at(3, null, { state: 'pruned', intermediate: new Map([[5, 1]]) });
    const trials = [at(0, 2), at(1, 3), at(2, Infinity), pruned];
    expect(points(trials).observations.at(-1)).toMatchObject({ value: 3 });
    for (const [low, high, value] of [
      [0, Infinity, Infinity],
      [-Infinity, Infinity, 1],
      [-Infinity, 3, 1],
    ] as const)
      expect(points([at(0, low), at(1, high), pruned]).observations.at(-1)).toMatchObject({ value });
  });
});
