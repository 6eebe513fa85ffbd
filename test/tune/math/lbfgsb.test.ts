import { describe, expect, test } from '@jest/globals';
import { type Differentiable, minimize } from '../../../src/tune/math/lbfgsb.js';

const rosenbrock: Differentiable = (x, g) => {
  g.fill(0);
  let f = 0;
  for (let i = 0; i + 1 < x.length; i++) {
    const [a, b] = [x[i]!, x[i + 1]!];
    f += 100 * (b - a * a) ** 2 + (1 - a) ** 2;
    g[i]! += -400 * a * (b - a * a) - 2 * (1 - a);
    g[i + 1]! += 200 * (b - a * a);
  }
  return f;
};

describe('L-BFGS in a box', () => {
  test("finds Rosenbrock's minimum without bounds", () => {
    const { x, value } = minimize(rosenbrock, new Float64Array(6).fill(-1.2), {
      maxIterations: 500,
      maxEvaluations: 1000,
    });
    expect(value).toBeLessThan(1e-8);
    for (const v of x) expect(v).toBeCloseTo(1, 3);
  });

  test('stops at the bound that holds the minimum, and only there', () => {
    const { x } = minimize(rosenbrock, Float64Array.from([0, 0]), {
      lower: Float64Array.from([-2, -2]),
      upper: Float64Array.from([0.5, 2]),
      maxIterations: 300,
    });
    expect(x[0]).toBe(0.5);
    expect(x[1]).toBeCloseTo(0.25, 4);
  });

  test('never evaluates outside of the box, starts outside of it included', () => {
    const lower = Float64Array.from([0, -1]);
    const upper = Float64Array.from([1, 0.5]);
    minimize(
      (x, g) => {
        x.forEach((v, i) => {
          expect(v).toBeGreaterThanOrEqual(lower[i]!);
          expect(v).toBeLessThanOrEqual(upper[i]!);
        });
        return rosenbrock(x, g);
      },
      Float64Array.from([9, -9]),
      { lower, upper },
    );
  });

  test('backs out of regions where the function is not defined', () => {
    const { x } = minimize(
      (v, g) => {
        g[0] = 1 - 1 / v[0]!;
        return v[0]! - Math.log(v[0]!);
      },
      Float64Array.from([0.01]),
      { firstStep: 50 },
    );
    expect(x[0]).toBeCloseTo(1, 4);
  });

  test('respects its budget of evaluations', () => {
    let calls = 0;
    const result = minimize(
      (x, g) => {
        calls++;
        return rosenbrock(x, g);
      },
      new Float64Array(4),
      { maxEvaluations: 7 },
    );
    expect(calls).toBe(7);
    expect(result.evaluations).toBe(7);
  });
});
