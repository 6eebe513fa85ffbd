// Records what a function asks of TensorFlow's addon, in order, while it runs.

import type * as tf from '@tensorflow/tfjs-core';
import type { Attribute, Binding, Handle, NodeBackend, Values } from '../kernels/eager.js';

/** A tensor of known elements, or an operation on tensors before it. Tensors by the addon's numbers. */
export type Event =
  | { kind: 'constant'; id: number; shape: readonly number[]; dtype: number; values: Values }
  | { kind: 'operation'; name: string; attributes: Attribute[]; inputs: number[]; outputs: Handle[] };

/** What was done. */
export interface Trace {
  events: Event[];
  /** A result was read: what followed from it in TypeScript is not among the events. */
  read: boolean;
}

/**
 * Runs `run`, noting what it does.
 * @param feeds the addon's numbers of tensors that are not constants, though they were there before
 */
export function traceWork(
  backend: NodeBackend,
  feeds: readonly number[],
  run: () => tf.Tensor[],
): { outputs: tf.Tensor[]; trace: Trace } {
  const trace: Trace = { events: [], read: false };
  const known = new Set(feeds);
  const { binding, getInputTensorIds } = backend;
  const listening = Object.create(binding) as Binding;
  const replace = <K extends keyof Binding>(name: K, value: Binding[K]) =>
    Object.defineProperty(listening, name, { value });
  replace('createTensor', (shape, dtype, values) => {
    const id = binding.createTensor(shape, dtype, values);
    known.add(id);
    trace.events.push({ kind: 'constant', id, shape, dtype, values });
    return id;
  });
  replace('executeOp', (name, attributes, inputs, count) => {
    const outputs = binding.executeOp(name, attributes, inputs, count);
    for (const { id } of outputs) known.add(id);
    trace.events.push({ kind: 'operation', name, attributes, inputs, outputs });
    return outputs;
  });
  replace('tensorDataSync', (id) => {
    trace.read = true;
    return binding.tensorDataSync(id);
  });
  backend.getInputTensorIds = (tensors) => {
    const ids = getInputTensorIds.call(backend, tensors);
    for (const [i, id] of ids.entries()) {
      if (known.has(id)) continue;
      const { shape, dtype } = tensors[i]!;
      const values = binding.tensorDataSync(id);
      trace.events.push({ kind: 'constant', id, shape, dtype: typeOf(binding, dtype), values });
      known.add(id);
    }
    return ids;
  };
  backend.binding = listening;
  try {
    return { outputs: run(), trace };
  } finally {
    backend.binding = binding;
    backend.getInputTensorIds = getInputTensorIds;
  }
}

/** TensorFlow's number of a type; -1 for those that do not occur here. */
export function typeOf({ TF_FLOAT, TF_INT32, TF_BOOL }: Binding, dtype: tf.DataType): number {
  const types: Record<string, number> = { float32: TF_FLOAT, int32: TF_INT32, bool: TF_BOOL };
  return types[dtype] ?? -1;
}
