// Polar Express: the orthogonal polar factor of a matrix by five odd polynomials, in products only.
// Source: Amsel et al. 2025 (arXiv 2505.16932), algorithm 1.

import * as tf from '@tensorflow/tfjs-core';
import { POLAR_EXPRESS_COEFFICIENTS } from '../backend/updates.js';

/**
 * Approximates U V^T of G = U S V^T for a stack of matrices: singular values land near 1.
 * @param g [K, R, S] stack of matrices
 * @param steps iterations, 1 to 5
 * @returns [K, R, S]
 */
export function polarExpress(g: tf.Tensor3D, steps: number): tf.Tensor3D {
  return tf.tidy(() => {
    const tall = g.shape[1] > g.shape[2];
    const norm = tf.sqrt(tf.sum(tf.square(g), [1, 2], true));
    let x = tf.div(g, tf.add(tf.mul(norm, 1.02), 1e-6)) as tf.Tensor3D;
    for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, steps)) {
      const next = tf.tidy(() => {
        const gram = tall ? tf.matMul(x, x, true, false) : tf.matMul(x, x, false, true);
        const polynomial = tf.add(tf.mul(gram, b), tf.mul(tf.matMul(gram, gram), c)) as tf.Tensor3D;
        const product = tall ? tf.matMul(x, polynomial) : tf.matMul(polynomial, x);
        return tf.add(tf.mul(x, a), product) as tf.Tensor3D;
      });
      x.dispose();
      x = next;
    }
    return x;
  });
}
