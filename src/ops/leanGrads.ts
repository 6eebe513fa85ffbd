// Gradients whose peak memory is the activations plus one layer's gradients. tf.variableGrads frees nothing during the
// backward pass; here each output gradient and each saved tensor goes as soon as its tape node is done.

import * as tf from '@tensorflow/tfjs-core';
import { expect, UsageError } from '../base/errors.js';

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

/** What `leanGrads` returns; the caller disposes value and grads (or calls within a tidy). */
export type LeanGrads = {
  value: tf.Scalar;
  /** Gradient by variable name; a variable with no path to the value has no entry. */
  grads: Record<string, tf.Tensor>;
  /** Largest number of bytes of all tensors seen, as the engine counts them. */
  peakBytes: number;
};

/** Options of `leanGrads`. */
export interface LeanGradsOptions {
  /**
   * Called as soon as a variable's gradient is complete; the gradient is disposed on return unless the callback
   * passed it to tf.keep. Then `grads` holds only the kept ones.
   */
  onGrad?: (variable: tf.Variable, grad: tf.Tensor) => void;
}

/**
 * The scalar f() and its gradients with respect to `variables`. Peak memory: activations and one layer's gradients.
 * No tensor is left behind when f, a gradient or onGrad throws.
 * @throws UsageError when called inside another gradient, or when f does not return a float32 scalar
 */
export function leanGrads(
  f: () => tf.Scalar,
  variables: tf.Variable[],
  options: LeanGradsOptions = {},
): LeanGrads {
  const { state } = tf.engine();
  if (state.gradientDepth > 0)
    throw new UsageError('Expected leanGrads outside of any other gradient; call it at the top');
  let tape: TapeNode[] = [];
  try {
    return tf.tidy(() => {
      const value = record(f, (nodes) => {
        tape = nodes;
      });
      expect(
        value instanceof tf.Tensor && value.rank === 0 && value.dtype === 'float32',
        () =>
          `Expected f to return a float32 scalar, got ${value instanceof tf.Tensor ? `${value.dtype} [${value.shape}]` : typeof value}`,
      );
      return backpropagate(value, tape, variables, options);
    });
  } finally {
    tape.forEach(release);
  }
}

function record(f: () => tf.Scalar, take: (tape: TapeNode[]) => void): tf.Scalar {
  const { state } = tf.engine();
  const tape: TapeNode[] = (state.activeTape = []);
  take(tape);
  state.gradientDepth++;
  try {
    return tf.tidy('forward', f);
  } finally {
    state.gradientDepth--;
    state.activeTape = null as unknown as TapeNode[];
  }
}

function release(node: TapeNode): void {
  node.saved?.forEach((tensor) => {
    tensor.dispose();
  });
  node.saved = [];
}

/** The nodes on a path from a variable to the value, in order, and all tensors that depend on a variable. */
function onPath(
  tape: TapeNode[],
  variables: tf.Variable[],
  value: tf.Tensor,
): { path: TapeNode[]; dependent: Set<number> } {
  const dependent = new Set<number>(variables.map((variable) => variable.id));
  const forward = tape.filter((node) => {
    const depends = Object.values(node.inputs).some((input) => dependent.has(input.id));
    if (depends) for (const output of node.outputs) dependent.add(output.id);
    return depends;
  });
  const leading = new Set<number>([value.id]);
  const path = forward.reverse().filter((node) => {
    const leads = node.outputs.some((output) => leading.has(output.id));
    if (leads) for (const input of Object.values(node.inputs)) leading.add(input.id);
    return leads;
  });
  return { path: path.reverse(), dependent };
}

function backpropagate(
  value: tf.Scalar,
  tape: TapeNode[],
  variables: tf.Variable[],
  { onGrad }: LeanGradsOptions,
): LeanGrads {
  const { state } = tf.engine();
  let peakBytes = state.numBytes;
  const { path, dependent } = onPath(tape, variables, value);
  const used = new Set(path);
  for (const node of tape) if (!used.has(node)) release(node);
  const pending = new Map<number, number>(variables.map((variable) => [variable.id, 0]));
  for (const node of path) {
    for (const input of Object.values(node.inputs)) {
      if (pending.has(input.id)) pending.set(input.id, pending.get(input.id)! + 1);
    }
  }
  const byId = new Map(variables.map((variable) => [variable.id, variable]));
  const grads: Record<string, tf.Tensor> = {};
  const sums = new Map<number, tf.Tensor>([[value.id, tf.ones([]) as tf.Tensor]]);
  for (let node = path.pop(); node; node = path.pop()) {
    const { inputs, outputs } = node;
    const dys = outputs.map((output) => sums.get(output.id) ?? null);
    const names = Object.keys(inputs).filter((name) => dependent.has(inputs[name]!.id));
    const gradient = node.gradient;
    expect(
      gradient !== undefined,
      () =>
        `Expected a gradient for ${node!.kernelName}, found none registered; use an operation of tinygpt/ops`,
    );
    const ids: number[] = [];
    const fresh = tf.tidy(() => {
      const lazy = gradient(dys as tf.Tensor[]);
      const added = new Map<number, tf.Tensor>();
      for (const name of names) {
        const { id } = inputs[name]!;
        const dx = lazy[name]!();
        const sum = added.get(id) ?? sums.get(id);
        // A gradient handed on as it came would be freed with its first owner.
        const owned = dys.includes(dx) || [...added.values()].includes(dx);
        added.set(id, sum ? tf.add(sum, dx) : owned ? tf.clone(dx) : dx);
      }
      peakBytes = Math.max(peakBytes, state.numBytes);
      ids.push(...added.keys());
      return [...added.values()];
    });
    for (const [i, id] of ids.entries()) {
      sums.get(id)?.dispose();
      sums.set(id, fresh[i]!);
    }
    for (const output of outputs) {
      sums.get(output.id)?.dispose();
      sums.delete(output.id);
    }
    release(node);
    for (const name of names) {
      const { id } = inputs[name]!;
      const variable = byId.get(id);
      if (!variable) continue;
      pending.set(id, pending.get(id)! - 1);
      if (pending.get(id)! > 0) continue;
      const grad = sums.get(id)!;
      sums.delete(id);
      onGrad?.(variable, grad);
      if (onGrad && !grad.kept) grad.dispose();
      else grads[variable.name] = grad;
    }
  }
  sums.forEach((sum) => {
    sum.dispose();
  });
  return { value, grads, peakBytes };
}
