// Elementwise kernels (kernels/native/elementwise.c).

import { type Info, sizeOf } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import type { NativeContext, NativeKernel, NativeStockKernel } from './kernel.js';

const OPERATIONS = { add: 0, sub: 1, mul: 2, div: 3 };

/** Two float32 tensors of one shape, or one and a number; broadcasts stay with the stock kernel. */
function binary(operation: keyof typeof OPERATIONS): NativeStockKernel {
  return (call) => {
    const { inputs, backend, c } = call;
    const { a, b } = inputs;
    if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
    if (sameShape(a, b)) {
      const out = backend.make(a.shape);
      const { arrays, bf16 } = backend.cells(a, b);
      c.tg_binary(bf16, OPERATIONS[operation], sizeOf(a.shape), ...arrays, backend.floats(out));
      return out;
    }
    if (operation === 'div') return undefined;
    if (sizeOf(b.shape) === 1 && b.shape.length <= a.shape.length) {
      const number = backend.number(b);
      if (operation === 'mul') return affine(call, a, number, 0);
      return affine(call, a, 1, operation === 'add' ? number : -number);
    }
    if (sizeOf(a.shape) === 1 && a.shape.length <= b.shape.length) {
      const number = backend.number(a);
      if (operation === 'mul') return affine(call, b, number, 0);
      return affine(call, b, operation === 'add' ? 1 : -1, number);
    }
    return undefined;
  };
}

export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');

const sameShape = (a: Info, b: Info): boolean =>
  a.shape.length === b.shape.length && a.shape.every((n, axis) => n === b.shape[axis]);

/** factor * x + offset */
function affine({ backend, c }: NativeContext, x: Info, factor: number, offset: number): Info {
  // The gradient of a loss starts as 1: what it multiplies need not be copied.
  if (factor === 1 && offset === 0) return backend.alias(x);
  const out = backend.make(x.shape);
  c.tg_affine(sizeOf(x.shape), factor, offset, backend.floats(x), backend.floats(out));
  return out;
}

export const accumulate: NativeKernel<'Accumulate'> = ({ inputs: { sum, x }, attrs, backend, c }) => {
  const size = sizeOf(sum.shape);
  const own = backend.own(sum);
  const total = own ? backend.alias(sum) : backend.make(sum.shape);
  if (!own) backend.floats(total).set(backend.floats(sum));
  c.tg_accumulate(size, attrs.factor, backend.floats(x), backend.floats(total));
  return [total];
};

export const tanh: NativeStockKernel = ({ inputs, backend, c }) => {
  const x = inputs.x!;
  if (x.dtype !== 'float32') return undefined;
  const out = backend.make(x.shape);
  c.tg_tanh(sizeOf(x.shape), backend.floats(x), backend.floats(out));
  return out;
};

export const reluSquared: NativeKernel<'ReluSquared'> = ({ inputs: { x }, backend, c }) => {
  const y = backend.makeActivation(x.shape);
  const { arrays, bf16 } = backend.cells(x, y);
  c.tg_relu_squared(bf16, sizeOf(x.shape), ...arrays);
  return [y];
};

export const reluSquaredGrad: NativeKernel<'ReluSquaredGrad'> = ({ inputs: { y, dy }, backend, c }) => {
  const dx = backend.makeActivation(y.shape);
  const { arrays, bf16 } = backend.cells(y, dy, dx);
  c.tg_relu_squared_grad(bf16, sizeOf(y.shape), ...arrays);
  return [dx];
};

export const residualMix: NativeKernel<'ResidualMix'> = ({ inputs, attrs, backend, c }) => {
  const { x, x0, residLambdas, x0Lambdas } = inputs;
  const y = backend.make(x.shape);
  const arrays = [x, x0, residLambdas, x0Lambdas, y].map((tensor) => backend.floats(tensor));
  c.tg_residual_mix(sizeOf(x.shape), attrs.layer, ...arrays);
  return [y];
};

export const residualMixGrad: NativeKernel<'ResidualMixGrad'> = ({ inputs, attrs, backend, c }) => {
  const { x, x0, residLambdas, x0Lambdas, dy } = inputs;
  const outputs = backend.makeLike(x, x0, residLambdas, x0Lambdas);
  const arrays = [x, x0, residLambdas, x0Lambdas, dy, ...outputs].map((tensor) => backend.floats(tensor));
  const layers = sizeOf(residLambdas.shape);
  const done = c.tg_residual_mix_grad(sizeOf(x.shape), layers, attrs.layer, ...arrays);
  assertMemory(done, 'ResidualMixGrad');
  return outputs;
};
