// Random runs of pruners, and what ours decide in them; pruners.py says what Optuna's decide.

import { type Random, randomStream } from '../../src/base/random.js';
import {
  hyperbandPruner,
  medianPruner,
  patientPruner,
  successiveHalvingPruner,
  wilcoxonPruner,
} from '../../src/tune/pruners/index.js';
import { createStudy } from '../../src/tune/study.js';
import type { Direction, Pruner } from '../../src/tune/types.js';

/** Options are Optuna's, in its spelling. */
type PrunerSpec = { pruner: string; options: Record<string, unknown> };
export type Scenario = PrunerSpec & { name: string; direction: Direction; trials: number[][] };

/** Learning curves of trials of unlike quality, noisy, sometimes with ties or NaN. */
function randomTrials(random: Random, kind: string, count: number, steps: number, sign: number): number[][] {
  const coarse = random.uniform() < 0.3; // ties
  const broken = kind !== 'wilcoxon' && random.uniform() < 0.3; // NaN
  return Array.from({ length: count }, () => {
    const level = random.normal();
    return Array.from({ length: steps }, (_, step) => {
      if (broken && random.uniform() < 0.05) return Number.NaN;
      const trend = kind === 'wilcoxon' ? 0 : 3 / (1 + step);
      const value = sign * (level + trend + 0.5 * random.normal());
      return Number(value.toFixed(coarse ? 0 : 3)) + 0; // no -0
    });
  });
}

function randomSpec(random: Random, pruner: string): PrunerSpec {
  const pick = <T>(...choices: T[]): T => choices[random.int(choices.length)]!;
  switch (pruner) {
    case 'median':
      return {
        pruner,
        options: {
          n_startup_trials: random.int(6),
          n_warmup_steps: random.int(4),
          interval_steps: 1 + random.int(3),
          n_min_trials: 1 + random.int(3),
        },
      };
    case 'successive-halving': {
      const auto = random.uniform() < 0.3;
      return {
        pruner,
        options: {
          min_resource: auto ? 'auto' : 1 + random.int(3),
          reduction_factor: 2 + random.int(3),
          min_early_stopping_rate: random.int(2),
          bootstrap_count: auto ? 0 : pick(0, 0, 3),
        },
      };
    }
    case 'hyperband':
      return {
        pruner,
        options: {
          min_resource: 1 + random.int(2),
          max_resource: pick<number | string>('auto', 9, 27, 81, 100, 250),
          reduction_factor: 2 + random.int(3),
        },
      };
    case 'wilcoxon':
      return { pruner, options: { p_threshold: pick(0.05, 0.1, 0.2), n_startup_steps: random.int(5) } };
    default: {
      const inner = pick<string | null>(null, 'median', 'successive-halving');
      const options = {
        inner: inner && randomSpec(random, inner),
        patience: random.int(4),
        min_delta: pick(0, 0.1),
      };
      return { pruner: 'patient', options };
    }
  }
}

export function randomScenarios(count: number, seed: number): Scenario[] {
  const kinds = ['median', 'successive-halving', 'hyperband', 'wilcoxon', 'patient'];
  return Array.from({ length: count }, (_, i) => {
    const random = randomStream(seed, `scenario/${i}`);
    const kind = kinds[i % kinds.length]!;
    const direction = random.uniform() < 0.5 ? 'minimize' : 'maximize';
    // Long enough for each branch of the signed-rank test: exact with ties, exact without, approximate.
    const steps = kind === 'wilcoxon' ? [8, 12, 20, 56][random.int(4)]! : 3 + random.int(12);
    const trialCount = kind === 'wilcoxon' ? 4 : 14;
    const trials = randomTrials(random, kind, trialCount, steps, direction === 'minimize' ? 1 : -1);
    return { ...randomSpec(random, kind), name: `scenario-${i}`, direction, trials };
  });
}

function makePruner({ pruner, options: o }: PrunerSpec): Pruner {
  const number = (key: string) => o[key] as number;
  switch (pruner) {
    case 'median':
      return medianPruner({
        startupTrials: number('n_startup_trials'),
        warmupSteps: number('n_warmup_steps'),
        intervalSteps: number('interval_steps'),
        minTrials: number('n_min_trials'),
      });
    case 'successive-halving':
      return successiveHalvingPruner({
        minResource: o.min_resource as number | 'auto',
        reductionFactor: number('reduction_factor'),
        minEarlyStoppingRate: number('min_early_stopping_rate'),
        bootstrapCount: number('bootstrap_count'),
      });
    case 'hyperband':
      return hyperbandPruner({
        minResource: number('min_resource'),
        maxResource: o.max_resource as number | 'auto',
        reductionFactor: number('reduction_factor'),
      });
    case 'wilcoxon':
      return wilcoxonPruner({ pThreshold: number('p_threshold'), startupSteps: number('n_startup_steps') });
    default:
      return patientPruner(o.inner ? makePruner(o.inner as PrunerSpec) : null, {
        patience: number('patience'),
        minDelta: number('min_delta'),
      });
  }
}

/** The step at which each trial was pruned, or null. */
export function play(scenario: Scenario): (number | null)[] {
  const study = createStudy({
    name: scenario.name,
    direction: scenario.direction,
    space: { x: { kind: 'float', low: 0, high: 1, log: false, step: null } },
    sampler: { name: 'constant', ask: () => ({ params: { x: 0.5 } }) },
    pruner: makePruner(scenario),
    runDefaults: false,
  });
  return scenario.trials.map((values) => {
    const trial = study.ask();
    for (const [step, value] of values.entries()) {
      trial.report(step, value);
      if (!trial.shouldPrune()) continue;
      study.tell(trial, { state: 'pruned' });
      return step;
    }
    study.tell(trial, values.at(-1)!);
    return null;
  });
}
