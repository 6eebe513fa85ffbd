// Packed copies of parameters: the next matmul sees every change of a parameter.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backend/use.js';
import { randomStream } from '../../../src/base/random.js';
import { accumulate, linear, lmHeadCrossEntropy } from '../../../src/ops/index.js';
import { adamwStep } from '../../../src/optim/adamw.js';
import { muonStep, secondMomentShape } from '../../../src/optim/muon.js';
import { describeNative } from './present.js';

const SHAPE: [number, number] = [37, 21];
const stream = randomStream(1, 'parameters');
const draw = (shape: [number, number]) =>
  tf.tensor2d(
    Float32Array.from({ length: shape[0] * shape[1] }, () => stream.normal()),
    shape,
  );

/** All products with w, some times over, are those with a tensor of its values. */
function expectSeen(w: tf.Variable): void {
  tf.tidy(() => {
    const x = draw([13, SHAPE[1]]);
    const targets = tf.tensor1d(
      Int32Array.from({ length: 13 }, () => stream.int(SHAPE[0])),
      'int32',
    );
    const run = (w: tf.Tensor): number[] => {
      const product = (x: tf.Tensor) => linear(x as tf.Tensor2D, w as tf.Tensor2D);
      const head = (x: tf.Tensor) =>
        lmHeadCrossEntropy(x as tf.Tensor2D, w as tf.Tensor2D, targets, { softcap: 15, reduction: 'mean' });
      const results = [tf.valueAndGrad(product)(x, tf.ones([13, SHAPE[0]])), tf.valueAndGrad(head)(x)];
      return results.flatMap(({ value, grad }) => [...value.dataSync(), ...grad.dataSync()]);
    };
    const wanted = run(tf.tensor2d(w.dataSync().slice(), SHAPE));
    for (let use = 0; use < 4; use++) expect(run(w)).toEqual(wanted);
  });
}

describeNative('packed parameters', () => {
  test('depend on the shape of the parameter', () => {
    const w = tf.variable(draw([32, 64])) as tf.Variable;
    const [wide, tall] = [draw([5, 64]), draw([5, 32])];
    const other = tf.reshape(w, [64, 32]) as tf.Tensor2D;
    const plain = tf.tensor2d(w.dataSync().slice(), [32, 64]);
    for (let use = 0; use < 3; use++) {
      const results = [linear(wide, w as tf.Tensor as tf.Tensor2D), linear(tall, other)] as const;
      const wanted = [linear(wide, plain), linear(tall, tf.reshape(plain, [64, 32]))] as const;
      for (const i of [0, 1] as const) expect([...results[i].dataSync()]).toEqual([...wanted[i].dataSync()]);
      tf.dispose([...results, ...wanted]);
    }
    tf.dispose([w, wide, tall, other, plain]);
  });

  for (const precision of ['fp32', 'bf16'] as const)
    test(`are invalidated by every change of the parameter in ${precision}`, async () => {
      await useBackend('native', { precision });
      const w = tf.variable(draw(SHAPE)) as tf.Variable;
      const moments = [tf.variable(tf.zeros(SHAPE)), tf.variable(tf.zeros(SHAPE))] as const;
      expectSeen(w);
      const grad = draw(SHAPE);
      const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 1 };
      for (let step = 0; step < 3; step++) {
        adamwStep(w, grad, { expAvg: moments[0], expAvgSq: moments[1] }, adam);
        expectSeen(w);
      }
      const momentum = tf.variable(tf.zeros([1, ...SHAPE]));
      const secondMoment = tf.variable(tf.zeros(secondMomentShape(1, ...SHAPE)));
      const muon = { lr: 0.1, momentum: 0.9, beta2: 0.9, weightDecay: 0.1, nsSteps: 5 };
      muonStep([w], [grad], { momentum, secondMoment }, muon);
      expectSeen(w);
      w.assign(draw(SHAPE));
      expectSeen(w);
      w.assign(accumulate(w.clone(), draw(SHAPE)));
      expectSeen(w);
      // Another variable may get the same array.
      w.dispose();
      const next = tf.variable(tf.mul(draw(SHAPE), 2)) as tf.Variable;
      expectSeen(next);
      // They are packed again in the other precision.
      await useBackend('native', { precision: precision === 'fp32' ? 'bf16' : 'fp32' });
      expectSeen(next);
      tf.dispose([next, grad, ...moments, momentum, secondMoment]);
    });
});
