import { afterEach, beforeEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { trackPeak } from '../../src/backend/memory.js';
import { UsageError } from '../../src/base/errors.js';
import { add, differentiable, leanGrads, reluSquared } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from './check.js';
import { tinyModel } from './tinyModel.js';

const SIZES = { B: 2, T: 6, H: 4, G: 2, D: 4, V: 13, L: 3 };

/** Sum of all elements, differentiable. */
const total = (x: tf.Tensor): tf.Scalar =>
  differentiable([x], () => ({
    value: tf.sum(x) as tf.Scalar,
    saved: [],
    backward: (dy) => [tf.mul(tf.fill(x.shape, 1), dy)],
  }));

describeEachBackend('leanGrads', () => {
  let model: ReturnType<typeof tinyModel>;
  let before = 0;
  beforeEach(() => {
    model = tinyModel(SIZES);
    before = tf.memory().numTensors;
  });
  afterEach(() => {
    const after = tf.memory().numTensors;
    model.dispose();
    expect(after).toBe(before);
  });

  test('equals tf.variableGrads bit for bit', async () => {
    const stock = tf.variableGrads(model.loss, [...model.params.values()]);
    const lean = leanGrads(model.loss, model.params);
    expect(await lean.value.data()).toEqual(await stock.value.data());
    expect(Object.keys(lean.grads).sort()).toEqual(Object.keys(stock.grads).sort());
    for (const [name, grad] of Object.entries(lean.grads)) {
      expect(grad.shape).toEqual(stock.grads[name]!.shape);
      expect(await grad.data()).toEqual(await stock.grads[name]!.data());
    }
    tf.dispose([stock.value, stock.grads, lean.value, lean.grads]);
  });

  test('is deterministic', async () => {
    await tidyAsync(async () => {
      const [a, b] = [0, 1].map(() => leanGrads(model.loss, model.params).grads);
      for (const name of Object.keys(a!)) expect(await a![name]!.data()).toEqual(await b![name]!.data());
    });
  });

  test('value and gradients belong to the tidy around the call', () => {
    tf.tidy(() => {
      leanGrads(model.loss, model.params);
    });
  });

  test('takes less memory than tf.variableGrads', () => {
    const deep = tinyModel({ B: 4, T: 16, H: 4, G: 4, D: 8, V: 32, L: 6 }, 'deep.');
    tf.tidy(() => {
      const watch = trackPeak();
      const start = watch.bytes();
      tf.variableGrads(deep.loss, [...deep.params.values()]);
      const stock = watch.bytes() - start;
      watch.stop();
      const seen = leanGrads(deep.loss, deep.params, { onGrad: () => {} });
      expect(seen.grads).toEqual({});
      const [lean, kept] = [seen.peakBytes, leanGrads(deep.loss, deep.params).peakBytes].map(
        (bytes) => bytes - start,
      );
      // 6 layers: activations and all their gradients against activations and those of one layer.
      expect(lean!).toBeLessThan(0.6 * stock);
      expect(lean!).toBeLessThan(kept!);
      expect(kept!).toBeLessThan(stock);
    });
    deep.dispose();
  });

  test('onGrad is called with each gradient once, when it is complete, and may change the parameter', async () => {
    const reference = leanGrads(model.loss, model.params);
    const kept = new Map<string, tf.Tensor>();
    const seen: string[] = [];
    const { value, grads } = leanGrads(model.loss, model.params, {
      onGrad: (name, grad) => {
        const variable = model.params.get(name)!;
        seen.push(name);
        kept.set(name, tf.keep(tf.clone(grad)));
        expect(tf.backend().refCount(variable.dataId)).toBe(1);
        tf.tidy(() => variable.assign(tf.add(variable, 1)));
      },
    });
    expect(grads).toEqual({});
    for (const [name, grad] of kept) expect(await grad.data()).toEqual(await reference.grads[name]!.data());
    tf.dispose([value, reference.value, reference.grads, ...kept.values()]);
    expect([...seen].sort()).toEqual([...model.params.keys()].sort());
    expect(seen.indexOf('2.proj')).toBeLessThan(seen.indexOf('1.proj'));
    // The lambdas have a share in each layer; the first layer's is the last.
    expect(seen.indexOf('resid')).toBeGreaterThan(seen.indexOf('0.q'));
    expect(seen[0]).toBe('head');
    expect(seen.at(-1)).toBe('wte');
  });

  test('a gradient kept by onGrad is returned', () => {
    const { value, grads } = leanGrads(model.loss, model.params, {
      onGrad: (name, grad) => {
        if (name === 'head') tf.keep(grad);
      },
    });
    expect(Object.keys(grads)).toEqual(['head']);
    expect(grads.head!.isDisposed).toBe(false);
    tf.dispose([value, grads]);
  });

  test('a parameter without a path has no entry; one used twice has the sum', async () => {
    await tidyAsync(async () => {
      const used = tf.variable(tf.tensor1d([1, -2, 3]), true, 'used');
      const idle = tf.variable(tf.tensor1d([1]), true, 'idle');
      const params = new Map(Object.entries({ used, idle }));
      const { value, grads } = leanGrads(() => total(add(add(used, used), reluSquared(used))), params);
      expect((await value.data())[0]).toBe(14);
      expect(Object.keys(grads)).toEqual(['used']);
      expect(Array.from(await grads.used!.data())).toEqual([4, 2, 8]);
      tf.dispose([used, idle]);
    });
  });

  test('a value that is independent of all parameters has no gradients', () => {
    tf.tidy(() => {
      expect(leanGrads(() => tf.scalar(2), model.params).grads).toEqual({});
    });
  });

  const failing: [string, () => unknown, string | RegExp][] = [
    [
      'f throws half way',
      () =>
        leanGrads(() => {
          model.loss();
          throw new Error('half way');
        }, model.params),
      'half way',
    ],
    [
      'an operation throws inside its forward computation',
      () => leanGrads(() => total(add(model.loss(), tf.zeros([2]) as tf.Tensor as tf.Scalar)), model.params),
      'of one shape',
    ],
    [
      'a gradient throws',
      () =>
        leanGrads(() => {
          const loss = model.loss();
          return differentiable([loss], () => ({
            value: tf.mul(loss, 2) as tf.Scalar,
            saved: [loss],
            backward: () => {
              throw new Error('no way back');
            },
          }));
        }, model.params),
      'no way back',
    ],
    [
      'onGrad throws in the middle',
      () =>
        leanGrads(model.loss, model.params, {
          onGrad: (name) => {
            if (name === '1.q') throw new Error('step failed');
          },
        }),
      'step failed',
    ],
    [
      'f returns a vector',
      () =>
        leanGrads(() => tf.tile(tf.reshape(model.loss(), [1]), [2]) as unknown as tf.Scalar, model.params),
      'Expected f to return a float32 scalar, got float32 [2]',
    ],
    [
      'f returns nothing',
      () => leanGrads((() => {}) as unknown as () => tf.Scalar, model.params),
      'Expected f to return a float32 scalar, got undefined',
    ],
    [
      'it is called inside another gradient',
      () => tf.variableGrads(() => leanGrads(model.loss, model.params).value, [...model.params.values()]),
      'outside of any other gradient',
    ],
  ];
  for (const [title, run, message] of failing) {
    test(`leaves no tensor behind and works again when ${title}`, () => {
      expect(run).toThrow(message);
      expect(tf.memory().numTensors).toBe(before);
      tf.tidy(() => {
        expect(Object.keys(leanGrads(model.loss, model.params).grads).length).toBe(model.params.size);
      });
    });
  }

  test('an operation without a gradient is named', () => {
    if (tf.getGradient('Erf')) return; // tfjs-node brings the gradients of all stock operations
    const run = () => leanGrads(() => tf.erf(model.loss()), model.params);
    expect(run).toThrow(UsageError);
    expect(run).toThrow(
      'Expected a gradient for Erf, found none registered; use the operations of tinygpt/ops',
    );
  });
});
