import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { deviceMemory, trackPeak } from '../../src/backend/memory.js';
import { useBackend } from '../../src/backend/use.js';
import { presentBackends } from './present.js';

beforeAll(async () => {
  await useBackend('wasm');
});

test('a buffer counts once, no matter how many tensors share it', () => {
  const before = deviceMemory();
  const x = tf.zeros([100]);
  const y = tf.reshape(x, [10, 10]);
  const z = tf.clone(x);
  const during = deviceMemory();
  expect(during.bytes - before.bytes).toBe(400);
  expect(during.tensors - before.tensors).toBe(3);
  expect(during.buffers - before.buffers).toBe(1);
  tf.dispose([x, y]);
  expect(deviceMemory().bytes - before.bytes).toBe(400);
  z.dispose();
  expect(deviceMemory().bytes).toBe(before.bytes);
});

test('variables and int32 tensors count', () => {
  const before = deviceMemory().bytes;
  const initial = tf.zeros([8]);
  const v = tf.variable(initial);
  initial.dispose();
  const i = tf.zeros([3], 'int32');
  expect(deviceMemory().bytes - before).toBe(32 + 12);
  v.dispose();
  i.dispose();
  expect(deviceMemory().bytes).toBe(before);
});

test('reservedBytes is the size of the wasm heap', () => {
  expect(deviceMemory().reservedBytes).toBeGreaterThan(0);
});

test('the peak includes disposed tensors, and watches may overlap', () => {
  const base = deviceMemory().bytes;
  const outer = trackPeak();
  tf.tidy(() => tf.zeros([1000])).dispose();
  const inner = trackPeak();
  tf.tidy(() => {
    tf.zeros([100]);
    tf.zeros([100]);
  });
  expect(outer.bytes() - base).toBe(4000);
  expect(inner.bytes() - base).toBe(800);
  outer.reset();
  expect(outer.bytes()).toBe(base);
  inner.stop();
  tf.zeros([2000]).dispose();
  expect(inner.bytes() - base).toBe(800);
  expect(outer.bytes() - base).toBe(8000);
  outer.stop();
});

test('switching backends with live tensors leaks nothing', async () => {
  const before = deviceMemory();
  const x = tf.tensor1d([1, 2, 3]);
  for (let i = 0; i < 3; i++)
    for (const name of presentBackends) {
      await useBackend(name);
      const y = tf.add(x, 1);
      expect(Array.from(y.dataSync())).toEqual([2, 3, 4]);
      y.dispose();
      expect(deviceMemory().tensors).toBe(before.tensors + 1);
      expect(deviceMemory().bytes).toBe(before.bytes + 12);
    }
  x.dispose();
  expect(deviceMemory().buffers).toBe(before.buffers);
});
