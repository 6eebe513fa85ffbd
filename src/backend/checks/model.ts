// The cases of the model's fused kernels, in shapes that cross the borders of tiles, vectors and warps.
//
// N rows, C width, H heads, G kv heads, D head width, T sequence, V vocabulary.

import * as tf from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../contract.js';
import { runFused } from '../fused.js';
import { type Case, dot, tensorOf, type Vec } from './case.js';

const EPSILON = 2 ** -23;

/** y [N,O] = x [N,I] w [O,I]^T and its gradients, whose depths are I, O and N. */
export function linear(N: number, I: number, O: number): Case {
  return {
    name: `linear map of ${N} rows, ${I} to ${O}`,
    shapes: [
      [N, I],
      [O, I],
    ],
    reference: ([x, w]) => mapped(x!, w!, I),
    run: ([x, w]) => ({
      value: runFused('Linear', { x: x!, w: w! })[0]!,
      backward: (dy) => runFused('LinearGrad', { x: x!, w: w!, dy }),
    }),
  };
}

/** Rows of D numbers scaled to a root mean square of one. */
function normalized(x: Vec, D: number): Vec {
  return x.map((v, i) => {
    const row = x.subarray(i - (i % D), i - (i % D) + D);
    return v / Math.sqrt(dot(row, row) / D + EPSILON);
  });
}

export function norm(width: number): Case {
  return {
    name: `RMS norm of rows of ${width}`,
    shapes: [[9, width]],
    reference: ([x]) => normalized(x!, width),
    run: ([x]) => {
      const [y, rstd] = runFused('RmsNorm', { x: x! }, { epsilon: EPSILON, residual: false });
      return { value: y, backward: (dy) => runFused('RmsNormGrad', { y, rstd, dy }) };
    },
  };
}

/** The table of a function of angles, [T, D/2], and rows of heads turned by those of their positions. */
function turning(T: number, D: number) {
  const half = D / 2;
  const angle = (n: number, i: number) => (n % T) / 10 ** (i / half);
  const table = (f: (x: number) => number): Vec =>
    Float64Array.from({ length: T * half }, (_, i) => f(angle(Math.floor(i / half), i % half)));
  const turned = (x: Vec, width: number): Vec =>
    x.map((v, i) => {
      const [n, at] = [Math.floor(i / width), i % D];
      const a = angle(n, at % half);
      const other = x[at < half ? i + half : i - half]!;
      return v * Math.cos(a) + (at < half ? other : -other) * Math.sin(a);
    });
  const tables = () => ({
    cos: tensorOf(table(Math.cos), [T, half]),
    sin: tensorOf(table(Math.sin), [T, half]),
  });
  return { turned, tables };
}

export function rotary(): Case {
  const [T, H, D] = [5, 3, 16];
  const { turned, tables } = turning(T, D);
  return {
    name: 'rotary embedding',
    shapes: [[2 * T, H * D]],
    reference: ([x]) => normalized(turned(x!, H * D), D),
    run: ([x]) => {
      const { cos, sin } = tables();
      const attrs = { heads: H, epsilon: EPSILON };
      const [y, rstd] = runFused('RotaryQkNorm', { x: x!, cos, sin }, attrs);
      return {
        value: y,
        backward: (dy) => runFused('RotaryQkNormGrad', { y, rstd, cos, sin, dy }, { heads: H }),
      };
    },
  };
}

/** Attention query by query. */
function attended(q: Vec, k: Vec, v: Vec, shape: AttentionShape, D: number): Vec {
  const { batch: B, seq: T, heads: H, kvHeads: G, window } = shape;
  const y = new Float64Array(B * T * H * D);
  for (let n = 0; n < B * T; n++)
    for (let h = 0; h < H; h++) {
      const query = q.subarray((n * H + h) * D, (n * H + h + 1) * D);
      const group = Math.floor((h * G) / H);
      const first = Math.max(n - (n % T), n - window);
      const weights: number[] = [];
      for (let m = first; m <= n; m++)
        weights.push(
          Math.exp(dot(query, k.subarray((m * G + group) * D, (m * G + group + 1) * D)) / Math.sqrt(D)),
        );
      const sum = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, i) => {
        for (let d = 0; d < D; d++)
          y[(n * H + h) * D + d]! += (weight / sum) * v[((first + i) * G + group) * D + d]!;
      });
    }
  return y;
}

/** Sequences longer than a tile, a window that ends within one, groups of two heads. */
export function attention(D: number): Case {
  const [B, T, H, G, window] = [2, 70, 2, 1, 37];
  const shape = { batch: B, seq: T, heads: H, kvHeads: G, window };
  return {
    name: `attention, heads of ${D}`,
    shapes: [
      [B * T, H * D],
      [B * T, G * D],
      [B * T, G * D],
    ],
    reference: ([q, k, v]) => attended(q!, k!, v!, shape, D),
    run: ([q, k, v]) => {
      const inputs = { q: q!, k: k!, v: v! };
      const [y, lse] = runFused('CausalAttention', inputs, shape);
      return {
        value: y,
        backward: (dy) => runFused('CausalAttentionGrad', { ...inputs, y, lse, dy }, shape),
      };
    },
  };
}

/** A linear map of rows. */
function mapped(x: Vec, w: Vec, width: number): Vec {
  const [rows, columns] = [x.length / width, w.length / width];
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [n, o] = [Math.floor(i / columns), i % columns];
    return dot(x.subarray(n * width, (n + 1) * width), w.subarray(o * width, (o + 1) * width));
  });
}

/** Value embeddings [N, G*D] added to v, by gates that see the first K of the C channels of x. */
const opened = (
  v: Vec,
  ve: Vec,
  x: Vec,
  w: Vec,
  { C, G, D, K }: Record<'C' | 'G' | 'D' | 'K', number>,
): Vec =>
  v.map((value, i) => {
    const [n, g] = [Math.floor(i / (G * D)), Math.floor((i % (G * D)) / D)];
    const z = dot(x.subarray(n * C, n * C + K), w.subarray(g * K, (g + 1) * K));
    return value + (2 / (1 + Math.exp(-z))) * ve[i]!;
  });

/** Rows of a table by id, some of them several times. */
function rowsById(N: number, V: number, width: number) {
  const ids = Int32Array.from({ length: N }, (_, n) => (n * n) % (V - 1));
  const at = (i: number) => ids[Math.floor(i / width)]! * width + (i % width);
  return {
    reference: (table: Vec): Vec => Float64Array.from({ length: N * width }, (_, i) => table[at(i)]!),
    take: (table: tf.Tensor, residual: boolean) =>
      runFused('Embedding', { table, ids: tf.tensor1d(ids, 'int32') }, { residual })[0],
    gradient: (dy: tf.Tensor) =>
      runFused('EmbeddingGrad', { ids: tf.tensor1d(ids, 'int32'), dy }, { rows: V })[0],
  };
}

/** From its input on, groups of two heads. @param K channels of the gate of a table's values; without, no value embeddings */
export function selfAttention(D: number, C: number, K?: number): Case {
  const [batch, seq, heads, kvHeads, window] = [2, 35, 2, 1, 20];
  const shape = { batch, seq, heads, kvHeads, window };
  const [N, wide, narrow] = [batch * seq, heads * D, kvHeads * D];
  const { turned, tables } = turning(seq, D);
  const V = 9;
  const values = rowsById(N, V, narrow);
  const weights = [
    [wide, C],
    [narrow, C],
    [narrow, C],
  ];
  return {
    name: `self-attention${K ? ' with value embeddings' : ''}, heads of ${D}`,
    shapes: [
      [N, C],
      ...weights,
      ...(K
        ? [
            [V, narrow],
            [kvHeads, K],
          ]
        : []),
    ],
    reference: ([x, wq, wk, wv, table, gateWeight]) => {
      const [q, k, v] = [wq, wk, wv].map((w) => mapped(x!, w!, C)) as [Vec, Vec, Vec];
      const sizes = { C, G: kvHeads, D };
      const sum = K ? opened(v, values.reference(table!), x!, gateWeight!, { ...sizes, K }) : v;
      const [turnedQ, turnedK] = [turned(q, wide), turned(k, narrow)];
      return attended(normalized(turnedQ, D), normalized(turnedK, D), sum, shape, D);
    },
    run: ([x, wq, wk, wv, table, gateWeight]) => {
      const weights = { x: x!, wq: wq!, wk: wk!, wv: wv!, ...tables() };
      const inputs = K ? { ...weights, ve: values.take(table!, false), gateWeight: gateWeight! } : weights;
      const [y, qkv, rstd, lse, gate] = runFused('SelfAttention', inputs, { ...shape, epsilon: EPSILON });
      const kept = { ...inputs, y, qkv, rstd, lse, ...(gate && { gate }) };
      return {
        value: y,
        backward: (dy) => {
          const [dx, dwq, dwk, dwv, dve, dGate] = runFused('SelfAttentionGrad', { ...kept, dy }, shape);
          return [dx, dwq, dwk, dwv, ...(dve && dGate ? [values.gradient(dve), dGate] : [])];
        },
      };
    },
  };
}

export function gated(): Case {
  const [N, C, G, D, K] = [11, 40, 2, 12, 32];
  return {
    name: 'gated value embedding',
    shapes: [
      [N, G * D],
      [N, G * D],
      [N, C],
      [G, K],
    ],
    reference: ([v, ve, x, w]) => opened(v!, ve!, x!, w!, { C, G, D, K }),
    run: ([v, ve, x, w]) => {
      const [y, gate] = runFused('GatedValueEmbedding', { v: v!, ve: ve!, x: x!, gateWeight: w! });
      return {
        value: y,
        backward: (dy) => [
          dy,
          ...runFused('GatedValueEmbeddingGrad', { ve: ve!, x: x!, gateWeight: w!, gate, dy }),
        ],
      };
    },
  };
}

export function squaredRelu(): Case {
  return {
    name: 'squared ReLU',
    shapes: [[3, 1500]],
    reference: ([x]) => x!.map((v) => Math.max(v, 0) ** 2),
    run: ([x]) => {
      const y = runFused('ReluSquared', { x: x! })[0]!;
      return { value: y, backward: (dy) => runFused('ReluSquaredGrad', { y, dy }) };
    },
  };
}

/** @param C width, @param M hidden */
export function mlp(C: number, M: number): Case {
  const N = 70;
  return {
    name: 'MLP with squared ReLU',
    shapes: [
      [N, C],
      [M, C],
      [C, M],
      [N, C],
    ],
    reference: ([x, wFc, wProj, sum]) => {
      const hidden = mapped(x!, wFc!, C).map((v) => Math.max(v, 0) ** 2);
      return mapped(hidden, wProj!, M).map((v, i) => v + sum![i]!);
    },
    run: ([x, wFc, wProj, sum]) => {
      const inputs = { x: x!, wFc: wFc!, wProj: wProj! };
      const [y, hidden] = runFused('ReluSquaredMlp', { ...inputs, sum: sum! });
      return {
        value: y,
        backward: (dy) => [...runFused('ReluSquaredMlpGrad', { ...inputs, hidden, dy }), tf.clone(dy)],
      };
    },
  };
}

export function residual(): Case {
  const layer = 1;
  return {
    name: 'residual mix',
    shapes: [[7, 700], [7, 700], [3], [3]],
    reference: ([x, x0, a, b]) => x!.map((v, i) => a![layer]! * v + b![layer]! * x0![i]!),
    run: ([x, x0, residLambdas, x0Lambdas]) => {
      const inputs = { x: x!, x0: x0!, residLambdas: residLambdas!, x0Lambdas: x0Lambdas! };
      return {
        value: runFused('ResidualMix', inputs, { layer })[0]!,
        backward: (dy) => runFused('ResidualMixGrad', { ...inputs, dy }, { layer }),
      };
    },
  };
}

/** Both results in one, which a linear map of them weighs. @param byId x0 is the norm of rows of a table */
export function mixedNorm(width: number, byId = false): Case {
  const [layer, N, V] = [1, 7, 5];
  const rows = rowsById(N, V, width);
  const start = (x0: Vec) => (byId ? normalized(rows.reference(x0), width) : x0);
  const mixed = ([x, given, a, b]: Vec[]) => {
    const x0 = start(given!);
    return x!.map((v, i) => a![layer]! * v + b![layer]! * x0[i]!);
  };
  return {
    name: `residual mix and its norm${byId ? ' from rows of a table' : ''}`,
    shapes: [[N, width], [byId ? V : N, width], [3], [3]],
    reference: (inputs) => Float64Array.from([...mixed(inputs), ...normalized(mixed(inputs), width)]),
    run: ([x, given, residLambdas, x0Lambdas]) => {
      const normed = byId
        ? runFused('RmsNorm', { x: rows.take(given!, true) }, { epsilon: EPSILON, residual: true })
        : undefined;
      const x0 = normed?.[0] ?? given!;
      const inputs = { x: x!, x0, residLambdas: residLambdas!, x0Lambdas: x0Lambdas! };
      const [mixed, y, rstd] = runFused('ResidualMixNorm', inputs, { layer, epsilon: EPSILON });
      return {
        value: tf.concat([mixed, y]),
        backward: (dy) => {
          const [dMixed, dNorm] = tf.split(dy as tf.Tensor2D, 2) as [tf.Tensor2D, tf.Tensor2D];
          const gradients = { ...inputs, y, rstd, dMixed, dy: dNorm };
          const [dx, dx0, ...dLambdas] = runFused('ResidualMixNormGrad', gradients, { layer });
          if (!normed) return [dx, dx0, ...dLambdas];
          const dRows = runFused('RmsNormGrad', { y: normed[0], rstd: normed[1], dy: dx0 })[0];
          return [dx, rows.gradient(dRows), ...dLambdas];
        },
      };
    },
  };
}

export function head(): Case {
  const [N, C, V, cap] = [37, 24, 301, 15];
  const targets = Int32Array.from({ length: N }, (_, i) => (i % 9 === 4 ? -1 : (i * 97) % V));
  const counted = targets.filter((id) => id >= 0).length;
  return {
    name: 'head and cross-entropy',
    shapes: [
      [N, C],
      [V, C],
    ],
    reference: ([x, w]) => {
      let loss = 0;
      for (let n = 0; n < N; n++) {
        if (targets[n]! < 0) continue;
        const logits = Array.from({ length: V }, (_, v) => {
          const z = dot(x!.subarray(n * C, (n + 1) * C), w!.subarray(v * C, (v + 1) * C));
          return cap * Math.tanh(z / cap);
        });
        loss += Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[targets[n]!]!;
      }
      return Float64Array.of(loss / counted);
    },
    run: ([x, w]) => {
      const inputs = { x: x!, w: w!, targets: tf.tensor1d(targets, 'int32') };
      const attrs = { softcap: cap, reduction: 'mean', withGrad: true } as const;
      const [loss, dx, dw] = runFused('LmHeadCrossEntropy', inputs, attrs);
      return { value: loss, backward: () => [dx!, dw!] };
    },
  };
}

/** More tokens than one block sorts, ids that repeat and ids that are absent. */
export function embedding(): Case {
  const [N, V, W] = [1100, 150, 20];
  const ids = Int32Array.from({ length: N }, (_, i) => (i * i) % (V - 7));
  return {
    name: 'embedding and its gradient',
    shapes: [[V, W]],
    reference: ([table]) =>
      Float64Array.from({ length: N * W }, (_, i) => table![ids[Math.floor(i / W)]! * W + (i % W)]!),
    run: ([table]) => {
      const tokens = tf.tensor1d(ids, 'int32');
      return {
        value: runFused('Embedding', { table: table!, ids: tokens }, { residual: false })[0]!,
        backward: (dy) => runFused('EmbeddingGrad', { ids: tokens, dy }, { rows: V }),
      };
    },
  };
}
