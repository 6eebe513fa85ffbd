import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/use.js';
import { UsageError } from '../../src/base/errors.js';
import { describeEachBackend, presentBackends } from './present.js';

test('wasm and cpu are always present', () => {
  expect(presentBackends).toEqual(expect.arrayContaining(['wasm', 'cpu']));
});

test('an unknown backend is refused with the list of names', async () => {
  await expect(useBackend('gpu' as never)).rejects.toThrow(UsageError);
  await expect(useBackend('gpu' as never)).rejects.toThrow(/cuda, tensorflow, native, wasm, cpu; got gpu/);
});

describeEachBackend('useBackend', (backend) => {
  test('makes the backend current', () => {
    expect(tf.getBackend()).toBe(backend);
    expect(Array.from(tf.tidy(() => tf.add([1, 2], [3, 4]).dataSync()))).toEqual([4, 6]);
  });
});
