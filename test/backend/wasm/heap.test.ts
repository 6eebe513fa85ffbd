// What only the wasm backend can get wrong: aliases, stale weights, a heap that grows or is full.

import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory } from '../../../src/backend/outOfMemory.js';
import { useBackend } from '../../../src/backend/use.js';
import type { WasmBackend } from '../../../src/backend/wasm/heap.js';

beforeAll(async () => {
  await useBackend('wasm');
});

function backend(): WasmBackend & { numDataIds(): number } {
  return tf.backend() as unknown as WasmBackend & { numDataIds(): number };
}

function dataOf(t: tf.Tensor): { memoryOffset: number; refCount: number } {
  return backend().dataIdMap.get(t.dataId);
}

test('the SIMD build is in use', () => {
  expect(tf.env().getBool('WASM_HAS_SIMD_SUPPORT')).toBe(true);
});

test('loading leaves no handlers for uncaught errors behind', () => {
  for (const event of ['uncaughtException', 'unhandledRejection'])
    expect(
      process
        .listeners(event as 'uncaughtException')
        .map(String)
        .join(),
    ).not.toContain('ExitStatus');
});

describe('matMul', () => {
  test('uses the current values of an operand that was written in place', () => {
    tf.tidy(() => {
      const a = tf.ones([2, 3]);
      const b = tf.ones([3, 2]);
      expect(Array.from(tf.matMul(a, b).dataSync())).toEqual([3, 3, 3, 3]);
      const { memoryOffset } = dataOf(b);
      backend().wasm.HEAPF32.fill(2, memoryOffset / 4, memoryOffset / 4 + 6);
      expect(Array.from(tf.matMul(a, b).dataSync())).toEqual([6, 6, 6, 6]);
    });
  });

  test('keeps no packed copies: the heap does not grow over many matmuls', () => {
    tf.tidy(() => {
      const a = tf.randomNormal([4, 64, 96]);
      const b = tf.randomNormal([4, 96, 128]);
      tf.matMul(a, b).dispose();
      const before = backend().wasm.HEAPU8.length;
      for (let i = 0; i < 200; i++) {
        tf.matMul(a, b).dispose();
        tf.matMul(b, a, true, true).dispose();
      }
      expect(backend().wasm.HEAPU8.length).toBe(before);
    });
  });

  test('works while the heap grows during the call', async () => {
    const free = backend().wasm.HEAPU8.length;
    // Transposed, so that scratch, output and packing together exceed the present heap.
    const k = Math.ceil(free / 4 / 2000);
    const [first, last] = tf.tidy(() => {
      const a = tf.ones([k, 512]);
      const b = tf.ones([k, 1500]);
      const c = tf.matMul(a, b, true);
      return [tf.slice(c, [0, 0], [1, 1]).dataSync()[0], tf.slice(c, [511, 1499], [1, 1]).dataSync()[0]];
    });
    expect(backend().wasm.HEAPU8.length).toBeGreaterThan(free);
    expect([first, last]).toEqual([k, k]);
  });
});

describe('aliases', () => {
  test('a clone shares memory, outlives its source and is freed once', async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const copy = tf.clone(x);
    const turned = tf.transpose(x, [0]);
    const whole = tf.slice(x, [0], [3]);
    const offset = (t: tf.Tensor) => dataOf(t).memoryOffset;
    expect([copy, turned, whole].map(offset)).toEqual([offset(x), offset(x), offset(x)]);
    expect(dataOf(x).refCount).toBe(4);
    x.dispose();
    turned.dispose();
    whole.dispose();
    expect(Array.from(copy.dataSync())).toEqual([1, 2, 3]);
    copy.dispose();
  });

  test('a variable assigned from a clone does not change with it', async () => {
    const first = tf.tensor1d([1, 2]);
    const v = tf.variable(first);
    const saved = tf.clone(v);
    const next = tf.tensor1d([3, 4]);
    v.assign(next);
    expect(Array.from(saved.dataSync())).toEqual([1, 2]);
    expect(Array.from(v.dataSync())).toEqual([3, 4]);
    tf.dispose([first, v, saved, next]);
  });
});

describe('a full heap', () => {
  const MiB = 2 ** 20;

  function bytes(size: number): tf.Tensor {
    // A tensor whose memory nobody touches, so that the system need not provide it.
    const info = backend().makeOutput([size / 4], 'float32');
    return tf.engine().makeTensorFromTensorInfo(info);
  }

  test('throws an out-of-memory error and leaves existing tensors intact', () => {
    const before = tf.memory().numTensors;
    const hogs: tf.Tensor[] = [];
    const marks: tf.Tensor[] = [];
    let error: unknown;
    try {
      for (let i = 0; i < 9; i++) {
        hogs.push(bytes(500 * MiB));
        marks.push(tf.fill([1000], i));
      }
    } catch (e) {
      error = e;
    }
    expect(hogs).toHaveLength(6);
    expect(String(error)).toMatch(/^RangeError: Out of memory: the wasm backend cannot allocate 500 MiB/);
    expect(isOutOfMemory(error)).toBe(true);
    // Beside the full part there is room for small tensors, which are not overwritten.
    const product = tf.tidy(() => Array.from(tf.matMul(tf.ones([3, 5]), tf.ones([5, 2])).dataSync()));
    expect(product).toEqual([5, 5, 5, 5, 5, 5]);
    marks.forEach((mark, i) => {
      expect(new Set(mark.dataSync())).toEqual(new Set([i]));
    });
    tf.dispose([...hogs, ...marks]);
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.tidy(() => tf.sum(tf.ones([1000])).dataSync()[0])).toBe(1000);
  });

  test('a matmul whose packed operand does not fit throws an out-of-memory error', () => {
    const hogs = [bytes(900 * MiB), bytes(900 * MiB)];
    const before = tf.memory().numTensors;
    const ids = backend().numDataIds();
    const wide = bytes(900 * MiB);
    const matrix = tf.reshape(wide, [64, wide.size / 64]);
    const row = tf.ones([1, 64]);
    expect(() => tf.matMul(row, matrix)).toThrow(/Out of memory: the wasm backend/);
    tf.dispose([wide, matrix, row]);
    expect(tf.memory().numTensors).toBe(before);
    expect(backend().numDataIds()).toBe(ids);
    tf.dispose(hogs);
  });

  test('an allocation beyond 32 bits throws instead of wrapping around', () => {
    const before = tf.memory().numTensors;
    expect(() => tf.fill([2 ** 30 + 1], 1)).toThrow(
      /Out of memory: the wasm backend cannot allocate 4097 MiB/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
