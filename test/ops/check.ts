// Compares an operation with its float64 reference: values directly, gradients by central differences of the reference.

import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../src/base/random.js';
import type { Vec } from './reference.js';

/**
 * Largest error allowed, relative to the largest magnitude of the tensor in question (or 1 if that is less): float32
 * rounding through some hundred additions; the differences themselves are good to about 1e-9.
 */
export const TOLERANCE = 2e-5;

/** An array with its shape. */
export type Input = { values: Vec; shape: number[] };

/** An operation, its reference on the same arrays, and the inputs to differentiate. */
export interface Case {
  op: (inputs: tf.Tensor[]) => tf.Tensor;
  reference: (inputs: Vec[]) => Vec;
  inputs: Input[];
}

/** Normal deviates, rounded to float32 so that both sides start from the same numbers. */
export function random(purpose: string, shape: number[], scale = 1): Input {
  const stream = randomStream(1, purpose);
  const size = shape.reduce((a, b) => a * b, 1);
  return { values: Float64Array.from({ length: size }, () => Math.fround(scale * stream.normal())), shape };
}

/** Integers in [0, limit). */
export function randomIds(purpose: string, length: number, limit: number): Int32Array {
  const stream = randomStream(1, purpose);
  return Int32Array.from({ length }, () => stream.int(limit));
}

export const tensorOf = ({ values, shape }: Input): tf.Tensor =>
  tf.tensor(Float32Array.from(values), shape, 'float32');

export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  tolerance = TOLERANCE,
) {
  expect(actual.length).toBe(expected.length);
  let scale = 1;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(actual[i]! - expected[i]!) <= tolerance * scale) continue;
    throw new Error(`${what}[${i}]: expected ${expected[i]} within ${tolerance * scale}, got ${actual[i]}`);
  }
}

/** Gradient of sum(dy * f(inputs)) with respect to each input, by central differences. */
export function differences(f: (inputs: Vec[]) => Vec, inputs: Vec[], dy: ArrayLike<number>): Vec[] {
  const step = 1e-5;
  return inputs.map((input, n) =>
    input.map((value, i) => {
      const at = (x: number) => {
        const moved = inputs.slice();
        moved[n] = input.slice();
        moved[n][i] = x;
        return f(moved).reduce((sum, y, j) => sum + y * dy[j]!, 0);
      };
      return (at(value + step) - at(value - step)) / (2 * step);
    }),
  );
}

/** tf.tidy for a test that waits for values, since not every backend can read them synchronously. */
export async function tidyAsync<T>(f: () => Promise<T>): Promise<T> {
  tf.engine().startScope();
  try {
    return await f();
  } finally {
    tf.engine().endScope();
  }
}

/** Compares value and gradients, and sees that the operation leaves no tensor behind, with a tape and without. */
export async function checkOperation(
  name: string,
  { op, reference, inputs }: Case,
  tolerance = TOLERANCE,
): Promise<void> {
  const arrays = inputs.map((input) => input.values);
  const expected = reference(arrays);
  const dy = random(`${name} dy`, [expected.length]).values;
  const expectedGrads = differences(reference, arrays, dy);

  const tensors = inputs.map(tensorOf);
  const before = tf.memory().numTensors;
  const value = op(tensors);
  const dyTensor = tf.tensor(Float32Array.from(dy), value.shape, 'float32');
  expect(tf.memory().numTensors).toBe(before + 2);
  const grads = tf.grads((...xs: tf.Tensor[]) => op(xs))(tensors, dyTensor);
  expect(tf.memory().numTensors).toBe(before + 2 + tensors.length);

  expectClose(await value.data(), expected, name, tolerance);
  for (const [i, grad] of grads.entries()) {
    expect(grad.shape).toEqual(inputs[i]!.shape);
    expectClose(await grad.data(), expectedGrads[i]!, `${name}, gradient of input ${i}`, tolerance);
  }
  tf.dispose([tensors, value, dyTensor, grads]);
}
