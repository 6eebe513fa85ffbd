// Dense linear algebra on row-major Float64Array for symmetric positive definite matrices: Cholesky, the inverse
// factor, triangular solves. Everything is a set of dot products of rows, taken 4 x 2 at a time so that each
// loaded number is used several times (about 3x faster than one by one in V8).

const dots = new Float64Array(8);

/**
 * dots[2 r + c] = sum over k in [from, to) of a[ia + r lda + k] b[ib + c ldb + k] for r < 4, c < 2.
 */
function dots4x2(
  a: Float64Array,
  ia: number,
  lda: number,
  b: Float64Array,
  ib: number,
  ldb: number,
  from: number,
  to: number,
): void {
  let s00 = 0;
  let s01 = 0;
  let s10 = 0;
  let s11 = 0;
  let s20 = 0;
  let s21 = 0;
  let s30 = 0;
  let s31 = 0;
  let p0 = ia + from;
  let p1 = p0 + lda;
  let p2 = p1 + lda;
  let p3 = p2 + lda;
  let q0 = ib + from;
  let q1 = q0 + ldb;
  const end = ib + to;
  while (q0 < end) {
    const b0 = b[q0++]!;
    const b1 = b[q1++]!;
    const a0 = a[p0++]!;
    const a1 = a[p1++]!;
    const a2 = a[p2++]!;
    const a3 = a[p3++]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s30 += a3 * b0;
    s31 += a3 * b1;
  }
  dots[0] = s00;
  dots[1] = s01;
  dots[2] = s10;
  dots[3] = s11;
  dots[4] = s20;
  dots[5] = s21;
  dots[6] = s30;
  dots[7] = s31;
}

/** Sum over k in [from, to) of a[ia + k] b[ib + k]. */
export function dot(
  a: Float64Array,
  ia: number,
  b: Float64Array,
  ib: number,
  from: number,
  to: number,
): number {
  let sum = 0;
  for (let k = from; k < to; k++) sum += a[ia + k]! * b[ib + k]!;
  return sum;
}

/**
 * Factors A = L L^T in place: the lower triangle of `a` [n, n] becomes L; the upper one is left as it was.
 * @returns false where A is not positive definite (the contents are then undefined)
 */
export function cholesky(a: Float64Array, n: number): boolean {
  for (let i0 = 0; i0 < n; i0 += 4) {
    const rows = Math.min(4, n - i0);
    let j = 0;
    if (rows === 4)
      for (; j + 1 < i0; j += 2) {
        dots4x2(a, i0 * n, n, a, j * n, n, 0, j);
        const d0 = 1 / a[j * n + j]!;
        const d1 = 1 / a[(j + 1) * n + j + 1]!;
        const off = a[(j + 1) * n + j]!;
        for (let r = 0; r < 4; r++) {
          const at = (i0 + r) * n + j;
          const x = (a[at]! - dots[2 * r]!) * d0;
          a[at] = x;
          a[at + 1] = (a[at + 1]! - dots[2 * r + 1]! - x * off) * d1;
        }
      }
    for (let i = i0; i < i0 + rows; i++) {
      for (let k = j; k < i; k++)
        a[i * n + k] = (a[i * n + k]! - dot(a, i * n, a, k * n, 0, k)) / a[k * n + k]!;
      const pivot = a[i * n + i]! - dot(a, i * n, a, i * n, 0, i);
      if (!(pivot > 0)) return false;
      a[i * n + i] = Math.sqrt(pivot);
    }
  }
  return true;
}

/**
 * The transposed inverse of a lower factor: U = L^-T, upper triangular (row j holds column j of L^-1).
 * @param u [n, n], overwritten, its lower triangle with zeros
 */
export function invertFactor(l: Float64Array, n: number, u: Float64Array): void {
  u.fill(0, 0, n * n);
  // Row i of L^-1 needs the rows above it: (L^-1)_ij = -sum_{k=j}^{i-1} L_ik (L^-1)_kj / L_ii. Rows i and i + 1
  // are made together; U's zeros before its diagonal make blocks of four columns possible.
  for (let i = 0; i < n; i += 2) {
    const two = i + 1 < n;
    const d0 = 1 / l[i * n + i]!;
    const d1 = two ? 1 / l[(i + 1) * n + i + 1]! : 0;
    const off = two ? l[(i + 1) * n + i]! : 0;
    let j = 0;
    for (; j + 3 < i; j += 4) {
      dots4x2(u, j * n, n, l, i * n, two ? n : 0, j, i);
      for (let r = 0; r < 4; r++) {
        const x = -dots[2 * r]! * d0;
        u[(j + r) * n + i] = x;
        if (two) u[(j + r) * n + i + 1] = -(dots[2 * r + 1]! + off * x) * d1;
      }
    }
    for (; j < i; j++) {
      const x = -dot(u, j * n, l, i * n, j, i) * d0;
      u[j * n + i] = x;
      if (two) u[j * n + i + 1] = -(dot(u, j * n, l, (i + 1) * n, j, i) + off * x) * d1;
    }
    u[i * n + i] = d0;
    if (two) {
      u[i * n + i + 1] = -off * d0 * d1;
      u[(i + 1) * n + i + 1] = d1;
    }
  }
}

/**
 * A^-1 = U U^T from the transposed inverse factor; both triangles are written.
 * @param inverse [n, n], overwritten
 */
export function inverseFromFactor(u: Float64Array, n: number, inverse: Float64Array): void {
  for (let i0 = 0; i0 < n; i0 += 4) {
    const rows = Math.min(4, n - i0);
    let j = 0;
    if (rows === 4)
      for (; j + 1 < i0; j += 2) {
        dots4x2(u, i0 * n, n, u, j * n, n, i0, n);
        for (let r = 0; r < 4; r++)
          for (let c = 0; c < 2; c++) {
            const x = dots[2 * r + c]!;
            inverse[(i0 + r) * n + j + c] = x;
            inverse[(j + c) * n + i0 + r] = x;
          }
      }
    for (let i = i0; i < i0 + rows; i++)
      for (let k = j; k <= i; k++) {
        const x = dot(u, i * n, u, k * n, i, n);
        inverse[i * n + k] = x;
        inverse[k * n + i] = x;
      }
  }
}

/** Solves L x = b in place. */
export function solveLower(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) b[i] = (b[i]! - dot(l, i * n, b, 0, 0, i)) / l[i * n + i]!;
}

/** Solves L^T x = b in place. */
export function solveLowerTransposed(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i]! / l[i * n + i]!;
    b[i] = x;
    for (let k = 0; k < i; k++) b[k]! -= l[i * n + k]! * x;
  }
}

/** y = A x for a row-major [n, n] matrix. */
export function multiply(a: Float64Array, n: number, x: Float64Array, y: Float64Array): void {
  let i = 0;
  for (; i + 3 < n; i += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let p0 = i * n;
    let p1 = p0 + n;
    let p2 = p1 + n;
    let p3 = p2 + n;
    for (let k = 0; k < n; k++) {
      const v = x[k]!;
      s0 += a[p0++]! * v;
      s1 += a[p1++]! * v;
      s2 += a[p2++]! * v;
      s3 += a[p3++]! * v;
    }
    y[i] = s0;
    y[i + 1] = s1;
    y[i + 2] = s2;
    y[i + 3] = s3;
  }
  for (; i < n; i++) y[i] = dot(a, i * n, x, 0, 0, n);
}

/**
 * Squared norms of T k_c for several right-hand sides, T lower triangular: out[c] = |T k_c|^2.
 * @param t [n, n] lower triangular, zeros above the diagonal
 * @param k [count, n]; rows up to the next even count must be readable
 */
export function triangularNorms(
  t: Float64Array,
  n: number,
  k: Float64Array,
  count: number,
  out: Float64Array,
): void {
  out.fill(0, 0, count);
  for (let c = 0; c < count; c += 2) {
    const pair = c + 1 < count;
    let sum0 = 0;
    let sum1 = 0;
    let i = 0;
    for (; i + 3 < n; i += 4) {
      dots4x2(t, i * n, n, k, c * n, pair ? n : 0, 0, i + 4);
      sum0 += dots[0]! ** 2 + dots[2]! ** 2 + dots[4]! ** 2 + dots[6]! ** 2;
      sum1 += dots[1]! ** 2 + dots[3]! ** 2 + dots[5]! ** 2 + dots[7]! ** 2;
    }
    for (; i < n; i++) {
      sum0 += dot(t, i * n, k, c * n, 0, i + 1) ** 2;
      if (pair) sum1 += dot(t, i * n, k, (c + 1) * n, 0, i + 1) ** 2;
    }
    out[c] = sum0;
    if (pair) out[c + 1] = sum1;
  }
}

/** Transposes [n, n] into `out`. */
export function transpose(a: Float64Array, n: number, out: Float64Array): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) out[j * n + i] = a[i * n + j]!;
}

/** out[c, s] = a_s . k_c for the rows a_s of [samples, n] and k_c of [count, n]. */
export function rowDots(
  a: Float64Array,
  samples: number,
  k: Float64Array,
  count: number,
  n: number,
  out: Float64Array,
): void {
  for (let c = 0; c < count; c += 2) {
    const pair = c + 1 < count;
    let s = 0;
    for (; s + 3 < samples; s += 4) {
      dots4x2(a, s * n, n, k, c * n, pair ? n : 0, 0, n);
      for (let r = 0; r < 4; r++) {
        out[c * samples + s + r] = dots[2 * r]!;
        if (pair) out[(c + 1) * samples + s + r] = dots[2 * r + 1]!;
      }
    }
    for (; s < samples; s++) {
      out[c * samples + s] = dot(a, s * n, k, c * n, 0, n);
      if (pair) out[(c + 1) * samples + s] = dot(a, s * n, k, (c + 1) * n, 0, n);
    }
  }
}

/** y = L x for the lower triangle of a row-major [n, n] matrix. */
export function multiplyLower(l: Float64Array, n: number, x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < n; i++) y[i] = dot(l, i * n, x, 0, 0, i + 1);
}
