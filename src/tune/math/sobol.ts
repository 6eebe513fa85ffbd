// Scrambled Sobol points: low-discrepancy sequences in [0, 1)^d for startup designs and candidate sets.
// Directions: Joe & Kuo, SIAM J. Sci. Comput. 30 (2008), their first 64 dimensions. Scrambling: nested uniform
// (Owen) by hashing, Laine & Karras (2011) with the constants of Burley, JCGT 9(4), 2020, so that every prefix
// of 2^k points stays balanced and the points of two seeds are independent.

import { randomStream } from '../../base/random.js';

/** Dimensions with their own directions; further ones are filled with independent uniform numbers. */
export const SOBOL_DIMENSIONS = 64;

// From the second dimension on: primitive polynomial (with both end bits), then the initial m_1, m_2, ...
const TABLE = [
  '3 1',
  '7 1 3',
  '11 1 3 1',
  '13 1 1 1',
  '19 1 1 3 3',
  '25 1 3 5 13',
  '37 1 1 5 5 17',
  '41 1 1 5 5 5',
  '47 1 1 7 11 19',
  '55 1 1 5 1 1',
  '59 1 1 1 3 11',
  '61 1 3 5 5 31',
  '67 1 3 3 9 7 49',
  '91 1 1 1 15 21 21',
  '97 1 3 1 13 27 49',
  '103 1 1 1 15 7 5',
  '109 1 3 1 15 13 25',
  '115 1 1 5 5 19 61',
  '131 1 3 7 11 23 15 103',
  '137 1 3 7 13 13 15 69',
  '143 1 1 3 13 7 35 63',
  '145 1 3 5 9 1 25 53',
  '157 1 3 1 13 9 35 107',
  '167 1 3 1 5 27 61 31',
  '171 1 1 5 11 19 41 61',
  '185 1 3 5 3 3 13 69',
  '191 1 1 7 13 1 19 1',
  '193 1 3 7 5 13 19 59',
  '203 1 1 3 9 25 29 41',
  '211 1 3 5 13 23 1 55',
  '213 1 3 7 3 13 59 17',
  '229 1 3 1 3 5 53 69',
  '239 1 1 5 5 23 33 13',
  '241 1 1 7 7 1 61 123',
  '247 1 1 7 9 13 61 49',
  '253 1 3 3 5 3 55 33',
  '285 1 3 1 15 31 13 49 245',
  '299 1 3 5 15 31 59 63 97',
  '301 1 3 1 11 11 11 77 249',
  '333 1 3 1 11 27 43 71 9',
  '351 1 1 7 15 21 11 81 45',
  '355 1 3 7 3 25 31 65 79',
  '357 1 3 1 1 19 11 3 205',
  '361 1 1 5 9 19 21 29 157',
  '369 1 3 7 11 1 33 89 185',
  '391 1 3 3 3 15 9 79 71',
  '397 1 3 7 11 15 39 119 27',
  '425 1 1 3 1 11 31 97 225',
  '451 1 1 1 3 23 43 57 177',
  '463 1 3 7 7 17 17 37 71',
  '487 1 3 1 5 27 63 123 213',
  '501 1 1 3 5 11 43 53 133',
  '529 1 3 5 5 29 17 47 173 479',
  '539 1 3 3 11 3 1 109 9 69',
  '545 1 1 1 5 17 39 23 5 343',
  '557 1 3 1 5 25 15 31 103 499',
  '563 1 1 1 11 11 17 63 105 183',
  '601 1 1 5 11 9 29 97 231 363',
  '607 1 1 5 15 19 45 41 7 383',
  '617 1 3 7 7 31 19 83 137 221',
  '623 1 1 1 3 23 15 111 223 83',
  '631 1 1 5 13 31 15 55 25 161',
  '637 1 1 3 13 25 47 39 87 257',
];

/** Direction numbers v_1..v_32 of one dimension as 32-bit fractions. */
function directions(dimension: number): Uint32Array {
  const v = new Uint32Array(32);
  if (dimension === 0) {
    for (let i = 0; i < 32; i++) v[i] = 2 ** (31 - i);
    return v;
  }
  const [polynomial, ...m] = TABLE[dimension - 1]!.split(' ').map(Number) as [number, ...number[]];
  const degree = m.length;
  for (let i = 0; i < 32; i++) {
    if (i < degree) {
      v[i] = m[i]! * 2 ** (31 - i);
      continue;
    }
    // v_i = v_{i-s} ^ (v_{i-s} >> s) ^ a_1 v_{i-1} ^ ... ^ a_{s-1} v_{i-s+1}
    let value = v[i - degree]! ^ (v[i - degree]! >>> degree);
    for (let k = 1; k < degree; k++) if ((polynomial >>> (degree - k)) & 1) value ^= v[i - k]!;
    v[i] = value >>> 0;
  }
  return v;
}

const cached: Uint32Array[] = [];

function reverseBits(x: number): number {
  x = ((x & 0x55555555) << 1) | ((x >>> 1) & 0x55555555);
  x = ((x & 0x33333333) << 2) | ((x >>> 2) & 0x33333333);
  x = ((x & 0x0f0f0f0f) << 4) | ((x >>> 4) & 0x0f0f0f0f);
  x = ((x & 0x00ff00ff) << 8) | ((x >>> 8) & 0x00ff00ff);
  return ((x << 16) | (x >>> 16)) >>> 0;
}

/** Owen scrambling of a 32-bit fraction: each bit is flipped by a hash of the bits above it. */
function scramble(x: number, seed: number): number {
  x = reverseBits(x);
  x = (x + seed) | 0;
  x ^= Math.imul(x, 0x6c50b47c);
  x ^= Math.imul(x, 0xb82f1e52);
  x ^= Math.imul(x, 0xc7afe638);
  x ^= Math.imul(x, 0x8d22f6e6);
  return reverseBits(x);
}

/**
 * Points `from` .. `from + count - 1` of the scrambled sequence.
 * @param seed fixes the scrambling, together with `purpose`
 * @returns [count, dimensions] row by row, each value in [0, 1)
 */
export function sobol(
  dimensions: number,
  count: number,
  seed: number | string,
  purpose: string,
  from = 0,
): Float64Array {
  const random = randomStream(seed, purpose);
  const points = new Float64Array(count * dimensions);
  for (let d = 0; d < dimensions; d++) {
    const key = random.int(2 ** 32) | 0;
    if (d >= SOBOL_DIMENSIONS) {
      const extra = randomStream(seed, `${purpose}/${d}`);
      for (let i = 0; i < from + count; i++) {
        const u = extra.uniform();
        if (i >= from) points[(i - from) * dimensions + d] = u;
      }
      continue;
    }
    const v = (cached[d] ??= directions(d));
    for (let i = 0; i < count; i++) {
      let x = 0;
      for (let bits = from + i, k = 0; bits; bits >>>= 1, k++) if (bits & 1) x ^= v[k]!;
      points[i * dimensions + d] = scramble(x >>> 0, key) / 4294967296;
    }
  }
  return points;
}
