// What the cases of the fused kernels' self-test share: numbers, and how a differentiable kernel is compared: its value with
// a reference in double precision, its gradient along random directions with differences of the same reference.

import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../base/random.js';
import { sizeOf } from '../flat/store.js';
import type { SelfCheck } from '../types.js';

export type Vec = Float64Array;

/** Rounding through some hundred additions; in bf16 of every operand of a product. */
export const TOLERANCE = { fp32: 5e-5, bf16: 4e-2 };
const DIRECTIONS = 3;
const STEP = 1e-5;

/** A differentiable kernel and its reference. */
export interface Case {
  name: string;
  /** Shapes of the inputs that are differentiated. */
  shapes: number[][];
  /** The value, from the inputs as flat arrays. */
  reference(inputs: Vec[]): Vec;
  /** The value and, from its gradient, those of the inputs. */
  run(inputs: tf.Tensor[]): { value: tf.Tensor; backward(dy: tf.Tensor): tf.Tensor[] };
}

export function values(purpose: string, size: number, scale = 1): Vec {
  const random = randomStream(0, `self-test.cuda.${purpose}`);
  return Float64Array.from({ length: size }, () => Math.fround(scale * (2 * random.uniform() - 1)));
}

export const tensorOf = (x: Vec, shape: number[]): tf.Tensor =>
  tf.tensor(Float32Array.from(x), shape, 'float32');
export const dot = (a: Vec, b: Vec): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
/** Value and gradients of a case in one list. */
export function differentiable({ name, shapes, reference, run }: Case): SelfCheck {
  return {
    name,
    tolerance: TOLERANCE,
    run() {
      const inputs = shapes.map((shape, i) => values(`${name} ${i}`, sizeOf(shape)));
      const expected = reference(inputs);
      const tensors = inputs.map((input, i) => tensorOf(input, shapes[i]!));
      const { value, backward } = run(tensors);
      const dy = values(`${name} dy`, expected.length, expected.length > 1 ? 1 : 0).map((v) => v || 1);
      const grads = backward(tensorOf(dy, value.shape));
      const got = [tf.reshape(value, [-1])];
      const along: number[] = [];
      grads.forEach((grad, i) => {
        for (let d = 0; d < DIRECTIONS; d++) {
          const size = inputs[i]!.length;
          const direction = values(`${name} ${i} ${d}`, size, size ** -0.5);
          got.push(tf.reshape(tf.sum(tf.mul(grad, tensorOf(direction, shapes[i]!))), [1]));
          const at = (h: number) => {
            const moved = inputs.slice();
            moved[i] = inputs[i]!.map((v, j) => v + h * direction[j]!);
            return dot(reference(moved), dy);
          };
          along.push((at(STEP) - at(-STEP)) / (2 * STEP));
        }
      });
      return { got: tf.concat(got as tf.Tensor1D[]), expected: [...expected, ...along] };
    },
  };
}
