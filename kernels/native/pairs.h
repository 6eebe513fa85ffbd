// The parts of gemm.c for pairs of bfloat16 (AVX512-BF16): packing, and the kernel. A panel of B is [K/2][NR] pairs of
// rows; A is rows of pairs of columns, or where it is stored transposed a panel [K/2][MR].
#pragma once
#include "bf16.h"
#include "gemm.h"
#include "transpose.h"
#include <immintrin.h>

// Lane i: a[i] in the lower half, b[i] in the upper.
INLINE __m512i join(__m512 a, __m512 b) {
  __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
  __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// Neighbours of one row: lane i holds a[2i] and a[2i+1], of n floats, zeros beyond.
INLINE __m512i neighbours(const float *a, long n) {
  __mmask16 first = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
  __mmask16 second = n >= 32 ? 0xffff : n <= 16 ? 0 : (__mmask16)((1u << (n - 16)) - 1);
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, n > 16 ? a + 16 : a),
                                      _mm512_maskz_loadu_ps(first, a));
}

static void pack_pairs(int tb, long K, long N, const float *B, long ldb, long j, uint32_t *out) {
  long cols = MIN(NR, N - j);
  if (!tb) {
    __mmask16 m0 = cols >= 16 ? 0xffff : (__mmask16)((1u << cols) - 1);
    __mmask16 m1 = cols >= 32 ? 0xffff : cols <= 16 ? 0 : (__mmask16)((1u << (cols - 16)) - 1);
    for (long k = 0; k < K; k += 2, out += NR) {
      const float *b = B + k * ldb + j, *c = b + ldb;
      __mmask16 n0 = k + 1 < K ? m0 : 0, n1 = k + 1 < K ? m1 : 0;
      const float *b1 = m1 ? b + 16 : b, *c1 = n1 ? c + 16 : b, *c0 = n0 ? c : b;
      _mm512_storeu_si512(out, join(_mm512_maskz_loadu_ps(m0, b), _mm512_maskz_loadu_ps(n0, c0)));
      _mm512_storeu_si512(out + 16, join(_mm512_maskz_loadu_ps(m1, b1), _mm512_maskz_loadu_ps(n1, c1)));
    }
    return;
  }
  for (long k = 0; k < K; k += 32) {
    long pairs = MIN(16, (K - k + 1) / 2);
    for (long half = 0; half < NR; half += 16) {
      __m512i rows[16];
      for (long c = 0; c < 16; c++)
        rows[c] = half + c < cols ? neighbours(B + (j + half + c) * ldb + k, K - k) : _mm512_setzero_si512();
      transpose16(rows);
      for (long i = 0; i < pairs; i++) _mm512_storeu_si512(out + (k / 2 + i) * NR + half, rows[i]);
    }
  }
}

// Rows of A [m, kc] -> out [m][stride].
static void pair_rows(const float *A, long lda, long m, long kc, uint32_t *out, long stride) {
  for (long r = 0; r < m; r++)
    for (long k = 0; k < kc; k += 32) _mm512_storeu_si512(out + r * stride + k / 2, neighbours(A + r * lda + k, kc - k));
}

// A stored [kc, m] -> out [(kc+1)/2][MR]; a store runs over into the next pair's place, which follows.
static void pair_columns(const float *A, long lda, long m, long kc, uint32_t *out) {
  __mmask16 mask = (__mmask16)((1u << m) - 1);
  for (long k = 0; k < kc; k += 2) {
    const float *a = A + k * lda;
    __m512 next = k + 1 < kc ? _mm512_maskz_loadu_ps(mask, a + lda) : _mm512_setzero_ps();
    _mm512_storeu_si512(out + k / 2 * MR, join(_mm512_maskz_loadu_ps(mask, a), next));
  }
}

// One tile over `pairs` pairs: row i of A is at a + i * row, its pairs `column` apart.
INLINE void tile_pairs(vf acc[MR][2], long pairs, const uint32_t *a, long row, long column, const uint32_t *b) {
  __m512 sums[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
  const uint32_t *p[MR / 3];
#pragma GCC unroll 4
  for (int i = 0; i < MR / 3; i++) p[i] = a + 3 * i * row;
  for (long k = 0; k < pairs; k++, b += NR) {
    __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      __m512bh x = (__m512bh)_mm512_set1_epi32((int)p[i / 3][i % 3 * row]);
      sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, b0);
      sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, b1);
    }
#pragma GCC unroll 4
    for (int i = 0; i < MR / 3; i++) p[i] += column;
  }
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) acc[i][0] = (vf)sums[i][0], acc[i][1] = (vf)sums[i][1];
}
