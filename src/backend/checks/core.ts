// The cases of the self-test: shapes are small and odd, so that vector tails and edges are covered.

import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../base/random.js';
import type { SelfCheck } from '../types.js';

type Matrix = Float32Array;

/** Values in [-1, 1), the same on every machine. */
function values(purpose: string, size: number, scale = 1): Matrix {
  const random = randomStream(0, `self-test.${purpose}`);
  return Float32Array.from({ length: size }, () => scale * (2 * random.uniform() - 1));
}

function tensor(data: ArrayLike<number>, shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.Tensor {
  return tf.tensor(dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data), shape, dtype);
}

/** The built-in cases. */
export function coreChecks(): SelfCheck[] {
  return [
    product('product', 1, 33, 65, 19, false, false),
    product('product, a transposed', 1, 19, 67, 35, true, false),
    product('product, b transposed', 1, 35, 17, 67, false, true),
    product('product, one row', 1, 1, 48, 101, false, false),
    product('batched product', 6, 9, 16, 11, false, false),
    product('batched product, a transposed', 5, 13, 7, 8, true, false),
    product('batched product, b transposed', 5, 12, 8, 13, false, true),
    embedding(),
    embeddingGradient(),
    softmax('softmax', 0),
    softmax('softmax far from zero', 300),
    logSumExp('log-sum-exp', 0),
    logSumExp('log-sum-exp far from zero', 300),
    rmsNorm(),
    softcap(),
    reluSquared(),
    rotary(),
    headsToFront(),
    sums(),
    integers(),
    notANumber(),
  ];
}

function product(
  name: string,
  batch: number,
  m: number,
  k: number,
  n: number,
  transposeA: boolean,
  transposeB: boolean,
): SelfCheck {
  return {
    name,
    run() {
      const a = values('a', batch * m * k);
      const b = values('b', batch * k * n);
      const expected = new Float64Array(batch * m * n);
      for (let i = 0; i < batch; i++)
        for (let r = 0; r < m; r++)
          for (let c = 0; c < n; c++) {
            let sum = 0;
            for (let t = 0; t < k; t++) {
              const left = transposeA ? a[i * m * k + t * m + r]! : a[i * m * k + r * k + t]!;
              const right = transposeB ? b[i * k * n + c * k + t]! : b[i * k * n + t * n + c]!;
              sum += left * right;
            }
            expected[i * m * n + r * n + c] = sum;
          }
      const x = tensor(a, [batch, ...(transposeA ? [k, m] : [m, k])]);
      const y = tensor(b, [batch, ...(transposeB ? [n, k] : [k, n])]);
      return { got: tf.matMul(x, y, transposeA, transposeB), expected };
    },
  };
}

const IDS = [3, 0, 10, 3, 3, 7, 10, 1, 9];
const ROWS = 11;
const WIDTH = 5;

function embedding(): SelfCheck {
  return {
    name: 'embedding',
    run() {
      const table = values('table', ROWS * WIDTH);
      return {
        got: tf.gather(tensor(table, [ROWS, WIDTH]), tensor(IDS, [IDS.length], 'int32')),
        expected: IDS.flatMap((id) => Array.from(table.subarray(id * WIDTH, (id + 1) * WIDTH))),
      };
    },
  };
}

function embeddingGradient(): SelfCheck {
  return {
    name: 'embedding gradient',
    run() {
      const rows = values('rows', IDS.length * WIDTH);
      const expected = new Float64Array(ROWS * WIDTH);
      IDS.forEach((id, i) => {
        for (let j = 0; j < WIDTH; j++) expected[id * WIDTH + j]! += rows[i * WIDTH + j]!;
      });
      const ids = tensor(IDS, [IDS.length], 'int32') as tf.Tensor1D;
      return { got: tf.unsortedSegmentSum(tensor(rows, [IDS.length, WIDTH]), ids, ROWS), expected };
    },
  };
}

/** Rows of [7, 13] logits around `offset`, one of them far below all others; f maps each row. */
function overRows(
  name: string,
  offset: number,
  op: (x: tf.Tensor) => tf.Tensor,
  f: (row: number[]) => number[],
): SelfCheck {
  return {
    name,
    run() {
      const x = values('rows of logits', 7 * 13, 12).map((v) => v + offset);
      x[5] = -1e9;
      const rows = Array.from({ length: 7 }, (_, i) => Array.from(x.subarray(13 * i, 13 * (i + 1))));
      return { got: op(tensor(x, [7, 13])), expected: rows.flatMap(f) };
    },
  };
}

function lse(row: number[]): number {
  const max = Math.max(...row);
  return max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
}

const softmax = (name: string, offset: number) =>
  overRows(
    name,
    offset,
    (x) => tf.softmax(x),
    (row) => row.map((v) => Math.exp(v - lse(row))),
  );

const logSumExp = (name: string, offset: number) =>
  overRows(
    name,
    offset,
    (x) => tf.logSumExp(x, -1),
    (row) => [lse(row)],
  );

function rmsNorm(): SelfCheck {
  return {
    name: 'RMS norm',
    run() {
      const x = values('norm', 5 * 37, 3);
      const got = tf.tidy(() => {
        const t = tensor(x, [5, 37]);
        return tf.mul(t, tf.rsqrt(tf.add(tf.mean(tf.square(t), -1, true), 2 ** -23)));
      });
      const expected = Array.from(x, (v, i) => {
        const row = x.subarray(37 * Math.floor(i / 37), 37 * (1 + Math.floor(i / 37)));
        return v / Math.sqrt(row.reduce((sum, w) => sum + w * w, 0) / 37 + 2 ** -23);
      });
      return { got, expected };
    },
  };
}

/** Values one by one: an error near zero must not hide behind a large value. */
function elementwise(
  name: string,
  scale: number,
  op: (x: tf.Tensor) => tf.Tensor,
  f: (v: number) => number,
): SelfCheck {
  return {
    name,
    run() {
      const x = values(name, 101, scale);
      return { got: op(tensor(x, [101])), expected: Array.from(x, f) };
    },
  };
}

const softcap = () =>
  elementwise(
    'softcap',
    60,
    (x) => tf.mul(15, tf.tanh(tf.div(x, 15))),
    (v) => 15 * Math.tanh(v / 15),
  );

const reluSquared = () =>
  elementwise(
    'squared ReLU and its derivative',
    2,
    (x) => tf.add(tf.square(tf.relu(x)), tf.mul(2, tf.relu(x))),
    (v) => (v > 0 ? v * v + 2 * v : 0),
  );

function rotary(): SelfCheck {
  return {
    name: 'halves split, rotated and joined',
    run() {
      const [rows, half] = [6, 5];
      const x = values('rotary', rows * 2 * half);
      const angle = values('angle', rows * half, 3);
      const expected = new Float64Array(x.length);
      for (let r = 0; r < rows; r++)
        for (let j = 0; j < half; j++) {
          const [u, v] = [x[r * 2 * half + j]!, x[r * 2 * half + half + j]!];
          const a = angle[r * half + j]!;
          expected[r * 2 * half + j] = u * Math.cos(a) + v * Math.sin(a);
          expected[r * 2 * half + half + j] = v * Math.cos(a) - u * Math.sin(a);
        }
      const t = tensor(x, [rows, 2 * half]);
      const [u, v] = [tf.slice(t, [0, 0], [rows, half]), tf.slice(t, [0, half], [rows, half])];
      const [cos, sin] = [tf.cos(tensor(angle, [rows, half])), tf.sin(tensor(angle, [rows, half]))];
      const first = tf.add(tf.mul(u, cos), tf.mul(v, sin));
      const second = tf.sub(tf.mul(v, cos), tf.mul(u, sin));
      return { got: tf.concat([first, second], 1), expected };
    },
  };
}

function headsToFront(): SelfCheck {
  return {
    name: 'heads moved in front of positions',
    run() {
      const [b, t, h, d] = [2, 5, 3, 7];
      const x = values('heads', b * t * h * d);
      const expected = new Float64Array(x.length);
      for (let i = 0; i < b; i++)
        for (let j = 0; j < h; j++)
          for (let k = 0; k < t; k++)
            for (let l = 0; l < d; l++)
              expected[((i * h + j) * t + k) * d + l] = x[((i * t + k) * h + j) * d + l]!;
      return { got: tf.transpose(tensor(x, [b, t, h, d]), [0, 2, 1, 3]), expected };
    },
  };
}

function sums(): SelfCheck {
  return {
    name: 'sums over rows, columns and all, broadcast back',
    run() {
      const [rows, cols] = [9, 21];
      const x = values('sums', rows * cols);
      const row = new Float64Array(rows);
      const col = new Float64Array(cols);
      x.forEach((v, i) => {
        row[Math.floor(i / cols)]! += v;
        col[i % cols]! += v;
      });
      const all = row.reduce((sum, v) => sum + v, 0);
      const t = tensor(x, [rows, cols]);
      const got = tf.add(tf.mul(tf.sum(t, 1, true), tf.sum(t, 0)), tf.sum(t));
      return { got, expected: Array.from(x, (_, i) => row[Math.floor(i / cols)]! * col[i % cols]! + all) };
    },
  };
}

function integers(): SelfCheck {
  return {
    name: 'int32 beyond the exact range of float32',
    run() {
      const ids = [2 ** 24 + 1, -5, 0, 2 ** 31 - 1, -(2 ** 31)];
      const t = tf.concat([tensor(ids, [5], 'int32'), tensor([7], [1], 'int32')]);
      return { got: tf.slice(t, [0], [6]), expected: [...ids, 7] };
    },
    tolerance: { fp32: 0, bf16: 0 },
  };
}

function notANumber(): SelfCheck {
  return {
    name: 'NaN and infinity kept through a product, a sum and tanh',
    run() {
      const a = tensor([1, Number.NaN, 2, 3], [2, 2]);
      const p = tf.sum(tf.matMul(a, tensor([1, 0, 0, 1], [2, 2])), 1);
      const t = tf.tanh(tensor([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], [3]));
      return { got: tf.concat([p, t]), expected: [Number.NaN, 5, Number.NaN, 1, -1] };
    },
  };
}
