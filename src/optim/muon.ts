// Muon for a stack of matrices of one shape: Nesterov momentum (Jordan et al. 2024), orthogonalized by Polar Express,
// NorMuon's variance reduction (arXiv 2510.05491, algorithm 1) and cautious weight decay (arXiv 2510.12402). Source:
// muon_step_fused of the reference.
//
// K matrices of shape [R, S]; the second moment is kept per row (tall or square) or per column (wide).

import * as tf from '@tensorflow/tfjs-core';
import type { KernelAttributes, KernelInputs } from '../backend/contract.js';
import { hasKernel, runFused } from '../ops/index.js';
import { lerp } from './adamw.js';
import { polarExpress } from './polarExpress.js';

/** Constants of one Muon step; `lr` is already multiplied by max(1, R/S)^0.5, see `muonLrScale`. */
export type MuonStep = Omit<KernelAttributes<'MuonStep'>, 'count'>;

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

/**
 * The orthogonalised, variance-reduced update of a stack of gradients; `state` is updated in place.
 * @param grads [K, R, S]
 * @returns [K, R, S]
 */
export function muonUpdate(grads: tf.Tensor3D, state: MuonState, options: MuonStep): tf.Tensor3D {
  return tf.tidy(() => {
    const [, rows, columns] = grads.shape;
    const axis = rows >= columns ? 2 : 1;
    const size = Math.min(rows, columns);
    const momentum = lerp(state.momentum, grads, 1 - options.momentum);
    state.momentum.assign(momentum);
    const update = polarExpress(lerp(grads, momentum, options.momentum) as tf.Tensor3D, options.nsSteps);

    // NorMuon: divide by the running root mean square of each row, keeping the matrix's Frobenius norm.
    const mean = tf.mean(tf.square(update), axis, true);
    const second = lerp(state.secondMoment, mean, 1 - options.beta2);
    state.secondMoment.assign(second);
    const scale = tf.rsqrt(tf.maximum(second, 1e-10));
    const norm = tf.sqrt(tf.mul(tf.sum(mean, [1, 2], true), size));
    const scaled = tf.sqrt(tf.sum(tf.mul(tf.mul(mean, size), tf.square(scale)), [1, 2], true));
    const factor = tf.mul(scale, tf.div(norm, tf.maximum(scaled, 1e-10)));
    return tf.mul(update, factor) as tf.Tensor3D;
  });
}

/**
 * Updates K matrices in place:
 *   W <- W - lr * (u + wd * W where u and W agree in sign)
 * @param params K variables of shape [R, S]; @param grads their gradients
 */
export function muonStep(
  params: tf.Variable[],
  grads: tf.Tensor[],
  state: MuonState,
  options: MuonStep,
): void {
  if (hasKernel('MuonStep')) {
    const inputs: KernelInputs<'MuonStep', tf.Tensor> = { ...state };
    params.forEach((param, i) => {
      inputs[`param${i}`] = param;
      inputs[`grad${i}`] = grads[i]!;
    });
    runFused('MuonStep', inputs, { ...options, count: params.length });
    return;
  }
  const { lr, weightDecay } = options;
  tf.tidy(() => {
    const update = muonUpdate(tf.stack(grads) as tf.Tensor3D, state, options);
    const updates = params.length === 1 ? [tf.reshape(update, params[0]!.shape)] : tf.unstack(update);
    params.forEach((param, i) => {
      tf.tidy(() => {
        const u = updates[i]!;
        if (weightDecay === 0) return param.assign(tf.sub(param, tf.mul(u, lr)));
        const agree = tf.cast(tf.greaterEqual(tf.mul(u, param), 0), 'float32');
        const decay = tf.mul(tf.mul(param, agree), lr * weightDecay);
        return param.assign(tf.sub(param, tf.add(tf.mul(u, lr), decay)));
      });
    });
  });
}
