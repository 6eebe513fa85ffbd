import { describe, expect, test } from '@jest/globals';
import { type Random, randomStream } from '../../../src/base/random.js';
import {
  cholesky,
  inverseFromFactor,
  invertFactor,
  multiply,
  multiplyLower,
  rowDots,
  solveLower,
  solveLowerTransposed,
  transpose,
  triangularNorms,
} from '../../../src/tune/math/linear.js';

function definite(random: Random, n: number): Float64Array {
  const b = Float64Array.from({ length: n * n }, () => random.normal());
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      a[i * n + j] = i === j ? 1 : 0;
      for (let k = 0; k < n; k++) a[i * n + j]! += b[i * n + k]! * b[j * n + k]!;
    }
  return a;
}

const largest = (values: Iterable<number>) => Math.max(0, ...[...values].map(Math.abs));

// Sizes around the blocks of four and two.
describe.each([1, 2, 3, 4, 5, 7, 8, 13, 30])('a definite matrix of size %p', (n) => {
  const random = randomStream(n, 'linear');
  const a = definite(random, n);
  const l = a.slice();
  const upper = new Float64Array(n * n);
  const inverse = new Float64Array(n * n);
  const positive = cholesky(l, n);
  invertFactor(l, n, upper);
  inverseFromFactor(upper, n, inverse);

  test('is the product of its factor', () => {
    expect(positive).toBe(true);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k <= j; k++) sum += l[i * n + k]! * l[j * n + k]!;
        expect(Math.abs(sum - a[i * n + j]!)).toBeLessThan(1e-11);
      }
  });

  test('times its inverse is the identity', () => {
    for (let j = 0; j < n; j++) {
      const y = new Float64Array(n);
      multiply(a, n, inverse.slice(j * n, (j + 1) * n), y);
      y[j]! -= 1;
      expect(largest(y)).toBeLessThan(1e-10);
    }
  });

  test('is solved by two triangular solves', () => {
    const x = Float64Array.from({ length: n }, () => random.normal());
    const b = new Float64Array(n);
    multiply(a, n, x, b);
    solveLower(l, n, b);
    solveLowerTransposed(l, n, b);
    expect(largest(b.map((v, i) => v - x[i]!))).toBeLessThan(1e-9);
  });

  test('gives the quadratic forms of its inverse by norms', () => {
    const count = 5;
    const k = Float64Array.from({ length: count * n }, () => random.normal());
    const t = new Float64Array(n * n);
    transpose(upper, n, t);
    const norms = new Float64Array(count);
    triangularNorms(t, n, k, count, norms);
    for (let c = 0; c < count; c++) {
      const row = k.slice(c * n, (c + 1) * n);
      const y = new Float64Array(n);
      multiply(inverse, n, row, y);
      const form = row.reduce((sum, v, i) => sum + v * y[i]!, 0);
      expect(Math.abs(norms[c]! - form)).toBeLessThan(1e-10 * Math.max(1, form));
    }
  });

  test('rows are dotted and the triangle multiplied as written out', () => {
    const samples = 6;
    const rows = Float64Array.from({ length: samples * n }, () => random.normal());
    const k = Float64Array.from({ length: 3 * n }, () => random.normal());
    const out = new Float64Array(3 * samples);
    rowDots(rows, samples, k, 3, n, out);
    for (let c = 0; c < 3; c++)
      for (let s = 0; s < samples; s++) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += rows[s * n + i]! * k[c * n + i]!;
        expect(out[c * samples + s]).toBeCloseTo(sum, 10);
      }
    const y = new Float64Array(n);
    multiplyLower(l, n, k.slice(0, n), y);
    solveLower(l, n, y);
    expect(largest(y.map((v, i) => v - k[i]!))).toBeLessThan(1e-9);
  });
});

test('a matrix that is not definite is reported', () => {
  expect(cholesky(Float64Array.from([1, 0, 2, 1]), 2)).toBe(false);
  expect(cholesky(Float64Array.from([NaN]), 1)).toBe(false);
});
