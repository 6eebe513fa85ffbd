// Muon for a stack of matrices of one shape: Nesterov momentum (Jordan et al. 2024), orthogonalized by Polar Express,
// NorMuon's variance reduction (arXiv 2510.05491, algorithm 1) and cautious weight decay (arXiv 2510.12402). Source:
// muon_step_fused of the reference.
//
// K matrices of shape [R, S]; the second moment is kept per row (tall or square) or per column (wide).

import * as tf from '@tensorflow/tfjs-core';
import type { KernelInputs } from '../backend/contract.js';
import { applyMuon, type MuonAttributes, type UpdateMath } from '../backend/updates.js';
import { hasKernel, runFused } from '../ops/index.js';

/** Momentum [K, R, S] and second moment [K, R, 1] or [K, 1, S]. */
export interface MuonState {
  momentum: tf.Variable;
  secondMoment: tf.Variable;
}

/** The learning rate's factor for matrices of R rows and S columns. */
export const muonLrScale = (rows: number, columns: number): number => Math.max(1, rows / columns) ** 0.5;

/** Shape of the second moment for K matrices of shape [R, S]. */
export const secondMomentShape = (count: number, rows: number, columns: number): [number, number, number] =>
  rows >= columns ? [count, rows, 1] : [count, 1, columns];

const { add, sub, mul, div, maximum, square, sqrt, rsqrt, stack, tidy } = tf;
const sum = (x: tf.Tensor, ...axes: number[]): tf.Tensor => tf.sum(x, axes, true);

/** tfjs's own operations. */
export const STOCK: UpdateMath<tf.Tensor, tf.Tensor> = {
  ...{ add, sub, mul, div, maximum, square, sqrt, rsqrt, sum, stack, tidy, free: tf.dispose },
  input: (variable) => variable,
  replace: (variable, value) => (variable as tf.Variable).assign(value),
  norm: (x, ...axes) => sqrt(sum(square(x), ...axes)),
  unstack: (x) => (x.shape[0] === 1 ? [tf.reshape(x, x.shape.slice(1))] : tf.unstack(x)), // a slice copies
  meanSquare: (x, ...axes) => tf.mean(square(x), axes, true),
  nonNegative: (x) => tf.cast(tf.greaterEqual(x, 0), 'float32'),
  batchMatMul: (a, b, transpose) => tf.matMul(a, b, transpose?.transposeA, transpose?.transposeB),
};

/**
 * Updates K matrices in place, see `applyMuon`.
 * @param params K variables of shape [R, S]; @param grads their gradients
 */
export function muonStep(
  params: tf.Variable[],
  grads: tf.Tensor[],
  state: MuonState,
  options: MuonAttributes,
): void {
  if (!hasKernel('MuonStep')) {
    tf.tidy(() => applyMuon(STOCK, params, grads, state, options));
    return;
  }
  const inputs: KernelInputs<'MuonStep', tf.Tensor> = { ...state };
  params.forEach((param, i) => {
    inputs[`param${i}`] = param;
    inputs[`grad${i}`] = grads[i]!;
  });
  runFused('MuonStep', inputs, { ...options, count: params.length });
}
