// A backend's fused kernels are used where registered, with the documented inputs, attributes and outputs.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { KernelName } from '../../src/backend/contract.js';
import {
  causalAttention,
  embedding,
  gatedValueEmbedding,
  hasKernel,
  linear,
  lmHeadCrossEntropy,
  RMS_EPSILON,
  reluSquared,
  residualMix,
  rmsNorm,
  rotaryQkNorm,
} from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from './check.js';

/** A fused kernel that fills its outputs with first, first + 1, ... */
type Fake = { kernel: KernelName; inputs: string[]; attrs?: object; outputs: number[][]; first: number };
type Call = { kernel: string; inputs: string[]; attrs: object };

const calls: Call[] = [];
/** Fakes that are registered, and what each took the place of. */
const registered: { kernel: string; backend: string; own: tf.KernelConfig | undefined }[] = [];

function register({ kernel, outputs, first }: Fake): void {
  const backend = tf.getBackend();
  const own = tf.getKernel(kernel, backend);
  if (own) tf.unregisterKernel(kernel, backend);
  registered.push({ kernel, backend, own });
  tf.registerKernel({
    kernelName: kernel,
    backendName: backend,
    kernelFunc: ({ inputs, attrs }) => {
      calls.push({ kernel, inputs: Object.keys(inputs), attrs: { ...attrs } });
      return outputs.map((shape, i) => tf.fill(shape, first + i));
    },
  });
}

const ids = (values: number[]) => tf.tensor1d(values, 'int32');
const shape = { batch: 1, seq: 2, heads: 2, kvHeads: 1, window: 1 };

/** Per operation: a call on inputs of ones, its kernels, and the value and gradients that follow from their outputs. */
const CASES: {
  name: string;
  run: (inputs: tf.Tensor[]) => tf.Tensor;
  inputs: number[][];
  forward?: Fake;
  backward?: Fake;
  value?: number;
  grads: (number | undefined)[];
}[] = [
  {
    name: 'embedding',
    run: ([table]) => embedding(table as tf.Tensor2D, ids([1, 0, 1])),
    inputs: [[4, 2]],
    forward: {
      kernel: 'Embedding',
      inputs: ['table', 'ids'],
      attrs: { residual: false },
      outputs: [[3, 2]],
      first: 5,
    },
    backward: {
      kernel: 'EmbeddingGrad',
      inputs: ['ids', 'dy'],
      attrs: { rows: 4 },
      outputs: [[4, 2]],
      first: 7,
    },
    value: 5,
    grads: [7],
  },
  {
    name: 'rmsNorm',
    run: ([x]) => rmsNorm(x as tf.Tensor2D),
    inputs: [[2, 3]],
    forward: {
      kernel: 'RmsNorm',
      inputs: ['x'],
      attrs: { epsilon: RMS_EPSILON, residual: false },
      outputs: [
        [2, 3],
        [2, 1],
      ],
      first: 5,
    },
    backward: { kernel: 'RmsNormGrad', inputs: ['y', 'rstd', 'dy'], outputs: [[2, 3]], first: 7 },
    value: 5,
    grads: [7],
  },
  {
    name: 'linear',
    run: ([x, w]) => linear(x as tf.Tensor2D, w as tf.Tensor2D),
    inputs: [
      [2, 3],
      [4, 3],
    ],
    forward: { kernel: 'Linear', inputs: ['x', 'w'], outputs: [[2, 4]], first: 5 },
    backward: {
      kernel: 'LinearGrad',
      inputs: ['x', 'w', 'dy'],
      outputs: [
        [2, 3],
        [4, 3],
      ],
      first: 7,
    },
    value: 5,
    grads: [7, 8],
  },
  {
    name: 'rotaryQkNorm',
    run: ([x]) => rotaryQkNorm(x as tf.Tensor2D, tf.ones([2, 1]), tf.zeros([2, 1]), { heads: 3 }),
    inputs: [[4, 6]],
    forward: {
      kernel: 'RotaryQkNorm',
      inputs: ['x', 'cos', 'sin'],
      attrs: { heads: 3, epsilon: RMS_EPSILON },
      outputs: [
        [4, 6],
        [12, 1],
      ],
      first: 5,
    },
    backward: {
      kernel: 'RotaryQkNormGrad',
      inputs: ['y', 'rstd', 'cos', 'sin', 'dy'],
      attrs: { heads: 3 },
      outputs: [[4, 6]],
      first: 7,
    },
    value: 5,
    grads: [7],
  },
  {
    name: 'gatedValueEmbedding',
    run: (inputs) => gatedValueEmbedding(...(inputs as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D])),
    inputs: [
      [2, 6],
      [2, 6],
      [2, 4],
      [3, 4],
    ],
    forward: {
      kernel: 'GatedValueEmbedding',
      inputs: ['v', 've', 'x', 'gateWeight'],
      outputs: [
        [2, 6],
        [2, 3],
      ],
      first: 5,
    },
    backward: {
      kernel: 'GatedValueEmbeddingGrad',
      inputs: ['ve', 'x', 'gateWeight', 'gate', 'dy'],
      outputs: [
        [2, 6],
        [2, 4],
        [3, 4],
      ],
      first: 7,
    },
    value: 5,
    grads: [1, 7, 8, 9],
  },
  {
    name: 'causalAttention',
    run: ([q, k, v]) => causalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, shape),
    inputs: [
      [2, 4],
      [2, 2],
      [2, 2],
    ],
    forward: {
      kernel: 'CausalAttention',
      inputs: ['q', 'k', 'v'],
      attrs: shape,
      outputs: [
        [2, 4],
        [2, 2],
      ],
      first: 5,
    },
    backward: {
      kernel: 'CausalAttentionGrad',
      inputs: ['q', 'k', 'v', 'y', 'lse', 'dy'],
      attrs: shape,
      outputs: [
        [2, 4],
        [2, 2],
        [2, 2],
      ],
      first: 7,
    },
    value: 5,
    grads: [7, 8, 9],
  },
  {
    name: 'reluSquared',
    run: ([x]) => reluSquared(x!),
    inputs: [[2, 3]],
    forward: { kernel: 'ReluSquared', inputs: ['x'], outputs: [[2, 3]], first: 5 },
    backward: { kernel: 'ReluSquaredGrad', inputs: ['y', 'dy'], outputs: [[2, 3]], first: 7 },
    value: 5,
    grads: [7],
  },
  {
    name: 'residualMix',
    run: ([x, x0, a, b]) =>
      residualMix(x as tf.Tensor2D, x0 as tf.Tensor2D, a as tf.Tensor1D, b as tf.Tensor1D, 1),
    inputs: [[2, 3], [2, 3], [4], [4]],
    forward: {
      kernel: 'ResidualMix',
      inputs: ['x', 'x0', 'residLambdas', 'x0Lambdas'],
      attrs: { layer: 1 },
      outputs: [[2, 3]],
      first: 5,
    },
    backward: {
      kernel: 'ResidualMixGrad',
      inputs: ['x', 'x0', 'residLambdas', 'x0Lambdas', 'dy'],
      attrs: { layer: 1 },
      outputs: [[2, 3], [2, 3], [4], [4]],
      first: 7,
    },
    value: 5,
    grads: [7, 8, 9, 10],
  },
  {
    name: 'lmHeadCrossEntropy',
    run: ([x, w]) =>
      lmHeadCrossEntropy(x as tf.Tensor2D, w as tf.Tensor2D, ids([0, -1]), {
        softcap: 15,
        reduction: 'mean',
      }),
    inputs: [
      [2, 3],
      [4, 3],
    ],
    forward: {
      kernel: 'LmHeadCrossEntropy',
      inputs: ['x', 'w', 'targets'],
      attrs: { softcap: 15, reduction: 'mean', withGrad: true },
      outputs: [[], [2, 3], [4, 3]],
      first: 5,
    },
    value: 5,
    grads: [6, 7],
  },
];

describeEachBackend('fused kernels', () => {
  afterEach(() => {
    for (const { kernel, backend, own } of registered.splice(0)) {
      tf.unregisterKernel(kernel, backend);
      if (own) tf.registerKernel(own);
    }
    calls.length = 0;
  });

  for (const { name, run, inputs, forward, backward, value, grads } of CASES) {
    const fakes = [forward, backward].filter((fake) => fake !== undefined);

    test(`${name} uses ${fakes.map((fake) => fake.kernel).join(' and ')} where registered`, async () => {
      fakes.forEach(register);
      const tensors = inputs.map((shape) => tf.ones(shape));
      const before = tf.memory().numTensors;
      await tidyAsync(async () => {
        const f = (...xs: tf.Tensor[]) => tf.tidy(() => run(xs));
        const { value: y, grads: dxs } = tf.valueAndGrads(f)(tensors);
        expect(calls).toEqual(fakes.map(({ kernel, inputs, attrs = {} }) => ({ kernel, inputs, attrs })));
        expect(Array.from(await y.data()).every((element) => element === value)).toBe(true);
        expect(dxs.map((dx) => dx.shape)).toEqual(inputs);
        const sets = await Promise.all(dxs.map(async (dx) => new Set(await dx.data())));
        expect(sets).toEqual(grads.map((grad) => new Set([grad])));
      });
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose(tensors);
    });

    test(`${name} falls back to stock operations without ${fakes[0]!.kernel}`, () => {
      if (hasKernel(fakes[0]!.kernel)) return; // a backend with kernels of its own
      tf.tidy(() => {
        tf.valueAndGrads((...xs: tf.Tensor[]) => tf.tidy(() => run(xs)))(
          inputs.map((shape) => tf.ones(shape)),
        );
      });
      expect(calls).toEqual([]);
    });
  }
});
