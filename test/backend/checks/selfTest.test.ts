import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { selfTest } from '../../../src/backend/checks/selfTest.js';
import { useBackend } from '../../../src/backend/use.js';
import { describeEachBackend } from '../present.js';

describeEachBackend('the self-test', () => {
  test('passes and leaks no tensors', async () => {
    const before = tf.memory().numTensors;
    const { failures, cases } = await selfTest();
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThan(15);
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** Breaks one kernel of the cpu backend until the test is over. */
function sabotage(name: string, change: (values: Float32Array) => void): void {
  const stock = tf.getKernel(name, 'cpu');
  const kernelFunc: tf.KernelFunc = (params) => {
    const out = stock.kernelFunc(params) as tf.TensorInfo;
    const backend = params.backend as { data: { get(id: object): { values: Float32Array } } };
    change(backend.data.get(out.dataId).values);
    return out;
  };
  tf.unregisterKernel(name, 'cpu');
  tf.registerKernel({ ...stock, kernelFunc });
  restore = () => {
    tf.unregisterKernel(name, 'cpu');
    tf.registerKernel(stock);
  };
}

let restore = () => {};

afterEach(() => {
  restore();
  restore = () => {};
});

test.each([
  ['BatchMatMul', 'product'],
  ['GatherV2', 'embedding'],
  ['UnsortedSegmentSum', 'embedding gradient'],
  ['Tanh', 'softcap'],
  ['Transpose', 'heads'],
  ['Concat', 'rotated'],
  ['Sum', 'sums'],
  ['Exp', 'log-sum-exp'],
  ['Softmax', 'softmax'],
  ['Rsqrt', 'RMS norm'],
  ['Relu', 'squared ReLU'],
])('finds one wrong element of %s', async (kernel, failure) => {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  sabotage(kernel, (values) => {
    const last = values.length - 1;
    values[last] = values[last]! * 1.01 + 1e-3;
  });
  expect((await selfTest()).failures.join('\n')).toContain(failure);
  expect(tf.memory().numTensors).toBe(before);
});

test('a kernel that throws is reported as a failure', async () => {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  sabotage('Transpose', () => {
    throw new Error('no such kernel image\nfor this device');
  });
  const { failures } = await selfTest();
  expect(failures.some((line) => line.endsWith(': no such kernel image'))).toBe(true);
  expect(tf.memory().numTensors).toBe(before);
});

test('extra cases run with their tolerance per precision', async () => {
  await useBackend('cpu');
  const check = {
    name: 'rounded',
    run: () => ({ got: tf.tensor1d([1.01, 100]), expected: [1, 100] }),
    tolerance: { fp32: 1e-6, bf16: 1e-2 },
  };
  expect((await selfTest('fp32', [check])).failures).toEqual([
    expect.stringMatching(/^rounded: expected 1 at 0, got 1\.0/),
  ]);
  expect((await selfTest('bf16', [check])).failures).toEqual([]);
});
