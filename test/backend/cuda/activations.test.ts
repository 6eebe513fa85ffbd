// What bf16 precision stores as bfloat16: activations only as bfloat16, variables as float32 with a copy that the
// optimizers refresh.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { runFused } from '../../../src/backend/fused.js';
import { deviceMemory } from '../../../src/backend/memory.js';
import { linear } from '../../../src/ops/index.js';
import { describeCuda } from './present.js';
import { fromBf16, numbers, toBf16 } from './references.js';

const round = (x: Float32Array) => fromBf16(toBf16(x));

/** A variable that alone holds its elements. */
function variable<T extends tf.Tensor>(initial: T): T & tf.Variable {
  const made = tf.variable(initial);
  initial.dispose();
  return made as unknown as T & tf.Variable;
}

describeCuda(
  'activations in bf16',
  (device, backend) => {
    const launches = (work: () => void): string[] => {
      device().controls.fake_reset();
      work();
      const log = device().controls.fake_log().split('\n');
      return log.filter((line) => line.startsWith('cuLaunchKernel')).map((line) => line.split(' ')[1]!);
    };

    test('take two bytes a number, are widened when they are read, and all is given back', () => {
      const before = deviceMemory().bytes;
      const x = tf.tensor2d(numbers('x', 64 * 64), [64, 64]);
      const given = deviceMemory().bytes;
      const y = runFused('ReluSquared', { x })[0];
      expect(backend().isActivation(y)).toBe(true);
      // x has a copy now.
      expect(deviceMemory().bytes - given).toBe(2 * 2 * 64 * 64);
      const values = round(numbers('x', 64 * 64)).map((each) => Math.max(each, 0) ** 2);
      expect(y.dataSync()).toEqual(round(values));
      expect(backend().isActivation(y)).toBe(false);
      tf.dispose([x, y]);
      expect(deviceMemory().bytes).toBe(before);
    });

    test('weights whose copies are moved behind one another take no more memory, and all is given back', () => {
      const before = deviceMemory().bytes;
      const weights = ['wk', 'wv', 'wq'].map((name) =>
        variable(tf.tensor2d(numbers(name, 32 * 16), [32, 16])),
      );
      const [wk, wv, wq] = weights.map((weight) => ({ weight, address: backend().activation(weight) }));
      const given = deviceMemory().bytes;
      const joined = backend().joined([wq!, wk!, wv!].map(({ weight }) => weight));
      expect(weights.map((weight) => (backend().activation(weight) - joined) / (2 * 32 * 16))).toEqual([
        1, 2, 0,
      ]);
      expect(wq!.address).not.toBe(joined);
      expect(deviceMemory().bytes).toBe(given);
      tf.dispose(weights);
      expect(deviceMemory().bytes).toBe(before);
    });

    test('copies whose launch failed are not used, and give their memory back', () => {
      const before = deviceMemory().bytes;
      const x = tf.tensor2d(numbers('x', 64 * 64), [64, 64]);
      const weights = ['wk', 'wq'].map((name) => variable(tf.tensor2d(numbers(name, 512), [32, 16])));
      for (const weight of weights) backend().activation(weight);
      const given = deviceMemory().bytes;
      const { current } = backend().session.allocator.statistics();
      device().controls.fake_fail('cuLaunchKernel', 1, 1);
      expect(() => runFused('ReluSquared', { x })).toThrow('CUDA_ERROR_INVALID_VALUE');
      device().controls.fake_fail('cuMemcpyDtoDAsync_v2', 1, 1);
      expect(() => backend().joined(weights.toReversed())).toThrow('CUDA_ERROR_INVALID_VALUE');
      expect(deviceMemory().bytes).toBe(given);
      expect(backend().session.allocator.statistics().current).toBe(current);
      const y = runFused('ReluSquared', { x })[0];
      const values = round(numbers('x', 64 * 64)).map((each) => Math.max(each, 0) ** 2);
      expect(y.dataSync()).toEqual(round(values));
      tf.dispose([x, y, ...weights]);
      expect(deviceMemory().bytes).toBe(before);
    });

    test("stock operations see them as any tensor's elements", () => {
      tf.tidy(() => {
        const x = tf.tensor2d(numbers('x', 6 * 8), [6, 8]);
        const make = () => runFused('ReluSquared', { x })[0] as tf.Tensor2D;
        const whole = make().dataSync<'float32'>();
        expect(tf.slice(make(), [2, 0], [1, 8]).dataSync()).toEqual(whole.slice(16, 24));
        expect(tf.reshape(make(), [48]).dataSync()).toEqual(whole);
        expect(tf.mul(make(), 2).dataSync()).toEqual(whole.map((each) => 2 * each));
        expect(tf.add(make(), x).dataSync()).toEqual(
          whole.map((each, i) => Math.fround(each + numbers('x', 48)[i]!)),
        );
        const both = tf.add(make(), make());
        expect(backend().isActivation(both)).toBe(true);
        expect(both.dataSync()).toEqual(round(whole.map((each) => 2 * each)));
      });
    });

    test.each(['AdamW', 'Muon'])("%s refreshes a variable's copy in its own pass", (optimizer) => {
      const [R, S] = [8, 12];
      const w = variable(tf.tensor2d(numbers('w', R * S), [R, S]));
      const x = tf.tensor2d(numbers('x', 4 * S), [4, S]);
      const grad = tf.tensor2d(numbers('g', R * S), [R, S]);
      const zeros = (shape: number[]) => variable(tf.zeros(shape));
      const state = [zeros([R, S]), zeros([R, S]), zeros([1, R, S]), zeros([1, 1, S])];
      linear(x, w).dispose();
      const step = () =>
        optimizer === 'AdamW'
          ? runFused(
              'AdamWStep',
              { param: w, expAvg: state[0]!, expAvgSq: state[1]!, grad },
              { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1 },
            )
          : runFused(
              'MuonStep',
              { param0: w, grad0: grad, momentum: state[2]!, secondMoment: state[3]! },
              { count: 1, lr: 0.1, momentum: 0.9, beta2: 0.95, weightDecay: 0, nsSteps: 5 },
            );
      const before = w.dataSync();
      step();
      let y: tf.Tensor | undefined;
      const kernels = launches(() => {
        y = linear(x, w);
      });
      expect(kernels).not.toContain('to_bf16');
      const [values, xs] = [w.dataSync(), round(numbers('x', 4 * S))];
      expect(values).not.toEqual(before);
      const rounded = round(values as Float32Array);
      const expected = Float32Array.from({ length: 4 * R }, (_, i) => {
        const [n, r] = [Math.floor(i / R), i % R];
        return xs.slice(n * S, n * S + S).reduce((sum, each, s) => sum + each * rounded[r * S + s]!, 0);
      });
      y!.dataSync().forEach((each, i) => {
        expect(Math.abs(each - expected[i]!)).toBeLessThan(2 ** -8 * Math.max(1, Math.abs(expected[i]!)));
      });
      tf.dispose([w, x, grad, y!, ...state]);
    });

    test('an assigned variable has no copy of its old value', () => {
      const w = tf.variable(tf.tensor2d(numbers('w', 16), [4, 4]));
      const x = tf.tensor2d([1, 0, 0, 0], [1, 4]);
      linear(x, w).dispose();
      w.assign(tf.tensor2d(new Float32Array(16).fill(3), [4, 4]));
      expect([...linear(x, w).dataSync()]).toEqual([3, 3, 3, 3]);
      tf.dispose([w, x]);
    });

    test('a matmul that adds to a sum stays float32', () => {
      tf.tidy(() => {
        const [x, w] = [tf.tensor2d([1, 2], [1, 2]), tf.tensor2d([1, 1, 0.5, 0], [2, 2])];
        const sum = tf.tensor2d([1 + 2 ** -20, 2 ** -20], [1, 2]);
        expect([...linear(x, w, sum).dataSync()]).toEqual([4 + 2 ** -20, 0.5 + 2 ** -20]);
      });
    });
  },
  'bf16',
);
