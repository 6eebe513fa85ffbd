// The fused kernels' cases of the self-test, in shapes that cross the borders of tiles, vectors and warps. Values are
// compared with references in double precision; gradients along random directions with differences of the same
// references, so that a chip or driver on which a kernel goes wrong is found before anything is trained on it.
//
// N rows, C width, H heads, G kv heads, D head width, T sequence, V vocabulary.

import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../base/random.js';
import type { SelfCheck } from '../selfTest.js';
import { POLAR_EXPRESS } from './kernels/polarExpress.js';

type Vec = Float64Array;
type Info = tf.Tensor | tf.Variable;

/** Rounding through some hundred additions; in bf16 of every operand of a product. */
const TOLERANCE = { fp32: 5e-5, bf16: 4e-2 };
/** Muon's polynomials amplify roundings up to eightfold an iteration. */
const MUON_TOLERANCE = { fp32: 1e-3, bf16: 0.25 };
const DIRECTIONS = 3;
const STEP = 1e-5;
const EPSILON = 2 ** -23;

/** A differentiable kernel and its reference. */
interface Case {
  name: string;
  /** Shapes of the inputs that are differentiated. */
  shapes: number[][];
  /** The value, from the inputs as flat arrays. */
  reference(inputs: Vec[]): Vec;
  /** The value and, from its gradient, those of the inputs. */
  run(inputs: tf.Tensor[]): { value: tf.Tensor; backward(dy: tf.Tensor): tf.Tensor[] };
}

function values(purpose: string, size: number, scale = 1): Vec {
  const random = randomStream(0, `self-test.cuda.${purpose}`);
  return Float64Array.from({ length: size }, () => Math.fround(scale * (2 * random.uniform() - 1)));
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const tensorOf = (x: Vec, shape: number[]): tf.Tensor => tf.tensor(Float32Array.from(x), shape, 'float32');
const dot = (a: Vec, b: Vec): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
const kernel = (
  name: string,
  inputs: Record<string, Info>,
  attrs: Record<string, unknown> = {},
): tf.Tensor[] =>
  tf
    .engine()
    .runKernel(name, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap) as unknown as tf.Tensor[];

/** Value and gradients of a case in one list. */
function differentiable({ name, shapes, reference, run }: Case): SelfCheck {
  return {
    name,
    tolerance: TOLERANCE,
    run() {
      const inputs = shapes.map((shape, i) => values(`${name} ${i}`, sizeOf(shape)));
      const expected = reference(inputs);
      const tensors = inputs.map((input, i) => tensorOf(input, shapes[i]!));
      const { value, backward } = run(tensors);
      const dy = values(`${name} dy`, expected.length, expected.length > 1 ? 1 : 0).map((v) => v || 1);
      const grads = backward(tensorOf(dy, value.shape));
      const got = [tf.reshape(value, [-1])];
      const along: number[] = [];
      grads.forEach((grad, i) => {
        for (let d = 0; d < DIRECTIONS; d++) {
          const size = inputs[i]!.length;
          const direction = values(`${name} ${i} ${d}`, size, size ** -0.5);
          got.push(tf.reshape(tf.sum(tf.mul(grad, tensorOf(direction, shapes[i]!))), [1]));
          const at = (h: number) => {
            const moved = inputs.slice();
            moved[i] = inputs[i]!.map((v, j) => v + h * direction[j]!);
            return dot(reference(moved), dy);
          };
          along.push((at(STEP) - at(-STEP)) / (2 * STEP));
        }
      });
      return { got: tf.concat(got as tf.Tensor1D[]), expected: [...expected, ...along] };
    },
  };
}

function linear(): Case {
  const [N, I, O] = [70, 48, 40];
  return {
    name: 'linear map',
    shapes: [
      [N, I],
      [O, I],
    ],
    reference: ([x, w]) =>
      Float64Array.from({ length: N * O }, (_, i) => {
        const [row, column] = [Math.floor(i / O), i % O];
        return dot(x!.subarray(row * I, (row + 1) * I), w!.subarray(column * I, (column + 1) * I));
      }),
    run: ([x, w]) => ({
      value: kernel('Linear', { x: x!, w: w! })[0]!,
      backward: (dy) => kernel('LinearGrad', { x: x!, w: w!, dy }),
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

function norm(width: number): Case {
  return {
    name: `RMS norm of rows of ${width}`,
    shapes: [[9, width]],
    reference: ([x]) => normalized(x!, width),
    run: ([x]) => {
      const [y, rstd] = kernel('RmsNorm', { x: x! }, { epsilon: EPSILON }) as [tf.Tensor, tf.Tensor];
      return { value: y, backward: (dy) => kernel('RmsNormGrad', { y, rstd, dy }) };
    },
  };
}

function rotary(): Case {
  const [T, H, D] = [5, 3, 16];
  const half = D / 2;
  const angle = (n: number, i: number) => (n % T) / 10 ** (i / half);
  const table = (f: (x: number) => number): Vec =>
    Float64Array.from({ length: T * half }, (_, i) => f(angle(Math.floor(i / half), i % half)));
  return {
    name: 'rotary embedding',
    shapes: [[2 * T, H * D]],
    reference: ([x]) =>
      normalized(
        x!.map((v, i) => {
          const [n, at] = [Math.floor(i / (H * D)), i % D];
          const a = angle(n, at % half);
          const other = x![at < half ? i + half : i - half]!;
          return v * Math.cos(a) + (at < half ? other : -other) * Math.sin(a);
        }),
        D,
      ),
    run: ([x]) => {
      const [cos, sin] = [tensorOf(table(Math.cos), [T, half]), tensorOf(table(Math.sin), [T, half])];
      const attrs = { heads: H, epsilon: EPSILON };
      const [y, rstd] = kernel('RotaryQkNorm', { x: x!, cos, sin }, attrs) as [tf.Tensor, tf.Tensor];
      return {
        value: y,
        backward: (dy) => kernel('RotaryQkNormGrad', { y, rstd, cos, sin, dy }, { heads: H }),
      };
    },
  };
}

/** Sequences longer than a tile, a window that ends within one, groups of two heads. */
function attention(D: number): Case {
  const [B, T, H, G, window] = [2, 70, 2, 1, 37];
  const shape = { batch: B, seq: T, heads: H, kvHeads: G, window };
  return {
    name: `attention, heads of ${D}`,
    shapes: [
      [B * T, H * D],
      [B * T, G * D],
      [B * T, G * D],
    ],
    reference: ([q, k, v]) => {
      const y = new Float64Array(B * T * H * D);
      for (let n = 0; n < B * T; n++)
        for (let h = 0; h < H; h++) {
          const query = q!.subarray((n * H + h) * D, (n * H + h + 1) * D);
          const group = Math.floor((h * G) / H);
          const first = Math.max(n - (n % T), n - window);
          const weights: number[] = [];
          for (let m = first; m <= n; m++)
            weights.push(
              Math.exp(dot(query, k!.subarray((m * G + group) * D, (m * G + group + 1) * D)) / Math.sqrt(D)),
            );
          const sum = weights.reduce((a, b) => a + b, 0);
          weights.forEach((weight, i) => {
            for (let d = 0; d < D; d++)
              y[(n * H + h) * D + d]! += (weight / sum) * v![((first + i) * G + group) * D + d]!;
          });
        }
      return y;
    },
    run: ([q, k, v]) => {
      const inputs = { q: q!, k: k!, v: v! };
      const [y, lse] = kernel('CausalAttention', inputs, shape) as [tf.Tensor, tf.Tensor];
      return { value: y, backward: (dy) => kernel('CausalAttentionGrad', { ...inputs, y, lse, dy }, shape) };
    },
  };
}

function gated(): Case {
  const [N, C, G, D, K] = [11, 40, 2, 12, 32];
  return {
    name: 'gated value embedding',
    shapes: [
      [N, G * D],
      [N, G * D],
      [N, C],
      [G, K],
    ],
    reference: ([v, ve, x, w]) =>
      v!.map((value, i) => {
        const [n, g] = [Math.floor(i / (G * D)), Math.floor((i % (G * D)) / D)];
        const z = dot(x!.subarray(n * C, n * C + K), w!.subarray(g * K, (g + 1) * K));
        return value + (2 / (1 + Math.exp(-z))) * ve![i]!;
      }),
    run: ([v, ve, x, w]) => {
      const [y, gate] = kernel('GatedValueEmbedding', { v: v!, ve: ve!, x: x!, gateWeight: w! }) as [
        tf.Tensor,
        tf.Tensor,
      ];
      return {
        value: y,
        backward: (dy) => [
          dy,
          ...kernel('GatedValueEmbeddingGrad', { ve: ve!, x: x!, gateWeight: w!, gate, dy }),
        ],
      };
    },
  };
}

function squaredRelu(): Case {
  return {
    name: 'squared ReLU',
    shapes: [[3, 1500]],
    reference: ([x]) => x!.map((v) => Math.max(v, 0) ** 2),
    run: ([x]) => {
      const y = kernel('ReluSquared', { x: x! })[0]!;
      return { value: y, backward: (dy) => kernel('ReluSquaredGrad', { y, dy }) };
    },
  };
}

function residual(): Case {
  const layer = 1;
  return {
    name: 'residual mix',
    shapes: [[7, 700], [7, 700], [3], [3]],
    reference: ([x, x0, a, b]) => x!.map((v, i) => a![layer]! * v + b![layer]! * x0![i]!),
    run: ([x, x0, residLambdas, x0Lambdas]) => {
      const inputs = { x: x!, x0: x0!, residLambdas: residLambdas!, x0Lambdas: x0Lambdas! };
      return {
        value: kernel('ResidualMix', inputs, { layer })[0]!,
        backward: (dy) => kernel('ResidualMixGrad', { ...inputs, dy }, { layer }),
      };
    },
  };
}

function head(): Case {
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
      const attrs = { softcap: cap, reduction: 'mean', withGrad: true };
      const [loss, dx, dw] = kernel('LmHeadCrossEntropy', inputs, attrs) as [tf.Tensor, tf.Tensor, tf.Tensor];
      return { value: loss, backward: () => [dx, dw] };
    },
  };
}

/** More tokens than one block sorts, ids that repeat and ids that are absent. */
function embedding(): Case {
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
        value: kernel('Embedding', { table: table!, ids: tokens })[0]!,
        backward: (dy) => kernel('EmbeddingGrad', { ids: tokens, dy }, { rows: V }),
      };
    },
  };
}

/** Variables with these values, out of the scope's care while they are stepped. */
function withVariables<T>(inputs: Vec[], shapes: number[][], use: (variables: tf.Variable[]) => T): T {
  const variables = inputs.map((input, i) => {
    const initial = tensorOf(input, shapes[i]!);
    const variable = tf.variable(initial, false);
    initial.dispose();
    return variable;
  });
  try {
    return use(variables);
  } finally {
    for (const variable of variables) variable.dispose();
  }
}

function adamw(): SelfCheck {
  const sizes = [5000, 3];
  const settings = { lr: 0.1, beta1: 0.8, beta2: 0.95, eps: 1e-10, weightDecay: 0.2, step: 3 };
  return {
    name: 'AdamW',
    tolerance: TOLERANCE,
    run() {
      const { lr, beta1, beta2, eps, weightDecay, step } = settings;
      const expected: number[] = [];
      const got = sizes.flatMap((size, i) => {
        const [p, m, v, g] = ['p', 'm', 'v', 'g'].map((name) => values(`AdamW ${name} ${i}`, size)) as [
          Vec,
          Vec,
          Vec,
          Vec,
        ];
        const second = v.map(Math.abs);
        p.forEach((value, j) => {
          const average = m[j]! + (1 - beta1) * (g[j]! - m[j]!);
          const square = second[j]! + (1 - beta2) * (g[j]! ** 2 - second[j]!);
          const scale = Math.sqrt(square / (1 - beta2 ** step)) + eps;
          expected.push(value * (1 - lr * weightDecay) - ((lr / (1 - beta1 ** step)) * average) / scale);
        });
        return withVariables([p, m, second], [[size], [size], [size]], ([param, expAvg, expAvgSq]) => {
          kernel(
            'AdamWStep',
            { param: param!, expAvg: expAvg!, expAvgSq: expAvgSq!, grad: tensorOf(g, [size]) },
            settings,
          );
          return tf.mul(param!, 2);
        });
      });
      return { got: tf.div(tf.concat(got as tf.Tensor1D[]), 2), expected };
    },
  };
}

const multiply = (a: Vec, b: Vec, m: number, k: number, n: number): Vec =>
  Float64Array.from({ length: m * n }, (_, i) => {
    let sum = 0;
    for (let t = 0; t < k; t++) sum += a[Math.floor(i / n) * k + t]! * b[t * n + (i % n)]!;
    return sum;
  });

/** One matrix [R,S], its state from zero: the update of src/optim/muon.ts in double precision. */
function muonReference(w: Vec, g: Vec, R: number, S: number, settings: Record<string, number>): Vec {
  const { lr, momentum, beta2, weightDecay, nsSteps } = settings as Record<
    'lr' | 'momentum' | 'beta2' | 'weightDecay' | 'nsSteps',
    number
  >;
  const u = g.map((v) => v + momentum * ((1 - momentum) * v - v));
  const scale = 1 / (1.02 * Math.sqrt(dot(u, u)) + 1e-6);
  let x = u.map((v) => v * scale);
  const transposed = (a: Vec) =>
    Float64Array.from({ length: R * S }, (_, i) => a[(i % R) * S + Math.floor(i / R)]!);
  for (const [a, b, c] of POLAR_EXPRESS.slice(0, nsSteps)) {
    const wide = R <= S;
    const side = Math.min(R, S);
    const gram = wide ? multiply(x, transposed(x), R, S, R) : multiply(transposed(x), x, S, R, S);
    const square = multiply(gram, gram, side, side, side);
    const polynomial = gram.map((v, i) => b * v + c * square[i]!);
    const product = wide ? multiply(polynomial, x, R, R, S) : multiply(x, polynomial, R, S, S);
    x = x.map((v, i) => a * v + product[i]!);
  }
  const [count, size] = [Math.max(R, S), Math.min(R, S)];
  const lineOf = (i: number) => (R >= S ? Math.floor(i / S) : i % S);
  const means = new Float64Array(count);
  x.forEach((v, i) => {
    means[lineOf(i)]! += v ** 2 / size;
  });
  const scales = means.map((mean) => 1 / Math.sqrt(Math.max((1 - beta2) * mean, 1e-10)));
  const total = means.reduce((sum, v) => sum + v * size, 0);
  const scaled = means.reduce((sum, v, i) => sum + v * size * scales[i]! ** 2, 0);
  const ratio = Math.sqrt(total) / Math.max(Math.sqrt(scaled), 1e-10);
  return w.map((v, i) => {
    const step = x[i]! * scales[lineOf(i)]! * ratio;
    return v - lr * (step + (step * v >= 0 ? weightDecay * v : 0));
  });
}

function muon(R: number, S: number): SelfCheck {
  const K = 3;
  const settings = { lr: 1, momentum: 0.9, beta2: 0.95, weightDecay: 0.1, nsSteps: 5 };
  return {
    name: `Muon, matrices of ${R} x ${S}`,
    tolerance: MUON_TOLERANCE,
    run() {
      // Diagonally dominant, so that no singular value is small and roundings are not blown up.
      const matrices = Array.from({ length: K }, (_, i) =>
        values(`Muon ${i}`, R * S, 0.1).map((v, j) => v + (Math.floor(j / S) === j % S ? 1 : 0)),
      );
      const weights = matrices.map((_, i) => values(`Muon weights ${i}`, R * S));
      const expected = matrices.flatMap((g, i) => [...muonReference(weights[i]!, g, R, S, settings)]);
      const shapes = [...weights.map(() => [R, S]), [K, R, S], R >= S ? [K, R, 1] : [K, 1, S]];
      const state = [new Float64Array(K * R * S), new Float64Array(K * Math.max(R, S))];
      const got = withVariables([...weights, ...state], shapes, (variables) => {
        const inputs: Record<string, Info> = { momentum: variables[K]!, secondMoment: variables[K + 1]! };
        for (let i = 0; i < K; i++) {
          inputs[`param${i}`] = variables[i]!;
          inputs[`grad${i}`] = tensorOf(matrices[i]!, [R, S]);
        }
        kernel('MuonStep', inputs, { ...settings, count: K });
        return tf.stack(variables.slice(0, K));
      });
      return { got: tf.reshape(got, [-1]), expected };
    },
  };
}

/**
 * The cases. Their shapes share macros, since every kernel that they take is compiled; a head of 64 numbers goes through
 * the tensor cores in bf16.
 */
export function fusedChecks(): SelfCheck[] {
  const cases = [
    linear(),
    norm(48),
    rotary(),
    attention(64),
    gated(),
    squaredRelu(),
    residual(),
    head(),
    embedding(),
  ];
  return [...cases.map(differentiable), adamw(), muon(24, 16), muon(8, 16)];
}
