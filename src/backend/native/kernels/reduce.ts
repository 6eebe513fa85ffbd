// Sum, Mean and Max of float32 over neighboring axes (kernels/native/reduce.c); any others are the stock kernels'.

import * as tf from '@tensorflow/tfjs-core';
import { sizeOf } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import type { NativeStockKernel } from './kernel.js';

const OPERATIONS = { Sum: 0, Mean: 1, Max: 2 };

function reduce(operation: keyof typeof OPERATIONS): NativeStockKernel {
  return ({ inputs, attrs, backend, c }) => {
    const x = inputs.x!;
    const given = (attrs.axis ?? attrs.reductionIndices) as number | number[];
    const axes = tf.util.parseAxisParam(given, x.shape).sort((p, q) => p - q);
    const first = axes[0] ?? 0;
    if (x.dtype !== 'float32' || !axes.every((axis, i) => axis === first + i)) return undefined;
    const kept = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const out = backend.make(attrs.keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis)));
    const done = c.tg_reduce(
      OPERATIONS[operation],
      sizeOf(x.shape.slice(0, first)),
      sizeOf(axes.map((axis) => x.shape[axis]!)),
      sizeOf(x.shape.slice(first + axes.length)),
      backend.floats(x),
      backend.floats(out),
    );
    assertMemory(done, operation);
    return out;
  };
}

export const sum = reduce('Sum');
export const mean = reduce('Mean');
export const max = reduce('Max');
