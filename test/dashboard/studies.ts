// Studies for the dashboard's tests.

import { categorical, float } from '../../src/tune/distributions.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { createStudy } from '../../src/tune/study.js';
import type { Study } from '../../src/tune/studyTypes.js';

export const SPACE = { lr: float(1e-4, 1, { log: true }), kind: categorical(['a', 'b']) };

/** A study in a journal that knows nothing but its space. */
export const openStudy = (journal: string, name = 'first'): Study<typeof SPACE> =>
  createStudy({
    name,
    space: SPACE,
    defaults: { lr: 0.01, kind: 'a' },
    sampler: randomSampler(),
    storage: journal,
    metricName: 'loss',
  });

/** Runs trials whose value is the distance of lr from 0.01; every fifth fails. */
export function runTrials(study: Study<typeof SPACE>, count: number): void {
  for (let i = 0; i < count; i++) {
    const trial = study.ask();
    trial.report(1, 2 + Math.abs(Math.log10(trial.params.lr) + 2));
    if (trial.number % 5 === 4)
      study.tell(trial, { state: 'fail', reason: 'diverged', message: 'loss is NaN' });
    else study.tell(trial, 1 + Math.abs(Math.log10(trial.params.lr) + 2));
  }
}
