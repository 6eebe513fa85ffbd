import { expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { median, quantile } from '../../../src/tune/math/order.js';
import { fitYeoJohnson, yeoJohnson, yeoJohnsonLikelihood } from '../../../src/tune/math/yeoJohnson.js';

test.each([
  [1.5, 0, Math.log(2.5)],
  [1.5, 1, 1.5],
  [1.5, 2, 2.625],
  [1.5, -1, 0.6],
  [-1.5, 2, -Math.log(2.5)],
  [-1.5, 1, -1.5],
  [-1.5, 0, -2.625],
  [-1.5, 3, -0.6],
])('the transform of %p with power %p is %p', (y, power, expected) => {
  expect(yeoJohnson(y, power)).toBeCloseTo(expected, 12);
});

test('the transform increases and joins smoothly at zero for every power', () => {
  for (const power of [-2, 0, 0.5, 1, 2, 3]) {
    let before = -Infinity;
    for (let y = -4; y <= 4; y += 0.1) {
      const value = yeoJohnson(y, power);
      expect(value).toBeGreaterThan(before);
      before = value;
    }
    expect((yeoJohnson(1e-6, power) - yeoJohnson(-1e-6, power)) / 2e-6).toBeCloseTo(1, 4);
  }
});

test('the fitted power undoes a logarithmic skew and leaves normal values alone', () => {
  const random = randomStream(1, 'yeo-johnson');
  const normal = Array.from({ length: 2000 }, () => random.normal());
  expect(fitYeoJohnson(normal, -2, 4)).toBeCloseTo(1, 1);
  const skewed = normal.map((z) => Math.exp(z) - 1);
  const power = fitYeoJohnson(skewed, -2, 4);
  expect(power).toBeLessThan(0.2);
  for (const other of [power - 0.1, power + 0.1])
    expect(yeoJohnsonLikelihood(skewed, power)).toBeGreaterThan(yeoJohnsonLikelihood(skewed, other));
});

test('values that are all alike, a single one and none keep the fit finite', () => {
  for (const values of [[], [3], [3, 3, 3, 3]])
    expect(Number.isFinite(fitYeoJohnson(values, -1, 2))).toBe(true);
});

test('quantiles interpolate between order statistics', () => {
  expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
  expect(median([Infinity, 1, 2])).toBe(2);
  expect(median([Infinity, Infinity])).toBe(Infinity);
  expect(median([5, 1, 3])).toBe(3);
  expect(median([])).toBeNaN();
});
