// A differentiable operation from a forward computation and a hand-written backward one.
// tfjs-core alone registers no gradients, so nothing here relies on the gradient of a stock op.

import * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../backend/capabilities.js';

/** Result of a forward computation: one tensor, or several. */
export interface Forward<T extends tf.Tensor | tf.Tensor[], S extends tf.Tensor[] = tf.Tensor[]> {
  value: T;
  /** Tensors that the backward computation needs; held until the tape is done with them. */
  saved: [...S];
  /**
   * Gradients of the inputs, in their order. `dy` must not be returned itself: clone it. `takeSum(i)` is what other
   * operations gave to the gradient of input i so far, if the backend can add it: who takes it must add it.
   */
  backward: (dy: T, saved: S, takeSum: (input: number) => tf.Tensor | undefined) => tf.Tensor[];
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

/** What tf.customGrad calls, which takes one value only. */
interface TapedEngine {
  runKernelFunc<T extends tf.Tensor | tf.Tensor[]>(params: {
    inputs: tf.NamedTensorMap;
    forwardFunc: (backend: unknown, save: tf.GradSaveFunc) => T;
    backwardsFunc: (dy: T, saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
  }): T;
}

// A custom gradient's tape node takes the name of the enclosing scope, and a gradient registered under that
// name would replace ours: hence a scope with a name that no kernel has.
const SCOPE = 'tinygpt operation';

/**
 * Runs `forward` on `inputs`, recorded on the tape when one is on. All tensors but the values and the saved ones
 * are freed, in both directions. Inputs without a gradient are captured by `forward`, and saved if backward needs them.
 */
export function differentiable<T extends tf.Tensor | tf.Tensor[], S extends tf.Tensor[]>(
  inputs: tf.Tensor[],
  forward: () => Forward<T, S>,
): T {
  if (!tf.engine().isTapeOn()) return tf.tidy(() => forward().value);
  const takeSum = (input: number) => {
    const { id } = inputs[input]!;
    const sum = offered.get(id);
    offered.delete(id);
    return sum;
  };
  return tf.tidy(SCOPE, () => {
    let backward: Forward<T, S>['backward'];
    return (tf.engine() as unknown as TapedEngine).runKernelFunc<T>({
      inputs: Object.fromEntries(inputs.entries()),
      forwardFunc: (_, save) => {
        const made = forward();
        // Saving comes last: if forward throws, nothing is kept.
        save(made.saved);
        backward = made.backward;
        return made.value;
      },
      backwardsFunc: (dy, saved) => {
        const grads = tf.tidy(() => backward(dy, saved as S, takeSum));
        return Object.fromEntries(grads.map((grad, i) => [i, () => grad]));
      },
    });
  });
}

/** The members that are there. */
export const optional = <T extends Record<string, tf.Tensor | undefined>>(
  members: T,
): { [K in keyof T]?: tf.Tensor } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value)) as { [K in keyof T]?: tf.Tensor };
