// The Gaussian process with trials of another study as a prior mean.

import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { float, int, sampleUniform, toUnit } from '../../../src/tune/distributions.js';
import { axesOf } from '../../../src/tune/samplers/axes.js';
import { priorMode } from '../../../src/tune/samplers/gp/fit.js';
import type { Data } from '../../../src/tune/samplers/gp/likelihood.js';
import { sourceModel } from '../../../src/tune/samplers/gp/models.js';
import { condition } from '../../../src/tune/samplers/gp/posterior.js';
import { priorMean, residual, withMean } from '../../../src/tune/samplers/gp/transfer.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import type { Params, SearchSpace, Trial } from '../../../src/tune/types.js';
import { trial } from './gpStudies.js';
import { memoryStudy } from './memoryStudy.js';

const SPACE: SearchSpace = {
  lr: float(1e-5, 1, { log: true }),
  decay: float(0, 0.5),
  depth: int(2, 20),
  warmup: float(0, 1),
  momentum: float(0.5, 1),
};
const bowl = (params: Params) =>
  Object.entries(SPACE).reduce((sum, [name, d]) => sum + (toUnit(d, params[name]!) - 0.75) ** 2, 0);

/** 50 random trials of another study whose values are f of ours. */
function source(f: (loss: number, params: Params) => number, names = Object.keys(SPACE)): Trial[] {
  const random = randomStream(7, 'test/source');
  return Array.from({ length: 50 }, (_, i) => {
    const params = Object.fromEntries(
      Object.entries(SPACE).map(([name, d]) => [name, sampleUniform(d, random)]),
    );
    const value = f(bowl(params), params);
    return trial(i, Object.fromEntries(names.map((name) => [name, params[name]!])), value);
  });
}

const best = (warmStart: Trial[] | undefined, trials: number) => {
  const found = [1, 2, 3].map((seed) =>
    memoryStudy(SPACE, { seed })
      .run(gpSampler({ ...(warmStart && { warmStart }) }), trials, bowl)
      .best(),
  );
  return found.sort((a, b) => a - b)[1]!;
};

test('a related study on another scale helps from the first proposal', () => {
  const plain = best(undefined, 9);
  expect(
    best(
      source((loss) => 40 + 7 * loss),
      9,
    ),
  ).toBeLessThan(0.3 * plain);
  expect(
    best(
      source((loss) => 40 + 7 * loss, ['lr', 'decay', 'warmup', 'momentum']),
      9,
    ),
  ).toBeLessThan(plain);
});

test('a misleading or uninformative study loses its influence', () => {
  expect(
    best(
      source((loss) => -loss),
      40,
    ),
  ).toBeLessThan(0.002);
  expect(
    best(
      source((_, { lr }) => Math.sin(1e9 * (lr as number))),
      40,
    ),
  ).toBeLessThan(0.002);
  expect(
    best(
      source(() => 3),
      40,
    ),
  ).toBeLessThan(0.002);
});

test('fewer than five trials, or of another space, are ignored', () => {
  const plain = memoryStudy(SPACE).run(gpSampler(), 12, bowl);
  for (const warmStart of [source((loss) => loss).slice(0, 4), source((loss) => loss, [])]) {
    if (warmStart.length > 4) for (const { params } of warmStart) params.lr = 'x';
    const warm = memoryStudy(SPACE).run(gpSampler({ warmStart }), 12, bowl);
    expect(warm.trials.map(({ params }) => params)).toEqual(plain.trials.map(({ params }) => params));
  }
});

test('a resumed study proposes the same', () => {
  const warmStart = source((loss) => loss);
  const study = memoryStudy(SPACE).run(gpSampler({ warmStart }), 14, bowl);
  const again = gpSampler({ warmStart }).ask({ ...study, trials: structuredClone(study.trials) }, 14);
  const sampler = gpSampler({ warmStart });
  for (let n = 4; n < 14; n++) sampler.ask({ ...study, trials: study.trials.slice(0, n) }, n);
  expect(sampler.ask(study, 14)).toEqual(again);
});

describe('the prior mean', () => {
  const axes = axesOf(SPACE);
  const view = memoryStudy(SPACE);
  const model = sourceModel(
    view,
    axes,
    source((loss) => loss),
  )!;
  const random = randomStream(3, 'test/data');
  const data = (f: (m: number) => number): Data => {
    const [n, d] = [30, 5];
    const x = Float64Array.from({ length: n * d }, () => random.uniform());
    const means = new Float64Array(n);
    model.predict(x, n, means, new Float64Array(n));
    return { n, d, numeric: 5, x, y: means.map(f), extra: new Float64Array(n) };
  };

  test('follows the data: doubled, halved, and left out where they contradict', () => {
    for (const [factor, expected] of [
      [2, 2],
      [0.5, 0.5],
      [-1, 0],
    ] as const) {
      const values = data((m) => factor * m);
      const left = residual(values, priorMean([model], values)).y;
      const spread = (y: Float64Array) => Math.max(...y) - Math.min(...y);
      // The factor is drawn towards 1 by two trials' worth.
      const share = 1 - spread(left) / spread(values.y);
      expect(share * Math.abs(factor)).toBeGreaterThan(0.7 * expected - 1e-9);
    }
  });

  test('is uncertain where neither study has been', () => {
    const values = data((m) => m);
    const mean = priorMean([model], values);
    const near = mean.one(values.x.slice(0, 5)).variance;
    const far = mean.one(Float64Array.of(0, 1, 0, 1, 0)).variance;
    expect(far).toBeGreaterThan(3 * near);
    expect(mean.one(values.x.slice(0, 5)).mean).toBeCloseTo(mean.at(values.x.slice(0, 5), 1)[0]!, 3);
  });

  test('adds its gradient', () => {
    const values = data((m) => m);
    const mean = priorMean([model], values);
    const posterior = withMean(condition(residual(values, mean), priorMode(5)), mean);
    const at = Float64Array.of(0.3, 0.6, 0.2, 0.7, 0.4);
    const single = new Float64Array(1);
    const value = (x: Float64Array) => {
      posterior.predictOne(x, single);
      return single[0]!;
    };
    const [many, variances] = [new Float64Array(2), new Float64Array(2)];
    posterior.predict(Float64Array.of(...at, ...at), 2, many, variances);
    expect(many[1]).toBeCloseTo(value(at), 10);
    expect(variances[1]).toBeCloseTo(posterior.predictOne(at, single), 8);
    const [gradient, ofVariance] = [new Float64Array(5), new Float64Array(5)];
    posterior.gradients(Float64Array.of(1), gradient, ofVariance);
    for (let j = 0; j < 5; j++) {
      const step = 1e-5;
      const numeric = (value(at.with(j, at[j]! + step)) - value(at.with(j, at[j]! - step))) / (2 * step);
      expect(gradient[j]!).toBeCloseTo(numeric, 5); // central differences
      const spread = (h: number) => posterior.predictOne(at.with(j, at[j]! + h), single);
      expect(ofVariance[j]!).toBeCloseTo((spread(step) - spread(-step)) / (2 * step), 5);
    }
  });
});
