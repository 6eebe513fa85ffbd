// tfjs's elementwise kernels (kernels/cuda/{unary,binary}.cu), each an expression that is compiled when it is first used.

import * as tf from '@tensorflow/tfjs-core';
import { simplify } from '../../flat/copy.js';
import { broadcastStrides, type Info, sizeOf } from '../../flat/store.js';
import type { KernelSpec } from '../modules.js';
import {
  type CudaStockCall,
  type CudaStockKernel,
  type CudaStockTable,
  fits,
  padded,
  sameShape,
} from './kernel.js';
import { addActivations } from './rows.js';

/** Axes of the kernel that broadcasts. */
const AXES = 4;

const C_TYPES: Partial<Record<tf.DataType, string>> = { float32: 'float', int32: 'int', bool: 'byte' };

const unarySpec = (expression: string, type: string, result: string): KernelSpec => ({
  source: 'cuda/unary.cu',
  name: 'unary',
  defines: { TYPE: type, RESULT: result, EXPRESSION: expression },
});

/** A float32 function of one tensor, in C++ of `v`. */
function unary(expression: string, dtype: tf.DataType = 'float32'): CudaStockKernel {
  const spec = unarySpec(expression, 'float', C_TYPES[dtype]!);
  return (call) => {
    const x = call.inputs.x!;
    if (x.dtype !== 'float32' || !fits(x.shape)) return undefined;
    return apply(call, spec, x, dtype);
  };
}

function apply({ backend }: CudaStockCall, spec: KernelSpec, x: Info, dtype: tf.DataType): Info {
  const y = backend.make(x.shape, dtype);
  const size = sizeOf(x.shape);
  backend.each(spec, size, [size, backend.address(x), backend.address(y)]);
  return y;
}

export const UNARY: CudaStockTable = {
  Abs: unary('fabsf(v)'),
  Ceil: unary('ceilf(v)'),
  Cos: unary('cosf(v)'),
  Exp: unary('expf(v)'),
  Floor: unary('floorf(v)'),
  IsNan: unary('v != v', 'bool'),
  Log: unary('logf(v)'),
  Neg: unary('-v'),
  Reciprocal: unary('1.0f / v'),
  Relu: unary('v < 0 ? 0.0f : v'),
  Rsqrt: unary('1.0f / sqrtf(v)'),
  Sigmoid: unary('1.0f / (1.0f + expf(-v))'),
  Sign: unary('v > 0 ? 1.0f : v < 0 ? -1.0f : v'),
  Sin: unary('sinf(v)'),
  Sqrt: unary('sqrtf(v)'),
  Square: unary('v * v'),
  Tanh: unary('tanhf(v)'),
};

/** A function of two tensors that broadcast, in C++ of `u` and `v`; the result's dtype is that of the operands, or bool. */
function binary(expression: string, compares = false, dtypes = ['float32', 'int32']): CudaStockKernel {
  return (call) => {
    const { a, b } = call.inputs;
    if (a.dtype !== b.dtype || !dtypes.includes(a.dtype)) return undefined;
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    if (!fits(shape)) return undefined;
    const type = C_TYPES[a.dtype]!;
    const dtype = compares ? 'bool' : a.dtype;
    const defines = { TYPE: type, RESULT: C_TYPES[dtype]!, EXPRESSION: expression };
    return combine(call, defines, a, b, shape, dtype);
  };
}

function combine(
  { backend }: CudaStockCall,
  defines: Record<string, string>,
  a: Info,
  b: Info,
  shape: number[],
  dtype: tf.DataType,
): Info | undefined {
  const size = sizeOf(shape);
  const source = 'cuda/binary.cu';
  const simple = [a, b].every((x) => sizeOf(x.shape) === size || sizeOf(x.shape) === 1);
  const box = simple
    ? undefined
    : simplify(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape));
  if (box && box.shape.length > AXES) return undefined;
  const y = backend.make(shape, dtype);
  if (!box) {
    const operand = (x: Info) => {
      const constant = backend.constant(x);
      const step = sizeOf(x.shape) === size ? 1 : 0;
      return constant === undefined || step === 1 ? [backend.address(x), step, 0] : [0, 0, constant];
    };
    const values = [size, ...operand(a), ...operand(b), backend.address(y)];
    backend.each({ source, name: 'binary', defines }, size, values);
    return y;
  }
  const operands = [a, b].flatMap((x, i) => [backend.address(x), ...padded(box.strides[i]!, AXES, 0)]);
  const values = [size, ...padded(box.shape, AXES, 1).slice(1), ...operands, backend.address(y)];
  backend.each({ source, name: 'broadcast', defines }, size, values);
  return y;
}

const MAXIMUM = 'u > v || u != u ? u : v';
const MINIMUM = 'u < v || u != u ? u : v';

/** A product with 1, as the gradient of a loss starts, need not be computed. */
const multiply: CudaStockKernel = (call) => {
  const { backend } = call;
  const { a, b } = call.inputs;
  if (a.dtype === 'float32' && b.dtype === 'float32') {
    if (backend.constant(b) === 1 && b.shape.length <= a.shape.length) return backend.alias(a);
    if (backend.constant(a) === 1 && a.shape.length <= b.shape.length) return backend.alias(b);
  }
  return binary('u * v')(call);
};

/** Activations need not be widened to be added. */
const add: CudaStockKernel = (call) => {
  const { a, b } = call.inputs;
  const { backend } = call;
  const narrow = [a, b].some((x) => x.dtype === 'float32' && backend.isActivation(x));
  return narrow && a.dtype === b.dtype && sameShape(a, b) ? addActivations(call) : binary('u + v')(call);
};

export const BINARY: CudaStockTable = {
  Add: add,
  Equal: binary('u == v', true),
  Greater: binary('u > v', true),
  GreaterEqual: binary('u >= v', true),
  Less: binary('u < v', true),
  LessEqual: binary('u <= v', true),
  Maximum: binary(MAXIMUM),
  Minimum: binary(MINIMUM),
  Multiply: multiply,
  NotEqual: binary('u != v', true),
  Pow: binary('powf(u, v)', false, ['float32']),
  RealDiv: binary('u / v', false, ['float32']),
  SquaredDifference: binary('(u - v) * (u - v)'),
  Sub: binary('u - v'),
};

const CASTS: Record<string, string> = {
  'float32 int32': '(int)v',
  'int32 float32': '(float)v',
  'bool float32': 'v ? 1.0f : 0.0f',
  'bool int32': 'v ? 1 : 0',
  'float32 bool': 'v != 0',
  'int32 bool': 'v != 0',
};

const cast: CudaStockKernel = (call) => {
  const x = call.inputs.x!;
  const dtype = call.attrs.dtype as tf.DataType;
  if (x.dtype === dtype) return call.backend.alias(x);
  const expression = CASTS[`${x.dtype} ${dtype}`];
  if (!expression || !fits(x.shape)) return undefined;
  return apply(call, unarySpec(expression, C_TYPES[x.dtype]!, C_TYPES[dtype]!), x, dtype);
};

const clip: CudaStockKernel = (call) => {
  const x = call.inputs.x!;
  const { clipValueMin: low, clipValueMax: high } = call.attrs as Record<string, number>;
  if (x.dtype !== 'float32' || !fits(x.shape)) return undefined;
  const [from, to] = [cFloat(low!), cFloat(high!)];
  return apply(
    call,
    unarySpec(`v < ${from} ? ${from} : v > ${to} ? ${to} : v`, 'float', 'float'),
    x,
    'float32',
  );
};

/** A number as C++ spells it. */
function cFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'INFINITE' : '-INFINITE';
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}

const choose: CudaStockKernel = ({ inputs, backend }) => {
  const { condition, t, e } = inputs;
  if (!sameShape(condition, t) || !sameShape(t, e) || t.dtype !== 'float32' || e.dtype !== 'float32')
    return undefined;
  if (condition.dtype !== 'bool' || !fits(t.shape)) return undefined;
  const y = backend.make(t.shape);
  const size = sizeOf(t.shape);
  const values = [condition, t, e, y].map((x) => backend.address(x));
  backend.each({ source: 'cuda/moves.cu', name: 'choose' }, size, [size, ...values]);
  return y;
};

export const OTHER_ELEMENTWISE: CudaStockTable = {
  Cast: cast,
  ClipByValue: clip,
  Select: choose,
};
