// Products and row-wise kernels in the fewest passes over memory.

import type { Eager, Handle } from './eager.js';
import type { TensorflowKernel } from './kernel.js';

export const linear: TensorflowKernel<'Linear'> = ({ inputs: { x, w }, e }) =>
  e.outputs(e.matMul(e.input(x), e.input(w), { transposeB: true }));

export const linearGrad: TensorflowKernel<'LinearGrad'> = ({ inputs, e }) => {
  const [x, w, dy] = e.inputs(inputs.x, inputs.w, inputs.dy);
  return e.outputs(e.matMul(dy, w), e.matMul(dy, x, { transposeA: true }));
};

// tfjs's own kernel reads the ids back to check them, which TensorFlow does itself on a processor.
export const embedding: TensorflowKernel<'Embedding'> = ({ inputs: { table, ids }, e }) =>
  e.outputs(e.gather(e.input(table), e.input(ids)));

export const embeddingGrad: TensorflowKernel<'EmbeddingGrad'> = ({ inputs: { ids, dy }, attrs, e }) =>
  e.outputs(e.segmentSum(e.input(dy), e.input(ids), attrs.rows));

/** 1 / sqrt(mean square + epsilon) of each row of x [R,C], [R,1]. */
const inverseRms = (e: Eager, x: Handle, epsilon: number): Handle =>
  e.rsqrt(e.add(e.meanSquare(x, 1), epsilon));

/** rstd (dy - y mean(dy y)) */
function normGrad(e: Eager, y: Handle, rstd: Handle, dy: Handle): Handle {
  const along = e.mean(e.mul(dy, y), 1);
  return e.mul(e.sub(dy, e.mul(y, along)), rstd);
}

export const rmsNorm: TensorflowKernel<'RmsNorm'> = ({ inputs, attrs, e }) => {
  const x = e.input(inputs.x);
  const rstd = inverseRms(e, x, attrs.epsilon);
  return e.outputs(e.mul(x, rstd), rstd);
};

export const rmsNormGrad: TensorflowKernel<'RmsNormGrad'> = ({ inputs: { y, rstd, dy }, e }) =>
  e.outputs(normGrad(e, e.input(y), e.input(rstd), e.input(dy)));

/**
 * x [R*H,D] with all heads rotated by the tables [T,D/2]: x [cos cos] + swapped(x) [sin -sin], where a roll by half a
 * head exchanges the halves. `back` turns the other way.
 */
function rotate(e: Eager, x: Handle, cos: Handle, sin: Handle, heads: number, back: boolean): Handle {
  const [seq, half] = cos.shape as [number, number];
  const rows = x.shape[0]! / heads;
  const rowwise = [rows / seq, seq, heads * half * 2];
  const negative = e.mul(sin, -1);
  const near = e.tile(e.concat([cos, cos], 1), [1, heads]);
  const far = e.tile(e.concat(back ? [negative, sin] : [sin, negative], 1), [1, heads]);
  const swapped = e.reshape(e.roll(x, half), rowwise);
  return e.add(e.mul(e.reshape(x, rowwise), near), e.mul(swapped, far));
}

export const rotaryQkNorm: TensorflowKernel<'RotaryQkNorm'> = ({ inputs: { x, cos, sin }, attrs, e }) => {
  const { heads, epsilon } = attrs;
  const [rows, width] = x.shape as [number, number];
  const byHead = e.reshape(e.input(x), [rows * heads, width / heads]);
  // A rotation leaves lengths as they are: the norm may come first.
  const rstd = inverseRms(e, byHead, epsilon);
  const y = rotate(e, e.mul(byHead, rstd), e.input(cos), e.input(sin), heads, false);
  return e.outputs(e.reshape(y, [rows, width]), rstd);
};

export const rotaryQkNormGrad: TensorflowKernel<'RotaryQkNormGrad'> = ({ inputs, attrs: { heads }, e }) => {
  const { y, rstd, cos, sin, dy } = inputs;
  const [rows, width] = y.shape as [number, number];
  const byHead = [rows * heads, width / heads];
  const dz = normGrad(e, e.reshape(e.input(y), byHead), e.input(rstd), e.reshape(e.input(dy), byHead));
  return e.outputs(e.reshape(rotate(e, dz, e.input(cos), e.input(sin), heads, true), [rows, width]));
};
