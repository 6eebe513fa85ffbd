import { expect, test } from '@jest/globals';
import { isOutOfMemory } from '../../src/backend/outOfMemory.js';

test.each([
  'Out of memory: the wasm backend cannot allocate 500 MiB, its heap has 3072 MiB of at most 3072 MiB',
  'Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[4096,8192] and type float',
  'RESOURCE_EXHAUSTED: failed to allocate memory',
  'CUDA_ERROR_OUT_OF_MEMORY: out of memory',
  'Array buffer allocation failed',
  'Invalid typed array length: 10000000000',
  'WebAssembly.Memory.grow(): Unable to grow instance memory',
])('recognizes %s', (message) => {
  expect(isOutOfMemory(new Error(message))).toBe(true);
});

test('recognizes V8 allocation errors', () => {
  let error: unknown;
  try {
    new Float32Array(2 ** 53 - 1);
  } catch (e) {
    error = e;
  }
  expect(isOutOfMemory(error)).toBe(true);
});

test('recognizes the cause of a wrapped error', () => {
  const cause = new RangeError('Array buffer allocation failed');
  expect(isOutOfMemory(new Error('training failed', { cause }))).toBe(true);
});

test.each([new Error('Expected equal inner sizes'), new Error('ROOM'), 'a string', undefined])(
  'does not recognize %s',
  (error) => {
    expect(isOutOfMemory(error)).toBe(false);
  },
);
