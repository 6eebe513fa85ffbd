import { describe, expect, test } from '@jest/globals';
import { moments, softCap } from '../../../src/tune/samplers/softCap.js';

const capped = (values: number[]) => values.map(softCap(values));

describe('the soft cap', () => {
  test('puts the median at 0 and the best value at -1', () => {
    expect(capped([4, 1, 3, 2, 3])).toEqual([0.5, -1, 0, -0.5, 0]);
  });

  test('keeps the order of all values and bounds the extreme ones', () => {
    const values = [1, 1.1, 1.2, 1.3, 1.5, 2, 5, 40, 1e3, 1e6, 1e9];
    const found = capped(values);
    for (let i = 1; i < found.length; i++) expect(found[i]!).toBeGreaterThan(found[i - 1]!);
    expect(found.at(-1)!).toBeLessThan(9);
  });

  test('is linear for values up to 8 times (median - best) above the median', () => {
    const found = capped([0, 1, 1, 2, 9]);
    expect(found).toEqual([-1, 0, 0, 1, 8]);
  });

  test('early values keep the unit that they had as later ones converge', () => {
    const early = [10, 2, 4, 3, 6];
    const later = [1.5, 1, 1.25, 1.125, 1.0625, 1.03125];
    const values = [...early, ...later];
    const cap = softCap(values, early);
    expect(early.map((v) => cap(v) - cap(1))).toEqual(early.map((v) => (v - 1) / (4 - 1)));
    // Without them the largest would be above the cap.
    expect(softCap(values)(10)).toBeGreaterThan(8);
    expect(softCap(values, [1, 1, 1])(10)).toBe(softCap(values)(10));
  });

  test('infinite values become the ends', () => {
    const found = capped([3, Infinity, 1, -Infinity, 2]);
    expect(found).toEqual([1, 9, -1, -2, 0]);
    expect(capped([Infinity, Infinity])).toEqual([9, 9]);
    expect(capped([Infinity, -Infinity, 5])).toEqual([9, -2, 0]);
  });

  test('equal values are 0; where half are equally good, the others still differ', () => {
    expect(capped([7, 7, 7])).toEqual([0, 0, 0]);
    const [best, , , , better, worse] = capped([1, 1, 1, 1, 2, 3]);
    expect(best!).toBeLessThan(better!);
    expect(better!).toBeLessThan(worse!);
  });

  test('the largest and smallest numbers neither overflow nor become NaN', () => {
    const values = [Number.MAX_VALUE, -Number.MAX_VALUE, 1e300, 0, -1, 5e-324];
    for (const v of capped(values)) expect(Math.abs(v)).toBeLessThanOrEqual(9);
  });
});

test('moments are the mean and the population standard deviation', () => {
  expect(moments([1, 3, 5, 7])).toEqual({ mean: 4, deviation: Math.sqrt(5) });
});
