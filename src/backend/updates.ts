// The optimizers' updates: constants for the kernels of every backend, and Muon's formulas, which src/optim evaluates with
// tfjs's operations and tensorflow/kernels with TensorFlow's.
//
// K matrices of shape [R, S]; the second moment is kept per row (tall or square) or per column (wide).

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

/** Constants of one Muon step; `lr` is already multiplied by max(1, R/S)^0.5, see `muonLrScale` of src/optim. */
export type MuonAttributes = Omit<KernelAttributes<'MuonStep'>, 'count'>;

/** The constants of one update by a kernel. */
export type Update =
  | { kernel: 'AdamWStep'; attrs: KernelAttributes<'AdamWStep'> }
  | { kernel: 'MuonStep'; attrs: MuonAttributes };

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

/** The operations of Muon's formulas on tensors T and variables V; reductions keep their axes. */
export type UpdateMath<T, V> = Record<'add' | 'mul' | 'maximum', (a: T, b: T | number) => T> &
  Record<'sub' | 'div', (a: T, b: T) => T> &
  Record<'square' | 'sqrt' | 'rsqrt', (x: T) => T> &
  Record<'sum' | 'norm' | 'meanSquare', (x: T, ...axes: number[]) => T> & {
    input(variable: V): T;
    replace(variable: V, value: T): void;
    stack(parts: T[]): T;
    unstack(x: T): T[];
    batchMatMul(a: T, b: T, transpose?: { transposeA: boolean; transposeB: boolean }): T;
    /** 1 where x >= 0, else 0. */
    nonNegative(x: T): T;
    /** Frees what `run` makes except its result. */
    tidy(run: () => T): T;
    free(x: T): void;
  };

/** a + weight (b - a), PyTorch's lerp. */
export const lerp = <T, V>(math: UpdateMath<T, V>, a: T, b: T, weight: number): T =>
  math.tidy(() => math.add(a, math.mul(math.sub(b, a), weight)));

type Stack = { readonly shape: readonly number[] };

/**
 * Polar Express, the orthogonal polar factor by odd polynomials: approximates U V^T of G = U S V^T for a stack of
 * matrices; singular values land near 1.
 * @param g [K, R, S]
 * @param steps iterations, 1 to 5
 * @returns [K, R, S]
 */
export function polarExpress<T extends Stack, V>(math: UpdateMath<T, V>, g: T, steps: number): T {
  const tall = g.shape[1]! > g.shape[2]!;
  let x = math.tidy(() => math.div(g, math.add(math.mul(math.norm(g, 1, 2), 1.02), 1e-6)));
  for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, steps)) {
    const product = math.tidy(() => {
      const gram = math.batchMatMul(x, x, { transposeA: tall, transposeB: !tall });
      const polynomial = math.add(math.mul(gram, b), math.mul(math.batchMatMul(gram, gram), c));
      return tall ? math.batchMatMul(x, polynomial) : math.batchMatMul(polynomial, x);
    });
    const scaled = math.mul(x, a);
    math.free(x);
    x = math.add(scaled, product);
    math.free(scaled);
    math.free(product);
  }
  return x;
}

/**
 * The orthogonalized, variance-reduced updates of K gradients; `state` is updated in place.
 * @param grads [R, S] each
 * @returns [K, R, S]
 */
export function muonUpdate<T extends Stack, V>(
  math: UpdateMath<T, V>,
  grads: T[],
  state: { momentum: V; secondMoment: V },
  options: MuonAttributes,
): T {
  const { mul, sqrt, square, sum } = math;
  const [rows, columns] = grads[0]!.shape as readonly [number, number];
  const size = Math.min(rows, columns);
  const direction = math.tidy(() => {
    const stacked = math.stack(grads);
    const momentum = lerp(math, math.input(state.momentum), stacked, 1 - options.momentum);
    const nesterov = lerp(math, stacked, momentum, options.momentum);
    math.replace(state.momentum, momentum);
    return nesterov;
  });
  const update = polarExpress(math, direction, options.nsSteps);
  math.free(direction);

  // NorMuon: divide by the running root mean square of each row, keeping the matrix's Frobenius norm.
  const mean = math.meanSquare(update, rows >= columns ? 2 : 1);
  const second = lerp(math, math.input(state.secondMoment), mean, 1 - options.beta2);
  const scale = math.rsqrt(math.maximum(second, 1e-10));
  math.replace(state.secondMoment, second);
  const norm = sqrt(mul(sum(mean, 1, 2), size));
  const scaled = sqrt(sum(mul(mul(mean, size), square(scale)), 1, 2));
  return mul(update, mul(scale, math.div(norm, math.maximum(scaled, 1e-10))));
}

/**
 * Updates K matrices [R, S] and their state in place:
 *   W <- W - lr (u + wd W where u and W agree in sign)
 */
export function applyMuon<T extends Stack, V>(
  math: UpdateMath<T, V>,
  params: V[],
  grads: V[],
  state: { momentum: V; secondMoment: V },
  options: MuonAttributes,
): void {
  const { lr, weightDecay } = options;
  const inputs = grads.map((grad) => math.input(grad));
  const update = math.tidy(() => muonUpdate(math, inputs, state, options));
  const updates = math.unstack(update);
  math.free(update);
  params.forEach((variable, i) => {
    const decayed = math.tidy(() => {
      const param = math.input(variable);
      const step = math.mul(updates[i]!, lr);
      if (weightDecay === 0) return math.sub(param, step);
      const agree = math.nonNegative(math.mul(updates[i]!, param));
      return math.sub(param, math.add(step, math.mul(math.mul(param, agree), lr * weightDecay)));
    });
    math.replace(variable, decayed);
    math.free(updates[i]!);
  });
}
