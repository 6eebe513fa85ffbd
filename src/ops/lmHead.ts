// Language-model head: logits with a soft cap, and their cross-entropy without materializing all logits when they would
// not fit (karpathy/autoresearch, train.py: GPT.forward). N tokens, C width, V vocabulary.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { addRows, takeRows } from './embedding.js';

/** The most bytes of one [rows, V] matrix of logits; a chunk holds up to five such matrices at once. */
export const MAX_LOGITS_BYTES = 64 * 2 ** 20;

/** With fewer rows the matmuls get slower (wasm, V from 512 to 4096). */
const MIN_ROWS = 256;

/**
 * Rows of logits in memory at once. Default: as many as take the memory of x [N,C], at least 256, within
 * MAX_LOGITS_BYTES.
 */
export function logitsRows(rows: number, width: number, vocab: number, maxLogitsBytes?: number): number {
  const most = Math.floor((maxLogitsBytes ?? MAX_LOGITS_BYTES) / (4 * vocab));
  const wanted = maxLogitsBytes ? most : Math.max(MIN_ROWS, Math.floor((rows * width) / vocab));
  return Math.min(rows, Math.max(1, Math.min(wanted, most)));
}

/** -log of float32's smallest normal number, with a margin. */
const MAX_LOG_RANGE = 80;

/** Options of `lmHeadCrossEntropy`. */
export interface CrossEntropyOptions {
  /** Logits are softcap * tanh(x w^T / softcap); > 0. */
  softcap: number;
  /** `mean` over the targets that are not -1 (0 when all are), `sum`, or `none`: one loss a token, 0 where ignored. */
  reduction: 'mean' | 'sum' | 'none';
  /** Largest matrix of logits, bytes: rows are taken in chunks that stay within it. Default: see `logitsRows`. */
  maxLogitsBytes?: number;
}

/**
 * softcap * tanh(x w^T / softcap) for x [N,C], w [V,C] -> [N,V]. Not differentiable: for sampling and verification.
 */
export function lmHeadLogits(x: tf.Tensor2D, w: tf.Tensor2D, softcap: number): tf.Tensor2D {
  return tf.tidy(() => tf.mul(tf.tanh(tf.matMul(tf.div(x, softcap), w, false, true)), softcap));
}

/**
 * Cross-entropy in nats of softmax(softcap * tanh(x w^T / softcap)) against targets: x [N,C], w [V,C], targets int32
 * [N] in [0, V), or -1 to ignore the token. Returns a scalar, or [N] for reduction `none`. While a tape is on, `mean`
 * and `sum` compute both gradients in the forward pass, chunk by chunk, so that logits are neither kept nor recomputed.
 * @throws UsageError when shapes or options do not fit
 */
export function lmHeadCrossEntropy(
  x: tf.Tensor2D,
  w: tf.Tensor2D,
  targets: tf.Tensor1D,
  options: CrossEntropyOptions,
): tf.Scalar | tf.Tensor1D {
  const { softcap, reduction, maxLogitsBytes } = options;
  expect(
    x.rank === 2 &&
      w.rank === 2 &&
      x.shape[1] === w.shape[1] &&
      tf.util.arraysEqual(targets.shape, [x.shape[0]]),
    () => `Expected x [N,C], w [V,C] and targets [N], got [${x.shape}], [${w.shape}] and [${targets.shape}]`,
  );
  expect(softcap > 0, () => `Expected softcap > 0, got ${softcap}`);
  const taped = tf.engine().isTapeOn();
  const withGrad = taped && reduction !== 'none';
  return differentiable<tf.Tensor, tf.Tensor[]>([x, w], () => {
    if (hasKernel('LmHeadCrossEntropy') && !(taped && reduction === 'none')) {
      const [loss, dx, dw] = runFused(
        'LmHeadCrossEntropy',
        { x, w, targets },
        { softcap, reduction, withGrad, ...(maxLogitsBytes && { maxLogitsBytes }) },
      );
      return {
        value: loss!,
        saved: withGrad ? [dx!, dw!] : [],
        backward: (dy, [dx, dw]) => [tf.mul(dx!, dy), tf.mul(dw!, dy)],
      };
    }
    const counted = tf.cast(tf.notEqual(targets, -1), 'float32');
    const weights = reduction === 'mean' ? tf.div(counted, tf.maximum(tf.sum(counted), 1)) : counted;
    const ready = { ...options, weights: weights as tf.Tensor1D, withGrad };
    const { losses, dx, dw } = chunkedCrossEntropy(x, w, targets, ready);
    if (reduction === 'none') {
      return {
        value: losses,
        saved: [x, w, targets, counted],
        backward: (dy, [x, w, targets, counted]) => {
          const ready = { ...options, weights: tf.mul(dy, counted!) as tf.Tensor1D, withGrad: true };
          const given = [x, w, targets] as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D];
          const { dx, dw } = chunkedCrossEntropy(...given, ready);
          return [dx!, dw!];
        },
      };
    }
    return {
      value: tf.sum(losses),
      saved: withGrad ? [dx!, dw!] : [],
      backward: (dy, [dx, dw]) => [tf.mul(dx!, dy), tf.mul(dw!, dy)],
    };
  }) as tf.Scalar | tf.Tensor1D;
}

/** Result of a chunk of rows: weighted losses and, with gradients, its part of them without the targets' one-hot. */
type Chunk = {
  losses: tf.Tensor1D;
  /** -d loss / d z at the target: the one-hot's part of the gradient, [rows]. */
  pull?: tf.Tensor1D;
  dx?: tf.Tensor2D;
  dw?: tf.Tensor2D;
};

/** Losses [N] times weights [N] and, withGrad, the gradients of their sum. */
function chunkedCrossEntropy(
  x: tf.Tensor2D,
  w: tf.Tensor2D,
  targets: tf.Tensor1D,
  options: CrossEntropyOptions & { weights: tf.Tensor1D; withGrad: boolean },
): { losses: tf.Tensor1D; dx?: tf.Tensor2D; dw?: tf.Tensor2D } {
  const { softcap, maxLogitsBytes, weights, withGrad } = options;
  const [rows, width] = x.shape;
  const vocab = w.shape[0];
  const step = logitsRows(rows, width, vocab, maxLogitsBytes);
  const known = tf.maximum(targets, tf.scalar(0, 'int32')) as tf.Tensor1D;
  // Transposed once: wasm would copy it for each matmul.
  const wt = tf.transpose(w);
  const chunks: Chunk[] = [];
  let dw: tf.Tensor2D | undefined;
  for (let start = 0; start < rows; start += step) {
    const size = Math.min(step, rows - start);
    const chunk: Chunk = tf.tidy(() => {
      const part = crossEntropy(
        tf.slice2d(x, [start, 0], [size, width]),
        w,
        wt,
        tf.slice1d(known, start, size),
        tf.slice1d(weights, start, size),
        softcap,
        withGrad,
      );
      return part.dw && dw ? { ...part, dw: tf.add(dw, part.dw) as tf.Tensor2D } : part;
    });
    dw?.dispose();
    dw = chunk.dw;
    chunks.push(chunk);
  }
  const losses = concat(chunks.map((chunk) => chunk.losses));
  if (!withGrad) return { losses };
  const pull = tf.reshape(concat(chunks.map((chunk) => chunk.pull!)), [rows, 1]);
  return {
    losses,
    dx: tf.sub(concat(chunks.map((chunk) => chunk.dx!)), tf.mul(takeRows(w, known), pull)),
    dw: tf.sub(dw!, addRows(tf.mul(x, pull), known, vocab)),
  };
}

/**
 * One chunk of rows. With s the softcap, z = x w^T and g = sigmoid(2 z / s), the logits are s tanh(z / s) =
 * s (2 g - 1): the sigmoid is a fast kernel where the hyperbolic tangent is not (wasm), and softmax does not see the
 * constant.
 */
function crossEntropy(
  x: tf.Tensor2D,
  w: tf.Tensor2D,
  wt: tf.Tensor2D,
  known: tf.Tensor1D,
  weights: tf.Tensor1D,
  softcap: number,
  withGrad: boolean,
): Chunk {
  const rows = x.shape[0];
  const vocab = w.shape[0];
  const g = tf.sigmoid<tf.Tensor2D>(tf.matMul(tf.mul(x, 2 / softcap) as tf.Tensor2D, wt));
  const p = tf.tidy(() => tf.softmax(tf.mul(g, 2 * softcap) as tf.Tensor2D));
  const places = tf.add(tf.range(0, rows * vocab, vocab, 'int32'), known);
  const atTarget = (a: tf.Tensor) => tf.gather(tf.reshape(a, [rows * vocab]), places) as tf.Tensor1D;
  const gTarget = atTarget(g);
  const losses = tf.mul(negativeLogLikelihood(g, gTarget, p, atTarget(p), softcap), weights) as tf.Tensor1D;
  if (!withGrad) return { losses };
  // dlogits = p - onehot, dz = dlogits (1 - tanh^2) = dlogits 4 g (1 - g).
  const dz = tf.tidy(() => tf.mul(p, tf.mul(g, tf.sub(1, g))) as tf.Tensor2D);
  const share = tf.mul(weights, 4);
  const column = tf.reshape(share, [rows, 1]);
  return {
    losses,
    pull: tf.mul(tf.mul(gTarget, tf.sub(1, gTarget)), share) as tf.Tensor1D,
    dx: tf.mul(tf.matMul(dz, w), column),
    dw: tf.matMul(dz, tf.mul(x, column) as tf.Tensor2D, true, false),
  };
}

/** -log of the target's probability, [rows]. */
function negativeLogLikelihood(
  g: tf.Tensor2D,
  gTarget: tf.Tensor1D,
  p: tf.Tensor2D,
  pTarget: tf.Tensor1D,
  softcap: number,
): tf.Tensor {
  // Logits lie within +-softcap, so p >= exp(-2 softcap) / V, which is far from underflow for usual caps.
  const vocab = p.shape[1];
  if (2 * softcap + Math.log(vocab) < MAX_LOG_RANGE) return tf.neg(tf.log(pTarget));
  // Otherwise relative to the likeliest token, whose p >= 1 / V.
  return tf.sub(tf.mul(tf.sub(tf.max(g, 1), gTarget), 2 * softcap), tf.log(tf.max(p, 1)));
}

function concat<T extends tf.Tensor>(parts: T[]): T {
  return parts.length === 1 ? parts[0]! : (tf.concat(parts) as T);
}
