import { describe, expect, test } from '@jest/globals';
import {
  erfc,
  erfcx,
  normalCdf,
  normalLogCdf,
  normalMillsLower,
  normalPdf,
  normalQuantile,
} from '../../../src/tune/math/normal.js';

const relative = (value: number, expected: number) => Math.abs(value - expected) / Math.abs(expected);

// Reference values from mpmath with 30 digits.
describe('error functions', () => {
  test.each([
    [0.3, 0.6713732405408726, 0.7345993345676551],
    [1, 0.15729920705028513, 0.427583576155807],
    [3.5, 7.430983723414128e-7, 0.1552936556088943],
    [6, 2.1519736712498913e-17, 0.09277656780053835],
    [-2, 1.9953222650189528, 108.94090438997797],
  ])('agree with reference values at %p', (x, ...expected) => {
    expect(relative(erfc(x), expected[0]!)).toBeLessThan(1e-13);
    expect(relative(erfcx(x), expected[1]!)).toBeLessThan(1e-13);
  });

  test('erfc and erfcx describe the same tail', () => {
    for (let x = -5; x < 25; x += 0.137) {
      expect(relative(erfc(x), Math.exp(-x * x) * erfcx(x))).toBeLessThan(1e-12);
    }
  });

  test('NaN stays NaN and the far ends are finite', () => {
    expect(erfc(NaN)).toBeNaN();
    expect(erfc(40)).toBe(0);
    expect(erfc(-40)).toBe(2);
    expect(erfcx(1e10)).toBeCloseTo(5.641895835477563e-11, 20);
  });
});

describe('normal distribution', () => {
  test('ln cdf is accurate far into the tail', () => {
    expect(relative(normalLogCdf(-10), -53.23128515051247)).toBeLessThan(1e-14);
    expect(relative(normalLogCdf(-30), -454.3212439563432)).toBeLessThan(1e-14);
    expect(relative(normalLogCdf(-1000), -500007.82669481216)).toBeLessThan(1e-12);
    expect(normalLogCdf(40)).toBeCloseTo(0, 15);
  });

  test('the quantile inverts the cdf', () => {
    for (const p of [1e-300, 1e-20, 1e-5, 0.02425, 0.3, 0.5, 0.9, 1 - 1e-9])
      expect(relative(normalCdf(normalQuantile(p)), p)).toBeLessThan(1e-12);
    expect(normalQuantile(0)).toBe(-Infinity);
    expect(normalQuantile(1)).toBe(Infinity);
    expect(normalQuantile(-1)).toBeNaN();
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 12);
  });

  test("Mills' ratio is cdf over density", () => {
    for (const x of [-5, -1, 0, 2])
      expect(relative(normalMillsLower(x), normalCdf(x) / normalPdf(x))).toBeLessThan(1e-12);
  });
});
