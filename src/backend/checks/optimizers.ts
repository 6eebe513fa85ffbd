// The cases of the optimizers' fused kernels, compared with their updates in double precision.

import * as tf from '@tensorflow/tfjs-core';
import type { KernelInputs } from '../contract.js';
import { runFused } from '../fused.js';
import type { SelfCheck } from '../types.js';
import { adamwFactors, type MuonAttributes, POLAR_EXPRESS_COEFFICIENTS } from '../updates.js';
import { dot, TOLERANCE, tensorOf, type Vec, values } from './case.js';

/** Muon's polynomials amplify roundings up to eightfold an iteration. */
const MUON_TOLERANCE = { fp32: 1e-3, bf16: 0.25 };

/** Variables with these values, out of the scope's care while they are stepped. */
function withVariables<T>(inputs: Vec[], shapes: number[][], use: (variables: tf.Variable[]) => T): T {
  const variables = inputs.map((input, i) => {
    const initial = tensorOf(input, shapes[i]!);
    const variable = tf.variable(initial, false);
    initial.dispose();
    return variable;
  });
  try {
    return use(variables);
  } finally {
    for (const variable of variables) variable.dispose();
  }
}

export function adamw(): SelfCheck {
  const sizes = [5000, 3];
  const settings = { lr: 0.1, beta1: 0.8, beta2: 0.95, eps: 1e-10, weightDecay: 0.2, step: 3 };
  return {
    name: 'AdamW',
    tolerance: TOLERANCE,
    run() {
      const { beta1, beta2, eps } = settings;
      const { keep, rate, correction } = adamwFactors(settings);
      const expected: number[] = [];
      const got = sizes.flatMap((size, i) => {
        const drawn = (name: string) => values(`AdamW ${name} ${i}`, size);
        const [p, m, v, g] = [drawn('p'), drawn('m'), drawn('v'), drawn('g')];
        const second = v.map(Math.abs);
        p.forEach((value, j) => {
          const average = m[j]! + (1 - beta1) * (g[j]! - m[j]!);
          const square = second[j]! + (1 - beta2) * (g[j]! ** 2 - second[j]!);
          expected.push(keep * value - (rate * average) / (Math.sqrt(correction * square) + eps));
        });
        return withVariables([p, m, second], [[size], [size], [size]], ([param, expAvg, expAvgSq]) => {
          runFused(
            'AdamWStep',
            { param: param!, expAvg: expAvg!, expAvgSq: expAvgSq!, grad: tensorOf(g, [size]) },
            settings,
          );
          return tf.mul(param!, 2);
        });
      });
      return { got: tf.div(tf.concat(got as tf.Tensor1D[]), 2), expected };
    },
  };
}

const multiply = (a: Vec, b: Vec, m: number, k: number, n: number): Vec =>
  Float64Array.from({ length: m * n }, (_, i) => {
    let sum = 0;
    for (let t = 0; t < k; t++) sum += a[Math.floor(i / n) * k + t]! * b[t * n + (i % n)]!;
    return sum;
  });

/** One matrix [R,S], its state from zero: the update of src/optim/muon.ts in double precision. */
function muonReference(
  w: Vec,
  g: Vec,
  R: number,
  S: number,
  { lr, momentum, beta2, weightDecay, nsSteps }: MuonAttributes,
): Vec {
  const u = g.map((v) => v + momentum * ((1 - momentum) * v - v));
  const scale = 1 / (1.02 * Math.sqrt(dot(u, u)) + 1e-6);
  let x = u.map((v) => v * scale);
  const transposed = (a: Vec) =>
    Float64Array.from({ length: R * S }, (_, i) => a[(i % R) * S + Math.floor(i / R)]!);
  for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, nsSteps)) {
    const wide = R <= S;
    const side = Math.min(R, S);
    const gram = wide ? multiply(x, transposed(x), R, S, R) : multiply(transposed(x), x, S, R, S);
    const square = multiply(gram, gram, side, side, side);
    const polynomial = gram.map((v, i) => b * v + c * square[i]!);
    const product = wide ? multiply(polynomial, x, R, R, S) : multiply(x, polynomial, R, S, S);
    x = x.map((v, i) => a * v + product[i]!);
  }
  const [count, size] = [Math.max(R, S), Math.min(R, S)];
  const lineOf = (i: number) => (R >= S ? Math.floor(i / S) : i % S);
  const means = new Float64Array(count);
  x.forEach((v, i) => {
    means[lineOf(i)]! += v ** 2 / size;
  });
  const scales = means.map((mean) => 1 / Math.sqrt(Math.max((1 - beta2) * mean, 1e-10)));
  const total = means.reduce((sum, v) => sum + v * size, 0);
  const scaled = means.reduce((sum, v, i) => sum + v * size * scales[i]! ** 2, 0);
  const ratio = Math.sqrt(total) / Math.max(Math.sqrt(scaled), 1e-10);
  return w.map((v, i) => {
    const step = x[i]! * scales[lineOf(i)]! * ratio;
    return v - lr * (step + (step * v >= 0 ? weightDecay * v : 0));
  });
}

export function muon(R: number, S: number): SelfCheck {
  const K = 3;
  const settings = { lr: 1, momentum: 0.9, beta2: 0.95, weightDecay: 0.1, nsSteps: 5 };
  return {
    name: `Muon, matrices of ${R} x ${S}`,
    tolerance: MUON_TOLERANCE,
    run() {
      // Diagonally dominant, so that no singular value is small and roundings are not blown up.
      const matrices = Array.from({ length: K }, (_, i) =>
        values(`Muon ${i}`, R * S, 0.1).map((v, j) => v + (Math.floor(j / S) === j % S ? 1 : 0)),
      );
      const weights = matrices.map((_, i) => values(`Muon weights ${i}`, R * S));
      const expected = matrices.flatMap((g, i) => [...muonReference(weights[i]!, g, R, S, settings)]);
      const shapes = [...weights.map(() => [R, S]), [K, R, S], R >= S ? [K, R, 1] : [K, 1, S]];
      const state = [new Float64Array(K * R * S), new Float64Array(K * Math.max(R, S))];
      const got = withVariables([...weights, ...state], shapes, (variables) => {
        const inputs: KernelInputs<'MuonStep', tf.Tensor> = {
          momentum: variables[K]!,
          secondMoment: variables[K + 1]!,
        };
        for (let i = 0; i < K; i++) {
          inputs[`param${i}`] = variables[i]!;
          inputs[`grad${i}`] = tensorOf(matrices[i]!, [R, S]);
        }
        runFused('MuonStep', inputs, { ...settings, count: K });
        return tf.stack(variables.slice(0, K));
      });
      return { got: tf.reshape(got, [-1]), expected };
    },
  };
}
