// Rows of a table by id have no memory of their own until something else than a kernel that reads them by id wants them.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { runFused } from '../../../src/backend/fused.js';
import { deviceMemory } from '../../../src/backend/memory.js';
import { add, embedding, residualMixNorm, rmsNorm } from '../../../src/ops/index.js';
import { describeCuda } from './present.js';
import { fromBf16, numbers, toBf16 } from './references.js';
import { SMALL, startTraining } from './steps.js';

const [N, V, W] = [40, 12, 24];
const IDS = Int32Array.from({ length: N }, (_, n) => (n * n) % (V - 1));
const TABLE = numbers('table', V * W);
const ROWS = Float32Array.from({ length: N * W }, (_, i) => TABLE[IDS[Math.floor(i / W)]! * W + (i % W)]!);

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `rows of a table in ${precision}`,
    (device, backend) => {
      const rounded = precision === 'bf16' ? fromBf16(toBf16(ROWS)) : ROWS;
      const make = () => ({ table: tf.tensor2d(TABLE, [V, W]), ids: tf.tensor1d(IDS, 'int32') });
      const inUse = () => backend().session.allocator.statistics().current;
      const counts = () => {
        const { numTensors, numDataBuffers, numBytes } = tf.memory();
        return { numTensors, numDataBuffers, numBytes, bytes: deviceMemory().bytes, current: inUse() };
      };

      test.each([true, false])(
        'take memory when they are read, and give all of it back; residual: %j',
        (residual) => {
          const before = counts();
          const { table, ids } = make();
          for (const x of [table, ids]) backend().address(x);
          backend().activation(table);
          const given = deviceMemory().bytes;
          const [y, unread] = [embedding(table, ids, { residual }), embedding(table, ids, { residual })];
          expect(deviceMemory().bytes).toBe(given);
          const reshaped = tf.reshape(unread, [W, N]);
          expect(y.dataSync()).toEqual(residual ? ROWS : rounded);
          expect(deviceMemory().bytes).toBeGreaterThanOrEqual(given + 4 * N * W);
          expect(tf.tidy(() => tf.mul(reshaped, 1).dataSync())).toEqual(residual ? ROWS : rounded);
          tf.dispose([y, unread, reshaped, table, ids]);
          expect(counts()).toEqual(before);
        },
      );

      test('are those of the table as it was', () => {
        const before = counts();
        const { table, ids } = make();
        const variable = tf.variable(table);
        table.dispose();
        const rows = [0, 1, 2].map(() =>
          embedding(variable as tf.Tensor as tf.Tensor2D, ids, { residual: true }),
        );
        const zeros = tf.tidy(() => [tf.variable(tf.zeros([V, W])), tf.variable(tf.zeros([V, W]))] as const);
        const grad = tf.ones([V, W]);
        runFused(
          'AdamWStep',
          { param: variable, expAvg: zeros[0], expAvgSq: zeros[1], grad },
          { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1 },
        );
        expect(variable.dataSync()).not.toEqual(TABLE);
        expect(rows[0]!.dataSync()).toEqual(ROWS);
        // Table and ids may go before their rows.
        tf.dispose([variable, ...zeros, grad, ids]);
        expect(rows[1]!.dataSync()).toEqual(ROWS);
        tf.dispose(rows);
        expect(counts()).toEqual(before);
      });

      test('of which memory runs out are there once there is some', () => {
        const { table, ids } = make();
        const y = embedding(table, ids, { residual: true });
        for (const x of [table, ids]) backend().address(x);
        device().controls.fake_fail('cuLaunchKernel', 1, 1);
        expect(() => y.dataSync()).toThrow('CUDA_ERROR_INVALID_VALUE');
        expect(y.dataSync()).toEqual(ROWS);
        tf.dispose([y, table, ids]);
      });

      test('of a table with more rows than there are ids are taken at once', () => {
        tf.tidy(() => {
          const [rows, width] = [1200, 4];
          const table = tf.tensor2d(numbers('large', rows * width), [rows, width]);
          const y = embedding(table, tf.tensor1d([7, 1199], 'int32'), { residual: true });
          expect(backend().rowsOf(y, true)).toBeUndefined();
          const all = table.dataSync();
          expect([...y.dataSync()]).toEqual([...all.slice(28, 32), ...all.slice(-4)]);
        });
      });

      test('are normed in their table and mixed from it, with the bits of rows in memory', () => {
        const before = counts();
        const { table, ids } = make();
        const lambdas = [tf.tensor1d([0.5, 0.9]), tf.tensor1d([0.3, 0.2])] as const;
        const x = tf.tensor2d(numbers('x', N * W), [N, W]);
        const run = (inMemory: boolean) => {
          const loss = (table: tf.Tensor2D, x: tf.Tensor2D, a: tf.Tensor1D, b: tf.Tensor1D) => {
            const rows = embedding(table, ids, { residual: true });
            if (inMemory) backend().address(rows);
            const x0 = rmsNorm(rows, { residual: true });
            if (inMemory) backend().address(x0);
            expect(backend().rowsOf(x0, false) === undefined).toBe(inMemory);
            const [first] = residualMixNorm(x0, x0, a, b, 0);
            const [mixed] = residualMixNorm(add(first, x), x0, a, b, 1);
            return mixed;
          };
          const { value, grads } = tf.valueAndGrads(
            (...inputs: tf.Tensor[]) => loss(...(inputs as Parameters<typeof loss>)) as tf.Tensor,
          )([table, x, ...lambdas], tf.tensor2d(numbers('dy', N * W), [N, W]));
          return [value, ...grads].map((tensor) => tensor.dataSync());
        };
        const [byId, inMemory] = tf.tidy(() => [run(false), run(true)]);
        expect(byId).toEqual(inMemory);
        tf.dispose([table, ids, x, ...lambdas]);
        expect(counts()).toEqual(before);
      });

      test('are not copied in a training step, whose tables are updated in place', async () => {
        const training = startTraining(SMALL);
        await training.step();
        const names = [...training.gpt.params.keys()].filter((name) => /wte|value_embeds/.test(name));
        const places = () => names.map((name) => backend().address(training.gpt.params.get(name)!));
        const before = places();
        device().controls.fake_reset();
        await training.step();
        expect(device().controls.fake_log()).not.toMatch(/cuLaunchKernel embedding /);
        expect(names.length).toBeGreaterThan(1);
        expect(places()).toEqual(before);
        training.dispose();
      });
    },
    precision,
  );
