// Language-model head: logits with a soft cap, and their cross-entropy without ever holding all logits when they
// would not fit (karpathy/autoresearch, train.py: GPT.forward). N tokens, C width, V vocabulary.
//
// Fused kernels (optional):
//   LmHeadCrossEntropy {x [N,C], w [V,C], targets int32 [N]} attrs {softcap, reduction, withGrad}
//     -> [loss] or, withGrad, [loss, dx [N,C], dw [V,C]] (gradients of the scalar loss; withGrad only for mean and sum)

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { addRows } from './embedding.js';
import { hasKernel, runFused } from './fused.js';

/** Default of `maxLogitsBytes`: one [rows, V] float32 matrix of logits, of which a chunk holds a few at once. */
export const MAX_LOGITS_BYTES = 64 * 2 ** 20;

/** Options of `lmHeadCrossEntropy`. */
export interface CrossEntropyOptions {
  /** Logits are softcap * tanh(x w^T / softcap); > 0. */
  softcap: number;
  /** `mean` over the targets that are not -1 (0 when all are), `sum`, or `none`: one loss a token, 0 where ignored. */
  reduction: 'mean' | 'sum' | 'none';
  /** Largest matrix of logits, bytes; the rows are taken in chunks that stay below it. Default 64 MiB. */
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
  const { softcap, reduction, maxLogitsBytes = MAX_LOGITS_BYTES } = options;
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
  return differentiable<tf.Tensor>([x, w], () => {
    if (hasKernel('LmHeadCrossEntropy') && !(taped && reduction === 'none')) {
      const [loss, dx, dw] = runFused(
        'LmHeadCrossEntropy',
        { x, w, targets },
        { softcap, reduction, withGrad },
      );
      return {
        value: loss!,
        saved: withGrad ? [dx!, dw!] : [],
        backward: (dy, [dx, dw]) => [tf.mul(dx!, dy), tf.mul(dw!, dy)],
      };
    }
    const counted = tf.cast(tf.notEqual(targets, -1), 'float32');
    const weights = reduction === 'mean' ? tf.div(counted, tf.maximum(tf.sum(counted), 1)) : counted;
    const { losses, dx, dw } = chunkedCrossEntropy(
      x,
      w,
      targets,
      weights as tf.Tensor1D,
      softcap,
      maxLogitsBytes,
      withGrad,
    );
    if (reduction === 'none') {
      return {
        value: losses,
        saved: [x, w, targets, counted],
        backward: (dy, [x, w, targets, counted]) => {
          const weights = tf.mul(dy, counted!) as tf.Tensor1D;
          const { dx, dw } = chunkedCrossEntropy(
            x as tf.Tensor2D,
            w as tf.Tensor2D,
            targets as tf.Tensor1D,
            weights,
            softcap,
            maxLogitsBytes,
            true,
          );
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

/** Losses [N] times weights [N] and, withGrad, the gradients of their sum. */
function chunkedCrossEntropy(
  x: tf.Tensor2D,
  w: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
  softcap: number,
  maxLogitsBytes: number,
  withGrad: boolean,
): { losses: tf.Tensor1D; dx?: tf.Tensor2D; dw?: tf.Tensor2D } {
  const [rows, width] = x.shape;
  const vocab = w.shape[0];
  const step = Math.min(rows, Math.max(1, Math.floor(maxLogitsBytes / (4 * vocab))));
  const losses: tf.Tensor1D[] = [];
  const dxs: tf.Tensor2D[] = [];
  let dw: tf.Tensor2D | undefined;
  for (let start = 0; start < rows; start += step) {
    const size = Math.min(step, rows - start);
    const part = tf.tidy(() => {
      const xs = tf.slice2d(x, [start, 0], [size, width]);
      const ts = tf.maximum(tf.slice1d(targets, start, size), tf.scalar(0, 'int32')) as tf.Tensor1D;
      const ws = tf.slice1d(weights, start, size) as tf.Tensor1D;
      const t = tf.tanh(tf.matMul(tf.div(xs, softcap), w, false, true));
      const logits = tf.mul(t, softcap);
      const p = tf.softmax(logits);
      const at = tf.add(tf.range(0, size * vocab, vocab, 'int32'), ts);
      const pt = tf.gather(tf.reshape(p, [size * vocab]), at) as tf.Tensor1D;
      const loss = tf.mul(tf.neg(tf.log(pt)), ws) as tf.Tensor1D;
      if (!withGrad) return { loss };
      // dlogits = p - onehot(target), dz = dlogits (1 - t^2)
      const tt = tf.gather(tf.reshape(t, [size * vocab]), at);
      const dz = tf.mul(p, tf.sub(1, tf.square(t)));
      const slope = tf.reshape(tf.mul(tf.sub(1, tf.square(tt)), ws), [size, 1]);
      const weightedX = tf.mul(xs, tf.reshape(ws, [size, 1]));
      const dx = tf.sub(tf.mul(tf.matMul(dz, w), tf.reshape(ws, [size, 1])), tf.mul(tf.gather(w, ts), slope));
      const dwAll = tf.matMul(dz, weightedX, true, false);
      const dw = tf.sub(dwAll, addRows(tf.mul(xs, slope) as tf.Tensor2D, ts, vocab));
      return { loss, dx: dx as tf.Tensor2D, dw: dw as tf.Tensor2D };
    });
    losses.push(part.loss);
    if (part.dx) dxs.push(part.dx);
    if (part.dw) {
      const sum: tf.Tensor2D = dw ? tf.add(dw, part.dw) : part.dw;
      if (dw) tf.dispose([dw, part.dw]);
      dw = sum;
    }
  }
  const join = <T extends tf.Tensor>(parts: T[]) =>
    parts.length === 1 ? parts[0]! : (tf.concat(parts) as T);
  return { losses: join(losses), dx: withGrad ? join(dxs) : undefined, dw };
}
