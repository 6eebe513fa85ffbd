import { describe, expect, test } from '@jest/globals';
import { SOBOL_DIMENSIONS, sobol } from '../../../src/tune/math/sobol.js';

describe('scrambled Sobol points', () => {
  test('put exactly one of 2^k points into each of 2^k cells of every dimension', () => {
    const [d, n] = [SOBOL_DIMENSIONS, 64];
    const points = sobol(d, n, 1, 'test');
    for (let j = 0; j < d; j++) {
      const cells = new Set(Array.from({ length: n }, (_, i) => Math.floor(points[i * d + j]! * n)));
      expect(cells.size).toBe(n);
    }
  });

  test('fill the 8 x 8 squares of the first two dimensions evenly', () => {
    const points = sobol(2, 64, 7, 'test');
    const squares = new Set(
      Array.from(
        { length: 64 },
        (_, i) => Math.floor(points[2 * i]! * 8) * 8 + Math.floor(points[2 * i + 1]! * 8),
      ),
    );
    expect(squares.size).toBe(64);
  });

  test('integrate a smooth function far better than random points', () => {
    const d = 6;
    const points = sobol(d, 1024, 3, 'test');
    let sum = 0;
    for (let i = 0; i < 1024; i++) {
      let product = 1;
      for (let j = 0; j < d; j++) product *= 1 + 0.5 * (points[i * d + j]! - 0.5);
      sum += product;
    }
    // Random points would be off by about 0.01.
    expect(Math.abs(sum / 1024 - 1)).toBeLessThan(1e-3);
  });

  test('are the same for a seed, differ between seeds, and can be taken from the middle', () => {
    const all = sobol(70, 16, 5, 'test');
    expect(sobol(70, 16, 5, 'test')).toEqual(all);
    expect(sobol(70, 4, 5, 'test', 8)).toEqual(all.slice(8 * 70, 12 * 70));
    expect(sobol(70, 16, 6, 'test')).not.toEqual(all);
    expect(all.every((u) => u >= 0 && u < 1)).toBe(true);
  });
});
