// A differentiable operation from a forward computation and a hand-written backward one.
// tfjs-core alone registers no gradients, so nothing here relies on the gradient of a stock op.

import * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../backend/capabilities.js';

/** Result of a forward computation. */
export interface Forward<T extends tf.Tensor> {
  value: T;
  /** Tensors that the backward computation needs; held until the tape is done with them. */
  saved: tf.Tensor[];
  /**
   * Gradients of the inputs, in their order. `dy` must not be returned itself: clone it. `takeSum(i)` is what other
   * operations gave to the gradient of input i so far, if the backend can add it: who takes it must add it.
   */
  backward: (dy: T, saved: tf.Tensor[], takeSum: (input: number) => tf.Tensor | undefined) => tf.Tensor[];
}

/** Gradients so far by tensor id, while a backward computation runs; those that it takes are removed. */
let offered = new Map<number, tf.Tensor>();

/** Runs a backward computation that may take `sums`, gradients so far by tensor id; returns those that it left, too. */
export function offerSums<T>(
  sums: Map<number, tf.Tensor>,
  backward: () => T,
): { result: T; left: typeof sums } {
  const [outer, left] = [offered, new Map(sums)];
  if (capabilities().addsSums) offered = left;
  try {
    return { result: backward(), left };
  } finally {
    offered = outer;
  }
}

// A custom gradient's tape node takes the name of the enclosing scope, and a gradient registered under that
// name would replace ours: hence a scope with a name that no kernel has.
const SCOPE = 'tinygpt operation';

/**
 * Runs `forward` on `inputs`, recorded on the tape when one is on. All tensors but the value and the saved ones
 * are freed, in both directions. Inputs without a gradient are captured by `forward`, and saved if backward needs them.
 */
export function differentiable<T extends tf.Tensor>(inputs: tf.Tensor[], forward: () => Forward<T>): T {
  if (!tf.engine().isTapeOn()) return tf.tidy(() => forward().value);
  return tf.tidy(SCOPE, () =>
    tf.customGrad<T>((...args) => {
      const { value, saved, backward } = forward();
      // Saving comes last: if forward throws, nothing is kept.
      (args[args.length - 1] as tf.GradSaveFunc)(saved);
      const takeSum = (input: number) => {
        const { id } = inputs[input]!;
        const sum = offered.get(id);
        offered.delete(id);
        return sum;
      };
      return { value, gradFunc: (dy, kept) => tf.tidy(() => backward(dy, kept, takeSum)) };
    })(...inputs),
  );
}

/** The members that are there. */
export const optional = <T extends Record<string, tf.Tensor | undefined>>(
  members: T,
): { [K in keyof T]?: tf.Tensor } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value)) as { [K in keyof T]?: tf.Tensor };
