// Sum, Mean and Max of float32 over neighboring axes (kernels/native/reduce.c); any others are the stock kernels'.

import { planReduction } from '../../flat/reduce.js';
import { assertMemory } from '../library.js';
import type { NativeStockKernel } from './kernel.js';

const OPERATIONS = { Sum: 0, Mean: 1, Max: 2 };

function reduce(operation: keyof typeof OPERATIONS): NativeStockKernel {
  return ({ inputs, attrs, backend, c }) => {
    const plan = planReduction({ inputs, attrs });
    if (!plan) return undefined;
    const { shape, outer, terms, inner } = plan;
    const out = backend.make(shape);
    const arrays = [backend.floats(inputs.x!), backend.floats(out)];
    assertMemory(c.tg_reduce(OPERATIONS[operation], outer, terms, inner, ...arrays), operation);
    return out;
  };
}

export const sum = reduce('Sum');
export const mean = reduce('Mean');
export const max = reduce('Max');
