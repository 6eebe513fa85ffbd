// The parts of gemm.c for pairs of bfloat16 (AVX512-BF16): packing, and the kernel. A panel of B is [K/2][NR] pairs of
// rows; A is rows of pairs of columns, or where it is stored transposed a panel [K/2][MR].
#pragma once
#include "cells.h"
#include "gemm.h"
#include "transpose.h"
#include <immintrin.h>

// The numbers that the mask names, one a lane, in its lower half; zeros elsewhere.
INLINE __m512i lanes(const void *a, int is_bf16, __mmask16 mask) {
  __m256i bits = is_bf16 ? _mm256_maskz_loadu_epi16(mask, a) : (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, a));
  return _mm512_cvtepu16_epi32(bits);
}

// Lane i: a[i] in the lower half, b[i] in the upper.
INLINE __m512i join(const void *a, __mmask16 of_a, const void *b, __mmask16 of_b, int is_bf16) {
  return _mm512_or_si512(lanes(a, is_bf16, of_a), _mm512_slli_epi32(lanes(b, is_bf16, of_b), 16));
}

// Neighbors of one row: lane i holds a[2i] and a[2i+1], of n numbers, zeros beyond.
INLINE __m512i neighbors(const void *cells, int is_bf16, long n) {
  if (is_bf16) return _mm512_maskz_loadu_epi16(n >= 32 ? 0xffffffff : (1u << n) - 1, cells);
  const float *a = cells;
  __mmask16 first = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
  __mmask16 second = n >= 32 ? 0xffff : n <= 16 ? 0 : (__mmask16)((1u << (n - 16)) - 1);
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, n > 16 ? a + 16 : a),
                                      _mm512_maskz_loadu_ps(first, a));
}

#define FROM(cells, is_bf16, i) ((const char *)(cells) + (i) * (is_bf16 ? 2L : 4L))

INLINE void pack_pairs_of(int is_bf16, int tb, long K, long N, const void *B, long ldb, long j, uint32_t *out) {
  long cols = MIN(NR, N - j);
  if (!tb) {
    __mmask16 m0 = cols >= 16 ? 0xffff : (__mmask16)((1u << cols) - 1);
    __mmask16 m1 = cols >= 32 ? 0xffff : cols <= 16 ? 0 : (__mmask16)((1u << (cols - 16)) - 1);
    for (long k = 0; k < K; k += 2, out += NR) {
      const char *b = FROM(B, is_bf16, k * ldb + j), *c = FROM(b, is_bf16, ldb);
      __mmask16 n0 = k + 1 < K ? m0 : 0, n1 = k + 1 < K ? m1 : 0;
      _mm512_storeu_si512(out, join(b, m0, n0 ? c : b, n0, is_bf16));
      _mm512_storeu_si512(out + 16, join(m1 ? FROM(b, is_bf16, 16) : b, m1, n1 ? FROM(c, is_bf16, 16) : b, n1, is_bf16));
    }
    return;
  }
  for (long k = 0; k < K; k += 32) {
    long pairs = MIN(16, (K - k + 1) / 2);
    for (long side = 0; side < NR; side += 16) {
      __m512i rows[16];
      for (long c = 0; c < 16; c++)
        rows[c] = side + c < cols ? neighbors(FROM(B, is_bf16, (j + side + c) * ldb + k), is_bf16, K - k)
                                  : _mm512_setzero_si512();
      transpose16(rows);
      for (long i = 0; i < pairs; i++) _mm512_storeu_si512(out + (k / 2 + i) * NR + side, rows[i]);
    }
  }
}

static inline void pack_pairs(int tb, long K, long N, Matrix B, long j, uint32_t *out) {
  if (B.cells.is_bf16)
    pack_pairs_of(1, tb, K, N, B.cells.at, B.ld, j, out);
  else
    pack_pairs_of(0, tb, K, N, B.cells.at, B.ld, j, out);
}

// Rows of A [m, kc] -> out [m][stride].
INLINE void pair_rows_of(int is_bf16, const void *A, long lda, long m, long kc, uint32_t *out, long stride) {
  for (long r = 0; r < m; r++)
    for (long k = 0; k < kc; k += 32)
      _mm512_storeu_si512(out + r * stride + k / 2, neighbors(FROM(A, is_bf16, r * lda + k), is_bf16, kc - k));
}
static inline void pair_rows(Matrix A, long m, long kc, uint32_t *out, long stride) {
  if (A.cells.is_bf16)
    pair_rows_of(1, A.cells.at, A.ld, m, kc, out, stride);
  else
    pair_rows_of(0, A.cells.at, A.ld, m, kc, out, stride);
}

// A stored [kc, m] -> out [(kc+1)/2][MR]; a store runs over into the next pair's place, which follows.
INLINE void pair_columns_of(int is_bf16, const void *A, long lda, long m, long kc, uint32_t *out) {
  __mmask16 mask = (__mmask16)((1u << m) - 1);
  for (long k = 0; k < kc; k += 2) {
    const char *a = FROM(A, is_bf16, k * lda);
    int next = k + 1 < kc;
    _mm512_storeu_si512(out + k / 2 * MR, join(a, mask, next ? FROM(a, is_bf16, lda) : a, next ? mask : 0, is_bf16));
  }
}
static inline void pair_columns(Matrix A, long m, long kc, uint32_t *out) {
  if (A.cells.is_bf16)
    pair_columns_of(1, A.cells.at, A.ld, m, kc, out);
  else
    pair_columns_of(0, A.cells.at, A.ld, m, kc, out);
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
