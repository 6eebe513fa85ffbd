import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import {
  cardinality,
  categorical,
  checkDistribution,
  contains,
  describeDistribution,
  float,
  fromInternal,
  fromUnit,
  int,
  isNumeric,
  nearest,
  sampleUniform,
  toInternal,
  toUnit,
} from '../../src/tune/distributions.js';
import type { Distribution } from '../../src/tune/types.js';

/** A random valid distribution of any kind. */
function anyDistribution(random: ReturnType<typeof randomStream>): Distribution {
  const kind = random.int(3);
  const log = random.uniform() < 0.5;
  if (kind === 0) {
    const low = log ? 10 ** (-6 + 5 * random.uniform()) : random.normal();
    const high = low * (log ? 1 : 0) + low + 10 ** (-3 + 5 * random.uniform());
    const step =
      !log && random.uniform() < 0.5 ? Number(((high - low) / (1 + random.int(50))).toPrecision(3)) : null;
    return float(low, Math.max(low, high), { log, step });
  }
  if (kind === 1) {
    const low = log ? 1 + random.int(20) : random.int(40) - 20;
    return int(low, low + random.int(100), { log, step: log ? 1 : 1 + random.int(7) });
  }
  return categorical(['a', 2, 3.5, null, 'b', true].slice(0, 1 + random.int(6)));
}

describe('distributions', () => {
  test('high is lowered to the grid exactly as in decimal arithmetic', () => {
    expect(float(0, 1, { step: 0.3 }).high).toBe(0.9);
    expect(float(0, 1, { step: 0.1 }).high).toBe(1);
    expect(float(0.1, 1.05, { step: 0.1 }).high).toBe(1);
    expect(float(-0.05, 1e-1, { step: 2e-2 }).high).toBe(0.09);
    expect(float(0, 0.9999999999, { step: 0.1 }).high).toBe(0.9);
    expect(int(1, 10, { step: 4 }).high).toBe(9);
    expect(int(4, 3 + 1).high).toBe(4);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['empty range', () => float(1, 0), /low <= high, got the empty range \[1, 0\]/],
    ['NaN', () => float(Number.NaN, 1), /low to be a number, got NaN/],
    ['infinite', () => float(0, Infinity), /high to be a number, got Infinity/],
    ['log from zero', () => float(0, 1, { log: true }), /low > 0 on a log scale, got 0/],
    ['integer log from zero', () => int(0, 8, { log: true }), /low >= 1 on a log scale, got 0/],
    ['log with step', () => float(1, 2, { log: true, step: 1 }), /either log or step/],
    ['integer log with step', () => int(1, 8, { log: true, step: 2 }), /step 1 on a log scale, got 2/],
    ['zero step', () => float(0, 1, { step: 0 }), /step > 0, got 0/],
    ['negative integer step', () => int(0, 4, { step: -1 }), /step > 0, got -1/],
    ['fractional integer', () => int(0.5, 4), /low to be an integer, got 0.5/],
    ['no choices', () => categorical([]), /at least one choice/],
    ['duplicate choices', () => categorical(['a', 'b', 'a']), /distinct choices, got "a" and "a"/],
    ['choices equal in Python', () => categorical([1, true]), /distinct choices, got 1 and true/],
    ['NaN choice', () => categorical([Number.NaN]), /finite numbers, booleans or null, got NaN/],
    ['unknown kind', () => checkDistribution('lr', { kind: 'normal' }), /^Parameter lr: expected kind to be/],
    ['unknown key', () => checkDistribution('lr', { kind: 'int', min: 3 }), /^Parameter lr: .* got "min"$/],
    [
      'missing bound',
      () => checkDistribution('lr', { kind: 'int', low: 3 }),
      /^Parameter lr: .*high to be a number/,
    ],
    ['not an object', () => checkDistribution('lr', 3), /^Parameter lr: expected a distribution/],
  ])('%s is refused in one line', (_, make, message) => {
    let thrown: unknown;
    try {
      make();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(UsageError);
    expect((thrown as Error).message).toMatch(message);
    expect((thrown as Error).message).not.toContain('\n');
  });

  test('the unit interval widens by half a step, before the log', () => {
    expect(toUnit(int(1, 4), 1)).toBeCloseTo(0.125, 15);
    expect(toUnit(int(1, 4, { log: true }), 2)).toBeCloseTo(Math.log(2 / 0.5) / Math.log(4.5 / 0.5), 15);
    expect(toUnit(int(2, 10, { step: 4 }), 6)).toBeCloseTo(0.5, 15);
    expect(toUnit(float(0, 1, { step: 0.25 }), 0)).toBeCloseTo(0.1, 15);
    expect(toUnit(float(1e-4, 1, { log: true }), 1e-3)).toBeCloseTo(0.25, 15);
    expect(toUnit(float(0, 2), 0.5)).toBe(0.25);
    expect(toUnit(categorical(['a', 'b']), 'b')).toBe(0.75);
    expect(toUnit(float(3, 3), 3)).toBe(0.5);
  });

  test('grid values have no rounding errors: 0.3, not 0.30000000000000004', () => {
    const grid = float(0, 1, { step: 0.1 });
    expect(nearest(grid, 0.31)).toBe(0.3);
    expect(fromUnit(grid, 1)).toBe(1);
  });

  test('fromUnit gives values of the distribution, toUnit inverts it, and both are monotone', () => {
    const random = randomStream(1, 'distributions');
    for (let i = 0; i < 3000; i++) {
      const distribution = anyDistribution(random);
      const value = sampleUniform(distribution, random);
      expect(contains(distribution, value)).toBe(true);
      for (const u of [-1, 0, 1, 2, random.uniform()])
        expect(contains(distribution, fromUnit(distribution, u))).toBe(true);
      const back = fromUnit(distribution, toUnit(distribution, value));
      if (!isNumeric(distribution)) expect(back).toBe(value);
      else {
        const scale = Math.max(Math.abs(distribution.low), Math.abs(distribution.high));
        expect(Math.abs((back as number) - (value as number))).toBeLessThanOrEqual(1e-12 * scale);
        expect(toUnit(distribution, distribution.low)).toBeLessThanOrEqual(
          toUnit(distribution, distribution.high),
        );
      }
      expect(fromInternal(distribution, toInternal(distribution, value))).toBe(value);
      expect(checkDistribution('p', JSON.parse(JSON.stringify(distribution)))).toEqual(distribution);
    }
  });

  test('every value of a grid is drawn equally often', () => {
    const random = randomStream(2, 'distributions');
    const counts = new Map<unknown, number>();
    for (let i = 0; i < 8000; i++) {
      const value = sampleUniform(int(3, 10), random);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect(counts.size).toBe(8);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150); // 5 sigma
  });

  test('the values of a grid far from zero or with many steps are contained in it', () => {
    for (const grid of [
      float(1000, 1001, { step: 1e-6 }),
      float(1e6, 1e6 + 1, { step: 0.02 }),
      float(0.1, 8207.69995, { step: 9e-5 }),
      float(-1633260.2501, -1557861.9719, { step: 8e-9 }),
    ])
      for (let i = 0; i <= 1000; i++) expect(contains(grid, fromUnit(grid, i / 1000))).toBe(true);
    expect(contains(float(1000, 1001, { step: 1e-6 }), 1000.1234565)).toBe(false);
  });

  test('contains checks type, bounds and grid', () => {
    expect(contains(int(1, 9, { step: 2 }), 4)).toBe(false);
    expect(contains(int(1, 9), 4.5)).toBe(false);
    expect(contains(int(1, 9), '4')).toBe(false);
    expect(contains(float(0, 1), Number.NaN)).toBe(false);
    expect(contains(float(0, 1, { step: 0.1 }), 0.1 + 0.2)).toBe(true);
    expect(contains(float(0, 1, { step: 0.1 }), 0.35)).toBe(false);
    expect(contains(categorical([true, 'x']), 1)).toBe(false);
    expect(() => toInternal(categorical(['a']), 'b')).toThrow('Expected one of "a", got "b"');
  });

  test('cardinality and description', () => {
    expect(cardinality(float(0, 1))).toBe(Infinity);
    expect(cardinality(float(0, 1, { step: 0.1 }))).toBe(11);
    expect(cardinality(int(1, 9, { step: 2 }))).toBe(5);
    expect(cardinality(categorical(['a', 'b']))).toBe(2);
    expect(cardinality(float(2, 2))).toBe(1);
    expect(describeDistribution(float(0.001, 1, { log: true }))).toBe('float 0.001 .. 1 log');
    expect(describeDistribution(int(1, 9, { step: 2 }))).toBe('int 1 .. 9 step 2');
    expect(describeDistribution(categorical(['a', 1]))).toBe('one of "a", 1');
  });
});
