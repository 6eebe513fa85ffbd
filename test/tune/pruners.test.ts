import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { play, type Scenario } from '../../experiments/optuna-interop/scenarios.js';
import { UsageError } from '../../src/base/errors.js';
import { parseJson } from '../../src/base/json.js';
import { float } from '../../src/tune/distributions.js';
import { median } from '../../src/tune/math/order.js';
import { bracketShares, crc32 } from '../../src/tune/pruners/hyperband.js';
import {
  finalValuesPruner,
  hyperbandPruner,
  medianPruner,
  nopPruner,
  patientPruner,
  prunerByName,
  prunerNames,
  successiveHalvingPruner,
  wilcoxonPruner,
} from '../../src/tune/pruners/index.js';
import { normalTail, signedRankP } from '../../src/tune/pruners/wilcoxon.js';
import { createStudy } from '../../src/tune/study.js';
import type { Pruner } from '../../src/tune/types.js';
import { space, uniform } from './problem.js';

const golden = fileURLToPath(new URL('../../../test/golden/journal/pruners.json', import.meta.url));
type Recorded = Scenario & { decisions: (number | null)[] };
const recorded = parseJson(readFileSync(golden, 'utf8')) as Recorded[];

describe('decisions recorded from Optuna', () => {
  test.each(['median', 'successive-halving', 'hyperband', 'wilcoxon', 'patient'])(
    '%s decides alike',
    (pruner) => {
      const scenarios = recorded.filter((scenario) => scenario.pruner === pruner);
      expect(scenarios.length).toBeGreaterThanOrEqual(10);
      for (const scenario of scenarios)
        expect([scenario.name, play(scenario)]).toEqual([scenario.name, scenario.decisions]);
    },
  );

  test('the record holds pruned and unpruned trials, both directions and NaN', () => {
    const decisions = recorded.flatMap((scenario) => scenario.decisions);
    expect(decisions.filter((at) => at !== null).length).toBeGreaterThan(100);
    expect(decisions.filter((at) => at === null).length).toBeGreaterThan(100);
    expect(new Set(recorded.map((scenario) => scenario.direction)).size).toBe(2);
    expect(recorded.some((scenario) => scenario.trials.flat().some(Number.isNaN))).toBe(true);
  });
});

/** Runs trials of these curves; the steps at which they were pruned. */
function run(pruner: Pruner, curves: number[][], direction: 'minimize' | 'maximize' = 'minimize') {
  const study = createStudy({
    space: { x: float(0, 1) },
    sampler: { name: 'constant', ask: () => ({ params: { x: 0.5 } }) },
    pruner,
    direction,
    runDefaults: false,
  });
  const steps = curves.map((values) => {
    const trial = study.ask();
    const at = values.findIndex((value, step) => {
      trial.report(step, value);
      return trial.shouldPrune();
    });
    study.tell(trial, at < 0 ? values.at(-1)! : { state: 'pruned' });
    return at < 0 ? null : at;
  });
  return { study, steps };
}

describe('rules', () => {
  const good = [3, 2, 1];
  const bad = [9, 8, 7];

  test('nop never prunes', () => {
    expect(run(nopPruner(), [good, bad, [Number.NaN, 99, 99]]).steps).toEqual([null, null, null]);
  });

  test('median waits for its startup trials, prunes only what is strictly worse, and NaN', () => {
    const pruner = medianPruner({ startupTrials: 2 });
    expect(run(pruner, [bad, good, bad, [6, 5, 4], good, [NaN, 1, 1]]).steps).toEqual([
      null,
      null,
      0,
      null,
      null,
      0,
    ]);
  });

  test('median prunes smaller values when maximizing', () => {
    const negated = [good, good, bad].map((curve) => curve.map((value) => -value));
    expect(run(medianPruner({ startupTrials: 2 }), negated, 'maximize').steps).toEqual([null, null, 0]);
  });

  test('final values are compared, not those of a slice in the middle of a schedule', () => {
    // Trials 0 to 2 end at 1.5 and drop by 0.1, 0.2 and 0.7 after step 1. Trial 3 is behind all at step 1 and wins.
    const complete = [
      [1.6, 1.5],
      [1.7, 1.5],
      [2.2, 1.5],
    ];
    const decide = (value: number, direction: 'minimize' | 'maximize' = 'minimize', step = 1) => {
      const sign = direction === 'minimize' ? 1 : -1;
      const pruner = finalValuesPruner(medianPruner({ startupTrials: 1 }));
      const study = createStudy({ space, sampler: uniform, pruner, direction });
      for (const [slice, final] of complete) {
        const trial = study.ask();
        trial.report(1, sign * slice!);
        study.tell(trial, sign * final!);
      }
      const trial = study.ask();
      trial.report(step, sign * value);
      return trial.shouldPrune();
    };
    for (const direction of ['minimize', 'maximize'] as const) {
      expect(decide(2.19, direction)).toBe(false); // may still come to 1.49
      expect(decide(2.21, direction)).toBe(true);
    }
    expect(decide(9, 'minimize', 2)).toBe(false); // nobody knows what follows after step 2
  });

  test('a pruned trial keeps its last value, or none where that is NaN', () => {
    const { study } = run(medianPruner({ startupTrials: 1 }), [good, bad, [NaN, 1]]);
    expect(study.trials.map((t) => [t.state, t.value])).toEqual([
      ['complete', 1],
      ['pruned', 9],
      ['pruned', null],
    ]);
  });

  test('successive halving records its rungs where Optuna looks for them', () => {
    const { study, steps } = run(successiveHalvingPruner({ minResource: 1, reductionFactor: 2 }), [
      [5, 4, 3, 2],
      [9, 8, 7, 6],
      [9, 3, 9, 9],
    ]);
    expect(steps).toEqual([null, 1, 2]);
    expect(study.trials.map((t) => t.systemAttrs)).toMatchObject([
      { completed_rung_0: 4, completed_rung_1: 3 },
      { completed_rung_0: 8 },
      { completed_rung_0: 3, completed_rung_1: 9 },
    ]);
  });

  test("hyperband assigns brackets by an exact logarithm and zlib's CRC-32", () => {
    expect(bracketShares(1, 243, 3)).toHaveLength(6);
    expect(bracketShares(1, 242, 3)).toHaveLength(5);
    expect(bracketShares(1, 9, 3)).toEqual([9, 5, 3]);
    expect(crc32('study_0')).toBe(0x15f3771c);
    expect(crc32('')).toBe(0);
  });

  test('patient allows the given number of reports without improvement', () => {
    const curve = [5, 4, 4, 4, 4, 4];
    expect(run(patientPruner(null, { patience: 0 }), [[5, 5.1], curve]).steps).toEqual([1, null]);
    expect(run(patientPruner(null, { patience: 1 }), [[5, 4, 4.5, 4.6, 4.7]]).steps).toEqual([3]);
    expect(run(patientPruner(null, { patience: 1, minDelta: 1 }), [[5, 4, 4.5, 4.6, 4.7]]).steps).toEqual([
      null,
    ]);
  });

  test('the median averages the middle two and handles infinite values', () => {
    expect(median([1, 2])).toBe(1.5);
    expect(median([1, Infinity, Infinity])).toBe(Infinity);
    expect(median([])).toBeNaN();
  });

  // From scipy.stats.wilcoxon(d, alternative="greater", zero_method="zsplit").
  test.each<[string, number[], number]>([
    ['exact', [1.1, -0.4, 2.2, 0.7, 3.1], 0.0625],
    ['exact with ties', [1, 1, -1, 2, 3, 3, -2], 0.140625],
    ['exact with zeros', [0, 1, 0, 2, -1, 3], 0.1875],
    ['approximate with ties', [1, 1, 1, -1, 2, 2, -2, 3, 3, 4, -4, 5, 0, 6, 7], 0.01630872564112182],
  ])('the signed-rank test is %s', (_, differences, expected) => {
    expect(Math.abs(signedRankP(differences) - expected)).toBeLessThan(1e-14);
  });

  test('the normal tail is accurate to 1e-14', () => {
    expect(normalTail(0)).toBe(0.5);
    expect(normalTail(1.2815515655446004)).toBeCloseTo(0.1, 14);
    expect(normalTail(-1)).toBeCloseTo(0.8413447460685429, 14);
    expect(normalTail(5)).toBeCloseTo(2.8665157187919333e-7, 15);
    expect(normalTail(9)).toBe(0);
  });
});

describe('settings', () => {
  test.each<[string, () => unknown]>([
    ['median startup', () => medianPruner({ startupTrials: -1 })],
    ['median interval', () => medianPruner({ intervalSteps: 0 })],
    ['halving factor', () => successiveHalvingPruner({ reductionFactor: 1 })],
    ['halving resource', () => successiveHalvingPruner({ minResource: 0.5 })],
    ['halving bootstrap', () => successiveHalvingPruner({ bootstrapCount: 2 })],
    ['hyperband range', () => hyperbandPruner({ minResource: 5, maxResource: 4 })],
    ['hyperband bootstrap', () => hyperbandPruner({ bootstrapCount: 2 })],
    ['wilcoxon threshold', () => wilcoxonPruner({ pThreshold: 2 })],
    ['wilcoxon startup', () => wilcoxonPruner({ startupSteps: -1 })],
    ['patience', () => patientPruner(null, { patience: -1 })],
    ['patience delta', () => patientPruner(null, { patience: 1, minDelta: -1 })],
    ['name', () => prunerByName('toString')],
  ])('a bad %s is refused', (_, make) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(/^Expected /);
  });

  test('every name makes a pruner', () => {
    for (const name of prunerNames) expect(typeof prunerByName(name).shouldPrune).toBe('function');
  });
});
