// Constants of the optimizers' updates, shared by src/optim and the kernels of every backend.

import type { KernelAttributes } from './contract.js';

/**
 * Polar Express: (a, b, c) of p(X) = a X + (b A + c A^2) X with A = X X^T, one row an iteration. Source: Amsel et al. 2025
 * (arXiv 2505.16932), algorithm 1; coefficients as in the reference.
 */
export const POLAR_EXPRESS_COEFFICIENTS: readonly (readonly [a: number, b: number, c: number])[] = [
  [8.156554524902461, -22.48329292557795, 15.878769915207462],
  [4.042929935166739, -2.808917465908714, 0.5000178451051316],
  [3.8916678022926607, -2.772484153217685, 0.5060648178503393],
  [3.285753657755655, -2.3681294933425376, 0.46449024233003106],
  [2.3465413258596377, -1.7097828382687081, 0.42323551169305323],
];

/** The constants of one update by a kernel. */
export type Update = {
  [K in 'AdamWStep' | 'MuonStep']: { kernel: K; attrs: Omit<KernelAttributes<K>, 'count'> };
}['AdamWStep' | 'MuonStep'];

/** The factors of an AdamW step: p <- keep p - rate m / (sqrt(correction v) + eps), with m and v after their updates. */
export function adamwFactors(step: Omit<KernelAttributes<'AdamWStep'>, 'eps'>): {
  keep: number;
  rate: number;
  correction: number;
} {
  const { lr, beta1, beta2, weightDecay } = step;
  return {
    keep: 1 - lr * weightDecay,
    rate: lr / (1 - beta1 ** step.step),
    correction: 1 / (1 - beta2 ** step.step),
  };
}
