// Synthetic surfaces with the features of real tuning: pretraining under a time budget with out-of-memory and
// divergence, a support-vector machine with conditional parameters, and a resource cliff next to the optimum.

import type { SearchSpace } from '../../src/tune/types.js';
import { choice, float, int, type Problem, unit } from './types.js';

const pretrainSpace: SearchSpace = {
  depth: int(4, 24),
  aspect: int(32, 128),
  headDimExponent: int(6, 8),
  deviceBatchExponent: int(5, 8),
  totalBatchExponent: int(16, 21),
  embeddingLr: float(0.01, 2, true),
  unembeddingLr: float(0.0005, 0.05, true),
  matrixLr: float(0.005, 0.2, true),
  scalarLr: float(0.05, 2, true),
  weightDecay: float(0, 0.5),
  warmup: float(0, 0.3),
  warmdown: float(0.1, 0.8),
  finalLrFraction: float(0, 0.2),
  windows: choice('SSSL', 'SSLL', 'SLSL', 'LLLL', 'SSSS', 'LSSL'),
};
const WINDOW_LOSS: Record<string, number> = {
  SSSL: 0,
  SSLL: 0.001,
  SLSL: 0.0015,
  LLLL: 0.004,
  SSSS: 0.006,
  LSSL: 0.001,
};

/**
 * Bits per byte of a small GPT trained for five minutes, in the shape of the published study's space: a
 * scaling law over size and tokens, optima of the rates that move with width and batch, 30% of the space out of
 * memory or diverged.
 */
export const pretrain: Problem = {
  name: 'pretrain_bpb_14d',
  space: pretrainSpace,
  noise: 0.0015,
  minimum: 0.968,
  heldOut: false,
  evaluate(p) {
    const n = (name: string) => p[name] as number;
    const depth = n('depth');
    const width = depth * n('aspect');
    const batch = 2 ** n('deviceBatchExponent');
    const params = 12 * depth * width * width;
    const memory = params * 14 + batch * 2048 * (width * depth * 30 + 8192 * 6);
    if (memory > 140e9) return null;
    const log = Math.log;
    const rateOptimum = log(0.04) - 0.25 * log(width / 512) + 0.25 * log(2) * (n('totalBatchExponent') - 18);
    const rate = log(n('matrixLr')) - rateOptimum;
    if (rate + 0.15 * (log(n('embeddingLr')) - log(0.8)) > 1.5) return null;
    // Small kernels waste the device: throughput rises with width and device batch, falls with depth.
    const efficiency = (1 - Math.exp(-width / 400)) * (1 - 0.12 * (8 - n('deviceBatchExponent')) * 0.5);
    const tokens = (300 * 4e14 * efficiency) / (6 * (params + 8192 * width));
    const steps = tokens / 2 ** n('totalBatchExponent');
    let bpb = 0.62 + 41 / params ** 0.34 + 95 / tokens ** 0.29;
    bpb += 0.9 / steps ** 0.75 + 0.0006 * Math.max(0, 17.5 - n('totalBatchExponent')) ** 2;
    bpb += rate > 0 ? 0.02 * rate * rate : 0.008 * rate * rate;
    bpb += 0.003 * (log(n('embeddingLr')) - log(0.8) - 0.3 * rate) ** 2;
    bpb += 0.002 * (log(n('unembeddingLr')) - log(0.005)) ** 2;
    bpb += 0.0008 * (log(n('scalarLr')) - log(0.5)) ** 2;
    bpb += 0.05 * (n('weightDecay') - 0.15) ** 2 + 0.08 * n('warmup') ** 1.5;
    bpb += 0.03 * (n('warmdown') - 0.7) ** 2 + 0.02 * Math.abs(n('finalLrFraction') - 0.05);
    bpb += 0.0015 * (n('headDimExponent') - 7) ** 2 + WINDOW_LOSS[p.windows as string]!;
    return bpb;
  },
};

/** The same from the defaults that people start from: better than most of the space, far from the best. */
export const pretrainFromDefaults: Problem = {
  ...pretrain,
  name: 'pretrain_from_defaults_14d',
  defaults: {
    depth: 8,
    aspect: 64,
    headDimExponent: 7,
    deviceBatchExponent: 7,
    totalBatchExponent: 19,
    embeddingLr: 0.6,
    unembeddingLr: 0.004,
    matrixLr: 0.04,
    scalarLr: 0.5,
    weightDecay: 0.2,
    warmup: 0,
    warmdown: 0.5,
    finalLrFraction: 0,
    windows: 'SSSL',
  },
};

const svmSpace: SearchSpace = {
  kernel: choice('linear', 'rbf', 'polynomial', 'sigmoid'),
  c: float(1e-3, 1e3, true),
  gamma: float(1e-4, 10, true),
  degree: int(2, 6),
  coef0: float(0, 1),
  shrinking: choice(true, false),
  tolerance: float(1e-5, 1e-1, true),
};

/** Error rate of a support-vector machine: which parameters matter depends on the kernel. */
export const svm: Problem = {
  name: 'svm_mixed_7d',
  space: svmSpace,
  noise: 0.005,
  minimum: 0.06,
  heldOut: false,
  evaluate(p) {
    const c = Math.log10(p.c as number);
    const gamma = Math.log10(p.gamma as number);
    const flat = (d: number) => 1 - Math.exp(-d);
    let error: number;
    if (p.kernel === 'linear') error = 0.16 + 0.25 * flat(0.2 * (c + 1) ** 2);
    else if (p.kernel === 'rbf')
      error = 0.06 + 0.4 * flat(0.25 * (c + gamma + 0.4) ** 2 + 0.5 * (gamma + 1.6) ** 2);
    else if (p.kernel === 'polynomial')
      error =
        0.09 +
        0.38 *
          flat(
            0.15 * (c + 1.2 * gamma) ** 2 +
              0.3 * ((p.degree as number) - 3) ** 2 * (0.3 + (p.coef0 as number)) +
              0.4 * ((p.coef0 as number) - 0.6) ** 2,
          );
    else error = 0.2 + 0.3 * flat(0.2 * (c - 1) ** 2 + 0.4 * (gamma + 2.5) ** 2 + (p.coef0 as number) ** 2);
    return (
      error + 0.01 * (Math.log10(p.tolerance as number) > -2 ? Math.log10(p.tolerance as number) + 2 : 0)
    );
  },
};

const cliffSpace: SearchSpace = {
  depth: int(2, 32),
  width: int(64, 2048, true),
  batch: int(8, 512, true),
  learningRate: float(1e-4, 1, true),
  momentum: float(0.5, 0.99),
  dropout: float(0, 0.5),
};

/** Bigger is better until the memory is full: the optimum lies on the edge of a region where 40% fails. */
export const cliff: Problem = {
  name: 'cliff_6d',
  space: cliffSpace,
  noise: 0.01,
  minimum: 1.0,
  heldOut: true,
  evaluate(p) {
    const u = (name: string) => unit(cliffSpace, p, name);
    const memory = 0.35 * u('depth') + 0.7 * u('width') + 0.45 * u('batch');
    if (memory > 0.82) return null;
    let loss = 2 - 0.8 * u('width') - 0.5 * u('depth') - 0.25 * u('batch');
    loss += 2 * (u('learningRate') - 0.7 + 0.2 * u('depth') - 0.1 * u('batch')) ** 2;
    loss += 0.5 * (u('momentum') - 0.8) ** 2 + 0.4 * (u('dropout') - 0.2) ** 2;
    return loss + 0.3 * (u('depth') - 0.5) ** 2;
  },
};
