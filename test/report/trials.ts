// Synthetic trials for the tests of reports and contests.

import type { SearchSpace, Trial, TrialState } from '../../src/tune/types.js';

export const SPACE: SearchSpace = {
  lr: { kind: 'float', low: 1e-4, high: 1, log: true, step: null },
  log2_batch: { kind: 'int', low: 3, high: 8, log: false, step: 1 },
  window: { kind: 'categorical', choices: ['SSSL', 'L'] },
};

/** A trial that took 10 s. */
export function makeTrial(
  number: number,
  state: TrialState,
  value: number | null,
  more: Partial<Trial> = {},
): Trial {
  return {
    number,
    id: number,
    state,
    value,
    params: { lr: 0.01 * (number + 1), log2_batch: 3 + (number % 5), window: number % 2 ? 'L' : 'SSSL' },
    distributions: SPACE,
    intermediate: new Map(state === 'pruned' ? [[10, value ?? Number.NaN]] : []),
    userAttrs: state === 'fail' ? { fail_reason: 'diverged' } : {},
    systemAttrs: {},
    start: 1_000_000 + 10_000 * number,
    end: state === 'running' ? null : 1_010_000 + 10_000 * number,
    ...more,
  };
}

/** Complete, failed, pruned and running trials; the best is number 7. */
export const TRIALS: Trial[] = [
  makeTrial(0, 'complete', 1.2),
  makeTrial(1, 'complete', 1.25),
  makeTrial(2, 'fail', null),
  makeTrial(3, 'complete', 1.1),
  makeTrial(4, 'pruned', 1.5),
  makeTrial(5, 'complete', 1.12),
  makeTrial(6, 'complete', 9.9),
  makeTrial(7, 'complete', 1.05),
  makeTrial(8, 'complete', 1.07),
  makeTrial(9, 'running', null),
];

/** 60 trials of which the value follows `lr` alone, whatever the other parameters. */
export const LEARNABLE: Trial[] = Array.from({ length: 60 }, (_, i) => {
  const lr = 10 ** (-4 + (4 * ((i * 37) % 60)) / 60);
  const params = { lr, log2_batch: 3 + ((i * 7) % 6), window: (i * 5) % 3 === 0 ? 'L' : 'SSSL' };
  return makeTrial(i, 'complete', 1 + Math.abs(Math.log10(lr) + 2), { params });
});
