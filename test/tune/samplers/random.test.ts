import { expect, test } from '@jest/globals';
import { categorical, float, int } from '../../../src/tune/distributions.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { describeContract, memoryStudy } from './memoryStudy.js';

describeContract(randomSampler);

test("a trial's point does not depend on the other trials", () => {
  const space = { x: float(0, 1), k: int(1, 9), c: categorical(['a', 'b']) };
  const study = memoryStudy(space).run(randomSampler(), 20, () => 1);
  for (const { number, params } of study.trials)
    expect(randomSampler().ask(memoryStudy(space), number).params).toEqual(params);
});

test('values are uniform: every value of a grid alike, logarithms on a log scale', () => {
  const space = { k: int(0, 4), log: float(1e-4, 1, { log: true }), c: categorical(['a', 'b', 'c']) };
  const count = 4000;
  const { trials } = memoryStudy(space).run(randomSampler(), count, () => 1);
  // Five standard deviations of a binomial count.
  const expectShare = (hits: number, p: number) =>
    expect(Math.abs(hits - count * p)).toBeLessThan(5 * Math.sqrt(count * p * (1 - p)));
  for (let k = 0; k <= 4; k++) expectShare(trials.filter((t) => t.params.k === k).length, 0.2);
  for (const c of ['a', 'b', 'c']) expectShare(trials.filter((t) => t.params.c === c).length, 1 / 3);
  for (const exponent of [-3, -2, -1])
    expectShare(trials.filter((t) => (t.params.log as number) < 10 ** exponent).length, (exponent + 4) / 4);
});

test('the points of consecutive trials are independent', () => {
  const seeds = 400;
  const around = (x: number) => x - Math.floor(x);
  let equal = 0; // steps from one trial to the next, around the unit interval, that are the one before
  for (let seed = 0; seed < seeds; seed++) {
    const study = { ...memoryStudy({ x: float(0, 1) }), seed };
    const x = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => randomSampler().ask(study, n).params.x as number);
    for (let i = 2; i < x.length; i++) if (around(x[i]! - 2 * x[i - 1]! + x[i - 2]! + 0.05) < 0.1) equal++;
  }
  // A tenth by chance, within five standard deviations of independent counts.
  const count = 7 * seeds;
  expect(Math.abs(equal - 0.1 * count)).toBeLessThan(5 * Math.sqrt(count * 0.1 * 0.9));
});
