// Gradients whose peak memory is the activations plus one layer's gradients. tf.variableGrads frees nothing during the
// backward pass; here each output's gradient and each saved tensor is freed as soon as its tape node is done.

import * as tf from '@tensorflow/tfjs-core';
import { trackPeak } from '../backend/memory.js';
import { expect } from '../base/errors.js';
import { differentiable, offerSums } from './differentiable.js';

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

/** What `leanGrads` returns. Value and gradients belong to the caller, or to the tidy around the call. */
export type LeanGrads = {
  value: tf.Scalar;
  /** Gradient by the parameter's name; a parameter that the value does not depend on has no entry. */
  grads: Record<string, tf.Tensor>;
  /** The most bytes of tensors alive during the call, variables included; a shared buffer counts once. */
  peakBytes: number;
};

/** Options of `leanGrads`. */
export type LeanGradsOptions = {
  /**
   * Called as soon as a parameter's gradient is complete, last layer first. The gradient is disposed on return unless
   * the callback passed it to tf.keep; `grads` then holds the kept ones only. The parameter may be changed here, in
   * place too: the rest of the pass does not read it, and nothing saved for the pass shares its buffer any more.
   */
  onGrad?: (name: string, grad: tf.Tensor) => void;
};

/** Trainable variables by name, as `Gpt.params`. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/**
 * The scalar f() and its gradients with respect to `params`, those of tf.variableGrads with less memory.
 * When f, a gradient or onGrad throws, all tensors made here are freed.
 * @throws UsageError when called inside another gradient, when f does not return a float32 scalar, or when an
 *   operation on the way has no gradient
 */
export function leanGrads(f: () => tf.Scalar, params: Parameters, options: LeanGradsOptions = {}): LeanGrads {
  expect(
    tf.engine().state.gradientDepth === 0,
    () => 'Expected leanGrads outside of any other gradient, got a call inside one; call it at the top level',
  );
  const tape: TapeNode[] = [];
  const peak = trackPeak();
  try {
    const result = tf.tidy(() => {
      const value = record(f, tape);
      expect(
        value instanceof tf.Tensor && value.rank === 0 && value.dtype === 'float32',
        () =>
          'Expected f to return a float32 scalar, got ' +
          (value instanceof tf.Tensor ? `${value.dtype} [${value.shape}]` : typeof value),
      );
      const grads = backpropagate(value, tf.ones([]), tape, params, options);
      return { value, grads };
    });
    return { ...result, peakBytes: peak.bytes() };
  } finally {
    peak.stop();
    tape.forEach(release);
  }
}

/**
 * f(...inputs), of which nothing but the inputs is kept for the backward pass: that computes f once more and goes back through
 * it (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). The same value and gradients to the bit.
 * @param params variables that f reads, with a gradient each
 */
export function recomputed<T extends tf.Tensor, I extends tf.Tensor[]>(
  inputs: [...I],
  params: readonly tf.Variable[],
  f: (...inputs: I) => T,
): T {
  return differentiable([...inputs, ...params], () => ({
    // Within an operation no tape is on.
    value: tf.tidy(() => f(...inputs)),
    saved: inputs,
    backward: (dy, saved) => {
      const tape: TapeNode[] = [];
      const wanted = [...saved, ...params];
      try {
        const value = record(() => f(...saved), tape);
        const numbered = new Map(wanted.map((x, i) => [`${i}`, x]));
        const grads = backpropagate(value, tf.clone(dy), tape, numbered, {});
        return wanted.map((x, i) => grads[i] ?? tf.zerosLike(x));
      } finally {
        tape.forEach(release);
      }
    },
  }));
}

/** Runs f with `tape` as the engine's tape, so that the caller has it even when f throws. */
function record<T extends tf.Tensor>(f: () => T, tape: TapeNode[]): T {
  const { state } = tf.engine();
  state.activeTape = tape;
  state.gradientDepth++;
  try {
    return tf.tidy('forward', f);
  } finally {
    state.gradientDepth--;
    state.activeTape = null as unknown as TapeNode[];
  }
}

/** @param dy the gradient of `value`, which is disposed of */
function backpropagate(
  value: tf.Tensor,
  dy: tf.Tensor,
  tape: TapeNode[],
  params: ReadonlyMap<string, tf.Tensor>,
  { onGrad }: LeanGradsOptions,
): Record<string, tf.Tensor> {
  const { path, dependent } = pathBetween(params, value, tape);
  const needed = new Set(path);
  for (const node of tape) if (!needed.has(node)) release(node);

  // For each parameter, the number of nodes that still contribute to its gradient.
  const pending = new Map([...params].map(([name, variable]) => [variable.id, { name, shares: 0 }]));
  for (const node of path) {
    for (const id of dependentInputs(node, dependent).keys()) {
      const entry = pending.get(id);
      if (entry) entry.shares++;
    }
  }

  const grads: Record<string, tf.Tensor> = {};
  /** Gradients by tensor id, complete or partial. */
  const sums = new Map([[value.id, dy]]);
  const drop = (id: number) => {
    sums.get(id)?.dispose();
    sums.delete(id);
  };
  for (let node = path.pop(); node; node = path.pop()) {
    const inputs = dependentInputs(node, dependent);
    const next = inputGradients(node, inputs, sums);
    for (const { id } of node.outputs) drop(id);
    release(node);
    for (const [i, id] of [...inputs.keys()].entries()) {
      drop(id);
      sums.set(id, next[i]!);
      const entry = pending.get(id);
      if (!entry || --entry.shares > 0) continue;
      const grad = next[i]!;
      sums.delete(id);
      onGrad?.(entry.name, grad);
      if (onGrad && !grad.kept) grad.dispose();
      else grads[entry.name] = grad;
    }
  }
  return grads;
}

/** The nodes between the parameters and the value, in order, and the ids of all tensors that depend on a parameter. */
function pathBetween(
  params: ReadonlyMap<string, tf.Tensor>,
  value: tf.Tensor,
  tape: TapeNode[],
): { path: TapeNode[]; dependent: Set<number> } {
  const dependent = new Set([...params.values()].map((variable) => variable.id));
  const downstream = tape.filter((node) => {
    const depends = Object.values(node.inputs).some((input) => dependent.has(input.id));
    if (depends) for (const output of node.outputs) dependent.add(output.id);
    return depends;
  });
  const leading = new Set([value.id]);
  const path = downstream.reverse().filter((node) => {
    const leads = node.outputs.some((output) => leading.has(output.id));
    if (leads) for (const input of Object.values(node.inputs)) leading.add(input.id);
    return leads;
  });
  return { path: path.reverse(), dependent };
}

/** Names of a node's inputs by tensor id, those only that depend on a parameter; add(x, x) has two names for one id. */
function dependentInputs(node: TapeNode, dependent: Set<number>): Map<number, string[]> {
  const names = new Map<number, string[]>();
  for (const [name, { id }] of Object.entries(node.inputs)) {
    if (dependent.has(id)) names.set(id, [...(names.get(id) ?? []), name]);
  }
  return names;
}

/** The node's contribution added to the gradients of its inputs so far, in the order of `inputs`. */
function inputGradients(
  node: TapeNode,
  inputs: Map<number, string[]>,
  sums: Map<number, tf.Tensor>,
): tf.Tensor[] {
  const { gradient, kernelName } = node;
  expect(
    gradient !== undefined,
    () => `Expected a gradient for ${kernelName}, found none registered; use the operations of tinygpt/ops`,
  );
  const dys = node.outputs.map((output) => sums.get(output.id) ?? null);
  return tf.tidy(() => {
    const given = new Map([...inputs.keys()].flatMap((id) => (sums.has(id) ? [[id, sums.get(id)!]] : [])));
    const { result: shares, left } = offerSums(given, () => gradient(dys as tf.Tensor[]));
    const made: tf.Tensor[] = [];
    for (const [id, names] of inputs) {
      const terms = names.map((name) => shares[name]!());
      const sum = left.get(id);
      if (sum) terms.unshift(sum);
      const total = terms.reduce((a, b) => tf.add(a, b));
      // A gradient passed on as it came would be freed with its first owner.
      made.push(dys.includes(total) || made.includes(total) ? tf.clone(total) : total);
    }
    return made;
  });
}

/** Frees what a node saved for its gradient. */
function release(node: TapeNode): void {
  for (const tensor of node.saved ?? []) tensor.dispose();
  node.saved = [];
}
