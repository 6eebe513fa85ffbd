// Gated value embeddings (karpathy/autoresearch, train.py: CausalSelfAttention.forward; Zhou et al. 2024, "Value
// Residual Learning"). N tokens, C width, G kv heads, D head width, K gate channels.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';

/**
 * v + 2 sigmoid(x[:, :K] gateWeight^T) * ve, the gate one number per token and kv head: v, ve [N,G*D], x [N,C],
 * gateWeight [G,K] -> [N,G*D].
 * @throws UsageError when the shapes do not fit together
 */
export function gatedValueEmbedding(
  v: tf.Tensor2D,
  ve: tf.Tensor2D,
  x: tf.Tensor2D,
  gateWeight: tf.Tensor2D,
): tf.Tensor2D {
  const [rows, width] = v.shape;
  const [kvHeads, channels] = gateWeight.shape;
  expect(
    tf.util.arraysEqual(v.shape, ve.shape) &&
      x.shape[0] === rows &&
      width % kvHeads === 0 &&
      channels <= x.shape[1],
    () =>
      `Expected v and ve [N,G*D], x [N,C] and a gate [G,K] with K <= C, got [${v.shape}], [${ve.shape}], ` +
      `[${x.shape}] and [${gateWeight.shape}]`,
  );
  const inputs = [v, ve, x, gateWeight];
  if (hasKernel('GatedValueEmbedding'))
    return differentiable(inputs, () => {
      const [y, gate] = runFused('GatedValueEmbedding', { v, ve, x, gateWeight });
      return {
        value: y,
        saved: [ve, x, gateWeight, gate],
        backward: (dy, [ve, x, gateWeight, gate]) => [
          tf.clone(dy),
          ...runFused('GatedValueEmbeddingGrad', { ve, x, gateWeight, gate, dy }),
        ],
      };
    });
  return differentiable(inputs, () => {
    const byHead = [rows, kvHeads, width / kvHeads];
    const shown = tf.slice2d(x, [0, 0], [rows, channels]);
    const sigmoid = tf.sigmoid(tf.matMul(shown, gateWeight, false, true));
    const gate = tf.reshape(tf.mul(sigmoid, 2), [rows, kvHeads, 1]);
    const value = tf.add(v, tf.reshape(tf.mul(tf.reshape(ve, byHead), gate), [rows, width])) as tf.Tensor2D;
    return {
      value,
      saved: [ve, shown, gateWeight, gate],
      backward: (dy, [ve, shown, gateWeight, gate]) => {
        const dy3 = tf.reshape(dy, byHead);
        const dve = tf.reshape(tf.mul(dy3, gate), [rows, width]);
        // gate = 2 s, ds/dz = s (1 - s): dgate/dz = gate (1 - gate / 2)
        const dgate = tf.sum(tf.mul(dy3, tf.reshape(ve, byHead)), -1, true);
        const dz = tf.reshape(tf.mul(tf.mul(dgate, gate), tf.sub(1, tf.mul(gate, 0.5))), [rows, kvHeads]);
        const dshown = tf.matMul(dz, gateWeight) as tf.Tensor2D;
        const dx = tf.pad2d(dshown, [
          [0, 0],
          [0, x.shape[1] - channels],
        ]);
        return [tf.clone(dy), dve, dx, tf.matMul(dz, shown, true, false)];
      },
    };
  });
}
