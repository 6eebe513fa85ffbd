// A few layers made of every operation: what the tests of gradients and of agreement between backends run.

import * as tf from '@tensorflow/tfjs-core';
import {
  add,
  embedding,
  linear,
  lmHeadCrossEntropy,
  reluSquaredMlp,
  residualMixNorm,
  rmsNorm,
  selfAttention,
} from '../../src/ops/index.js';
import { random, randomIds, tensorOf } from './check.js';

/** Sizes: B batch, T sequence, H heads, G kv heads, D head width, C = H*D, V vocabulary, L layers. */
export interface Sizes {
  B: number;
  T: number;
  H: number;
  G: number;
  D: number;
  V: number;
  L: number;
}

/** Makes the parameters, their names prefixed, and the loss; `dispose` frees all of it. */
export function tinyModel({ B, T, H, G, D, V, L }: Sizes, prefix = '') {
  const C = H * D;
  const params = new Map<string, tf.Variable>();
  const make = (name: string, shape: number[], scale: number) => {
    const initial = tensorOf(random(name, shape, scale));
    const variable = tf.variable(initial, true, prefix + name);
    initial.dispose();
    params.set(prefix + name, variable);
    return variable as tf.Tensor;
  };
  const matrix = (name: string, rows: number, cols: number, scale = cols ** -0.5) =>
    make(name, [rows, cols], scale) as tf.Tensor2D;
  const wte = matrix('wte', V, C, 1);
  const head = matrix('head', V, C, 0.1);
  const resid = make('resid', [L], 1) as tf.Tensor1D;
  const first = make('first', [L], 1) as tf.Tensor1D;
  const layers = Array.from({ length: L }, (_, layer) => ({
    q: matrix(`${layer}.q`, C, C),
    k: matrix(`${layer}.k`, G * D, C),
    v: matrix(`${layer}.v`, G * D, C),
    o: matrix(`${layer}.o`, C, C),
    gate: matrix(`${layer}.gate`, G, Math.min(C, 4)),
    ve: matrix(`${layer}.ve`, V, G * D, 1),
    fc: matrix(`${layer}.fc`, 4 * C, C),
    proj: matrix(`${layer}.proj`, C, 4 * C),
  }));
  const angles = Float32Array.from(
    { length: (T * D) / 2 },
    (_, i) => Math.floor(i / (D / 2)) / (1 + (i % (D / 2))),
  );
  const cos = tf.tensor2d(angles.map(Math.cos), [T, D / 2]);
  const sin = tf.tensor2d(angles.map(Math.sin), [T, D / 2]);
  const ids = tf.tensor1d(randomIds('ids', B * T, V), 'int32');
  const targets = tf.tensor1d(
    randomIds('targets', B * T, V).map((id, i) => (i % 5 === 2 ? -1 : id)),
    'int32',
  );

  const block = (x: tf.Tensor2D, x0: tf.Tensor2D, layer: number) => {
    const w = layers[layer]!;
    const [mixed, h] = residualMixNorm(x, x0, resid, first, layer);
    const values = { ve: embedding(w.ve, ids), gateWeight: w.gate };
    const input = { x: h, wq: w.q, wk: w.k, wv: w.v, cos, sin, qkNorm: true, values };
    const shape = { batch: B, seq: T, heads: H, kvHeads: G, window: layer % 2 ? T : Math.floor(T / 2) };
    const attended = add(mixed, linear(selfAttention(input, shape), w.o));
    return reluSquaredMlp(rmsNorm(attended), w.fc, w.proj, attended);
  };
  const loss = (): tf.Scalar => {
    const x0 = rmsNorm(embedding(wte, ids));
    let x = x0;
    for (let layer = 0; layer < L; layer++) x = tf.tidy(() => block(x, x0, layer));
    return lmHeadCrossEntropy(rmsNorm(x), head, targets, { softcap: 15, reduction: 'mean' }) as tf.Scalar;
  };
  return { params, loss, dispose: () => tf.dispose([...params.values(), cos, sin, ids, targets]) };
}
