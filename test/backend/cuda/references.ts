// Shared by the CUDA kernels' tests: random numbers, comparison, and plain loops in double precision as references.

import { expect } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';

/** `size` numbers in [-scale, scale), the same on every machine. */
export function numbers(purpose: string, size: number, scale = 1): Float32Array {
  const random = randomStream(1, `cuda-kernels.${purpose}`);
  return Float32Array.from({ length: size }, () => scale * (2 * random.uniform() - 1));
}

/** Whole numbers in [from, to). */
export function integers(purpose: string, size: number, from: number, to: number): Int32Array {
  const random = randomStream(1, `cuda-kernels.${purpose}`);
  return Int32Array.from({ length: size }, () => from + Math.floor(random.uniform() * (to - from)));
}

/** Every number within `tolerance` of the largest magnitude expected (at least 0.1), relative. */
export function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-6): void {
  expect(got.length).toBe(expected.length);
  let scale = 0.1;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(got[i]! - expected[i]!) <= tolerance * scale))
      throw new Error(`at ${i}: expected ${expected[i]} +- ${tolerance * scale}, got ${got[i]}`);
}

/** bfloat16 numbers as floats, and back. */
export const fromBf16 = (x: Uint16Array): Float32Array =>
  new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);
export function toBf16(x: Float32Array): Uint16Array {
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  return Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
}

export const sum = (n: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
};

/** Sizes of an attention as in src/ops/attention.ts. */
export interface AttentionSizes {
  B: number;
  T: number;
  H: number;
  G: number;
  D: number;
  window: number;
}

/** Attention and its gradient, query by query. */
export function attention(
  { B, T, H, G, D, window }: AttentionSizes,
  { q, k, v, dy }: Record<'q' | 'k' | 'v' | 'dy', Float32Array>,
) {
  const N = B * T;
  const scale = 1 / Math.sqrt(D);
  const [y, lse, delta] = [new Float64Array(N * H * D), new Float64Array(N * H), new Float64Array(N * H)];
  const [dq, dk, dv] = [
    new Float64Array(N * H * D),
    new Float64Array(N * G * D),
    new Float64Array(N * G * D),
  ];
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        const row = ((b * T + i) * H + h) * D;
        const keyAt = (j: number) => ((b * T + j) * G + Math.floor(h / (H / G))) * D;
        const first = Math.max(0, i - window);
        const scores: number[] = [];
        for (let j = first; j <= i; j++) scores.push(scale * sum(D, (d) => q[row + d]! * k[keyAt(j) + d]!));
        const top = Math.max(...scores);
        const total = scores.reduce((all, s) => all + Math.exp(s - top), 0);
        lse[row / D] = top + Math.log(total);
        const p = scores.map((s) => Math.exp(s - top) / total);
        p.forEach((weight, n) => {
          for (let d = 0; d < D; d++) y[row + d]! += weight * v[keyAt(first + n) + d]!;
        });
        delta[row / D] = sum(D, (d) => y[row + d]! * dy[row + d]!);
        p.forEach((weight, n) => {
          const at = keyAt(first + n);
          const dp = sum(D, (d) => dy[row + d]! * v[at + d]!);
          const ds = weight * (dp - delta[row / D]!) * scale;
          for (let d = 0; d < D; d++) {
            dv[at + d]! += weight * dy[row + d]!;
            dk[at + d]! += ds * q[row + d]!;
            dq[row + d]! += ds * k[at + d]!;
          }
        });
      }
  return { y, lse, delta, dq, dk, dv };
}
