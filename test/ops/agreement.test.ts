// The same small network on every backend present: losses and gradients agree.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import type { BackendName } from '../../src/backend/types.js';
import { leanGrads } from '../../src/ops/index.js';
import { presentBackends } from '../backend/present.js';
import { expectClose } from './check.js';
import { tinyModel } from './tinyModel.js';

// Irregular sizes; T longer than the windows.
const SIZES = { B: 2, T: 11, H: 3, G: 1, D: 6, V: 17, L: 2 };

async function run(backend: BackendName) {
  await useBackend(backend);
  const model = tinyModel(SIZES);
  try {
    const { value, grads } = leanGrads(model.loss, model.params);
    const values: Record<string, Float32Array> = {};
    for (const [name, grad] of Object.entries(grads)) values[name] = (await grad.data<'float32'>()).slice();
    const loss = (await value.data())[0]!;
    tf.dispose([value, grads]);
    return { loss, grads: values };
  } finally {
    model.dispose();
  }
}

const [first, ...others] = presentBackends;

for (const other of others) {
  test(`${other} agrees with ${first}`, async () => {
    const expected = await run(first!);
    const actual = await run(other);
    // Float32 on both sides, sums in another order.
    expect(Math.abs(actual.loss - expected.loss)).toBeLessThan(1e-5);
    expect(Object.keys(actual.grads)).toEqual(Object.keys(expected.grads));
    for (const [name, grad] of Object.entries(actual.grads)) {
      expectClose(grad, expected.grads[name]!, name, 2e-5);
    }
  });
}
