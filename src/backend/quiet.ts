// tfjs's packages print advertisements, and a line for every kernel that a second copy of them registers again.

import * as tf from '@tensorflow/tfjs-core';

/** Runs `load` with tfjs's console messages off. */
export async function quietly<T>(load: () => T | Promise<T>): Promise<T> {
  const production = tf.env().getBool('PROD');
  tf.env().set('PROD', true);
  try {
    return await load();
  } finally {
    tf.env().set('PROD', production);
  }
}
