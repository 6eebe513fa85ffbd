// Every operation of src/ops as plain loops on float64 arrays: what the tests differentiate numerically.
// B batch, T sequence, N = B*T, C width, H query heads, G kv heads, D head width, V vocabulary.

import type { AttentionShape } from '../../src/ops/index.js';

export type Vec = Float64Array;

const EPSILON = 2 ** -23;

const make = (n: number, value: (i: number) => number): Vec =>
  Float64Array.from({ length: n }, (_, i) => value(i));

const dot = (a: Vec, i: number, b: Vec, j: number, n: number): number => {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += a[i + k]! * b[j + k]!;
  return sum;
};

export const add = (a: Vec, b: Vec): Vec => make(a.length, (i) => a[i]! + b[i]!);

export const reluSquared = (x: Vec): Vec => x.map((value) => Math.max(value, 0) ** 2);

export const scale = (x: Vec, factor: number): Vec => x.map((value) => factor * value);

export const gelu = (x: Vec): Vec =>
  x.map((v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))));

export const swiglu = (gate: Vec, up: Vec): Vec =>
  make(gate.length, (i) => (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!);

export const residualMix = (x: Vec, x0: Vec, resid: Vec, first: Vec, layer: number): Vec =>
  make(x.length, (i) => resid[layer]! * x[i]! + first[layer]! * x0[i]!);

export const embedding = (table: Vec, ids: ArrayLike<number>, width: number): Vec =>
  make(ids.length * width, (i) => table[ids[Math.floor(i / width)]! * width + (i % width)]!);

/** Rows of `width` scaled to a root mean square of one. */
export function rmsNorm(x: Vec, width: number): Vec {
  return make(x.length, (i) => {
    const row = i - (i % width);
    return x[i]! / Math.sqrt(dot(x, row, x, row, width) / width + EPSILON);
  });
}

/** x [N,I], w [O,I] -> [N,O]. */
export function linear(x: Vec, w: Vec, inputs: number): Vec {
  const outputs = w.length / inputs;
  return make((x.length / inputs) * outputs, (i) =>
    dot(x, Math.floor(i / outputs) * inputs, w, (i % outputs) * inputs, inputs),
  );
}

/** x [N,H*D], cos and sin [T,D/2]. */
export function rotary(x: Vec, cos: Vec, sin: Vec, seq: number, heads: number): Vec {
  const half = cos.length / seq;
  const y = x.slice();
  for (let pair = 0; pair < x.length / (2 * half); pair++) {
    const position = Math.floor(pair / heads) % seq;
    for (let i = 0; i < half; i++) {
      const [c, s] = [cos[position * half + i]!, sin[position * half + i]!];
      const first = pair * 2 * half + i;
      y[first] = x[first]! * c + x[first + half]! * s;
      y[first + half] = -x[first]! * s + x[first + half]! * c;
    }
  }
  return y;
}

export const rotaryQkNorm = (...args: Parameters<typeof rotary>): Vec =>
  rmsNorm(rotary(...args), (2 * args[1].length) / args[3]);

/** v, ve [N,G*D], x [N,C], gate [G,K]. */
export function gatedValueEmbedding(v: Vec, ve: Vec, x: Vec, gate: Vec, rows: number, kvHeads: number): Vec {
  const [width, channels, kv] = [x.length / rows, gate.length / kvHeads, v.length / rows];
  return make(v.length, (i) => {
    const row = Math.floor(i / kv);
    const head = Math.floor((i % kv) / (kv / kvHeads));
    const z = dot(x, row * width, gate, head * channels, channels);
    return v[i]! + (2 / (1 + Math.exp(-z))) * ve[i]!;
  });
}

/** q [N,H*D], k and v [N,G*D]. */
export function causalAttention(q: Vec, k: Vec, v: Vec, shape: AttentionShape): Vec {
  const { batch, seq, heads, kvHeads, window } = shape;
  const width = q.length / (batch * seq * heads);
  const y = new Float64Array(q.length);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const g = Math.floor(h / (heads / kvHeads));
      const key = (j: number) => ((b * seq + j) * kvHeads + g) * width;
      for (let i = 0; i < seq; i++) {
        const query = ((b * seq + i) * heads + h) * width;
        const first = Math.max(0, i - window);
        const scores: number[] = [];
        for (let j = first; j <= i; j++) scores.push(dot(q, query, k, key(j), width) / Math.sqrt(width));
        const highest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((a, b) => a + b);
        for (const [n, weight] of weights.entries()) {
          for (let d = 0; d < width; d++) y[query + d]! += (weight / total) * v[key(first + n) + d]!;
        }
      }
    }
  }
  return y;
}

export const lmHeadLogits = (x: Vec, w: Vec, width: number, softcap: number): Vec =>
  linear(x, w, width).map((z) => softcap * Math.tanh(z / softcap));

/** Loss of each token, 0 where the target is -1. */
export function lmHeadLosses(
  x: Vec,
  w: Vec,
  targets: ArrayLike<number>,
  width: number,
  softcap: number,
): Vec {
  const vocab = w.length / width;
  const logits = lmHeadLogits(x, w, width, softcap);
  return make(targets.length, (i) => {
    if (targets[i] === -1) return 0;
    const row = logits.subarray(i * vocab, (i + 1) * vocab);
    const highest = row.reduce((a, b) => Math.max(a, b));
    const total = row.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
    return highest + Math.log(total) - row[targets[i]!]!;
  });
}

export function lmHeadCrossEntropy(
  x: Vec,
  w: Vec,
  targets: ArrayLike<number>,
  { width, softcap, reduction }: { width: number; softcap: number; reduction: 'mean' | 'sum' | 'none' },
): Vec {
  const losses = lmHeadLosses(x, w, targets, width, softcap);
  if (reduction === 'none') return losses;
  const count = Array.from(targets).filter((target) => target !== -1).length;
  const sum = losses.reduce((a, b) => a + b, 0);
  return Float64Array.of(reduction === 'sum' ? sum : count === 0 ? 0 : sum / count);
}
