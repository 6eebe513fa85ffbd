// What only the webgpu backend can get wrong: globals left behind, buffers that are kept, errors that come later than their
// cause, a device that is lost.

import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory } from '../../../src/backend/outOfMemory.js';
import { byPreference, useBackend } from '../../../src/backend/use.js';
import type { WebGpuBackend } from '../../../src/backend/webgpu/backend.js';
import { largestBuffer } from '../../../src/backend/webgpu/buffers.js';
import { driver } from '../../../src/backend/webgpu/driver.js';
import { chooseMatmul } from '../../../src/backend/webgpu/matmulVariant.js';
import { DeviceLostError, EnvironmentError } from '../../../src/base/errors.js';

const probe = await driver.probe();
const backend = () => tf.backend() as unknown as WebGpuBackend;
const onWebGpu = probe.available ? describe : describe.skip;

onWebGpu(`webgpu${probe.available ? '' : ` (${probe.reason})`}`, () => {
  beforeAll(async () => {
    await useBackend('webgpu');
  });

  afterEach(async () => {
    delete process.env.TINYGPT_WEBGPU_MEMORY;
    await useBackend('webgpu');
  });

  /** The next start opens a device anew. */
  async function reopen(memory?: string): Promise<void> {
    tf.removeBackend('webgpu');
    if (memory !== undefined) process.env.TINYGPT_WEBGPU_MEMORY = memory;
    await useBackend('webgpu');
  }

  test('nothing global is left behind', () => {
    const names = Object.getOwnPropertyNames(globalThis);
    expect(names.filter((name) => name.startsWith('GPU'))).toEqual([]);
    expect((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu).toBeUndefined();
  });

  test('a tensor is read again after it was changed in place', async () => {
    const initial = tf.tensor1d([1, 2, 3]);
    const param = tf.variable(initial, false);
    initial.dispose();
    expect([...(await param.data())]).toEqual([1, 2, 3]);
    const state = [tf.variable(tf.zeros([3]), false), tf.variable(tf.zeros([3]), false)] as const;
    const attrs = { lr: 0.5, beta1: 0, beta2: 0, eps: 0, weightDecay: 0, step: 1 };
    const inputs = { param, expAvg: state[0], expAvgSq: state[1], grad: tf.tensor1d([1, -1, 2]) };
    tf.engine().runKernel('AdamWStep', inputs, attrs);
    expect([...(await param.data())]).toEqual([0.5, 2.5, 2.5]);
    tf.dispose([param, ...state, inputs.grad]);
  });

  test('steps of several tensors share dispatches, and repeated steps of one do not', async () => {
    const params = Array.from({ length: 7 }, (_, i) => tf.variable(tf.fill([70 * i + 1], i), false));
    const states = params.map(({ shape }) => [0, 0].map(() => tf.variable(tf.zeros(shape), false)));
    const grads = params.map(({ shape }) => tf.ones(shape));
    const attrs = { beta1: 0, beta2: 0, eps: 0, weightDecay: 0, step: 1 };
    const step = () =>
      params.forEach((param, i) => {
        const [expAvg, expAvgSq] = states[i] as [tf.Variable, tf.Variable];
        const inputs = { param, expAvg, expAvgSq, grad: grads[i]! };
        tf.engine().runKernel('AdamWStep', inputs, { ...attrs, lr: i });
      });
    step(); // uploads, which end a dispatch
    backend().ensureCommandEncoderReady();
    const before = backend().dispatchCountInPass;
    step();
    step();
    backend().ensureCommandEncoderReady();
    const each = Math.ceil(7 / Math.floor(backend().bindings / 4));
    expect(backend().dispatchCountInPass - before).toBe(2 * each);
    for (const [i, param] of params.entries())
      expect([...(await param.data())]).toEqual(Array(70 * i + 1).fill(i - 3 * i));
    tf.dispose([...params, ...states.flat(), ...grads]);
  });

  test('an in-place step does not change tensors that share the buffer', async () => {
    const initial = tf.tensor1d([4, 5]);
    const param = tf.variable(initial, false);
    const state = [tf.variable(tf.zeros([2]), false), tf.variable(tf.zeros([2]), false)] as const;
    const attrs = { lr: 1, beta1: 0, beta2: 0, eps: 0, weightDecay: 0, step: 1 };
    const inputs = { param, expAvg: state[0], expAvgSq: state[1], grad: tf.tensor1d([1, 1]) };
    tf.engine().runKernel('AdamWStep', inputs, attrs);
    expect([...(await initial.data())]).toEqual([4, 5]);
    expect([...(await param.data())]).toEqual([3, 4]);
    tf.dispose([initial, param, ...state, inputs.grad]);
  });

  test('a synchronous read says what to do instead', () => {
    const x = tf.tidy(() => tf.tanh(tf.ones([3])));
    expect(() => x.dataSync()).toThrow(/await tensor\.data\(\)/);
    x.dispose();
  });

  test('buffers are reused and given back', async () => {
    const step = async () => {
      const x = tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])));
      expect((await x.data())[0]).toBe(64);
      x.dispose();
    };
    await step();
    const { numBytesUsed, numBytesAllocated } = backend().pool;
    for (let i = 0; i < 20; i++) await step();
    expect(backend().pool.numBytesUsed).toBe(numBytesUsed);
    expect(backend().pool.numBytesAllocated).toBe(numBytesAllocated);
  });

  test('idle buffers beyond 64 MiB are destroyed', async () => {
    for (let i = 0; i < 40; i++) {
      const x = tf.tidy(() => tf.tanh(tf.zeros([2 ** 20 + i])));
      await tf.slice(x as tf.Tensor1D, 0, 1).data();
      x.dispose();
    }
    const { numBytesUsed, numBytesAllocated } = backend().pool;
    expect(numBytesAllocated - numBytesUsed).toBeLessThanOrEqual(2 ** 26 + 2 ** 23);
  });

  test('memory beyond the limit is a typed error, and what is freed can be used again', async () => {
    await reopen('0.01');
    const kept = tf.tidy(() => tf.add(tf.ones([2 ** 20]), 1));
    let error: unknown;
    try {
      tf.tidy(() => tf.concat([tf.ones([2 ** 21]), tf.ones([2 ** 21])]));
    } catch (thrown) {
      error = thrown;
    }
    expect(isOutOfMemory(error)).toBe(true);
    kept.dispose();
    const x = tf.tidy(() => tf.add(tf.ones([2 ** 20]), 1));
    expect((await x.data())[7]).toBe(2);
    x.dispose();
    await reopen();
  });

  test('a tensor above the largest binding is a typed error that names the limit', () => {
    const most = largestBuffer(backend().device.limits);
    expect(() => backend().pool.acquireBuffer(most + 4, 0x80)).toThrow(
      new RegExp(`one buffer may hold ${most} bytes`),
    );
  });

  test('a kernel that the device refuses is an error with its name', async () => {
    const x = backend().make([4]);
    backend().run({
      source: 'norm',
      entry: 'rms_norm',
      constants: { WORKGROUP: 64 },
      bind: [x],
      ints: [1, 4],
      groups: [1],
    });
    await expect(backend().read(x.dataId)).rejects.toThrow(/norm\.rms_norm/);
    await expect(backend().read(x.dataId)).rejects.toBeInstanceOf(EnvironmentError);
  });

  test('a lost device is a typed error, and the backend opens again', async () => {
    const x = tf.tidy(() => tf.tanh(tf.zeros([8])));
    backend().device.destroy();
    await expect(x.data()).rejects.toBeInstanceOf(DeviceLostError);
    await useBackend('webgpu');
    const y = tf.tidy(() => tf.tanh(tf.zeros([8])));
    expect([...(await y.data())]).toEqual(Array(8).fill(0));
    y.dispose();
  });

  test('two calls at once open one device', async () => {
    tf.removeBackend('webgpu');
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    await Promise.all([useBackend('webgpu'), useBackend('webgpu')]);
    expect(warn.mock.calls).toEqual([]); // tfjs says where a backend is registered again
    warn.mockRestore();
  });

  test('matmul by quad broadcasts gives the same bits as the plain form', async () => {
    const found = await chooseMatmul(backend());
    backend().pipelines.quads = false;
    if (found) expect(found.same).toBe(true);
  });

  test('attention, embedding gradient and Muon give the same bits again', async () => {
    const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
    const once = async () => {
      const [q, k, v] = [1, 2, 3].map((seed) => random([2 * 70, 32], seed));
      const shape = { batch: 2, seq: 70, heads: 2, kvHeads: 1, window: 40 };
      const [y] = tf
        .engine()
        .runKernel(
          'CausalAttention',
          { q: q!, k: tf.slice(k!, [0, 0], [140, 16]), v: tf.slice(v!, [0, 0], [140, 16]) },
          shape,
        ) as unknown as tf.Tensor[];
      const ids = tf.tensor1d(
        Int32Array.from({ length: 140 }, (_, i) => (i * i) % 7),
        'int32',
      );
      const [table] = tf
        .engine()
        .runKernel('EmbeddingGrad', { ids, dy: y! }, { rows: 9 }) as unknown as tf.Tensor[];
      return Array.from(await table!.data());
    };
    expect(await once()).toEqual(await once());
  });
});

test('a software driver is not chosen automatically', async () => {
  const names: string[] = [];
  const found = (name: string, gpu: boolean) =>
    ({ name, available: true, precisions: [], info: { gpu } }) as never;
  for await (const { name } of byPreference((name) => found(name, false))) names.push(name);
  expect(names).not.toContain('webgpu');
  names.length = 0;
  for await (const { name } of byPreference((name) => found(name, true))) names.push(name);
  expect(names.indexOf('webgpu')).toBeLessThan(names.indexOf('native'));
});
