// Matrix products as in BLIS (Van Zee & van de Geijn 2015): B is packed once into panels of NR columns, blocks of rows
// of A go against them through a kernel that holds an MR x NR tile of C in registers. A is read in place unless its
// rows are far apart or it is stored transposed. See gemm.h.
#include "amx.h"
#include "kept.h"
#if VL == 16
#include "transpose.h"
#endif
#if defined(__AVX512BF16__)
#include "pairs.h"
#define HAS_PAIRS 1
#else
#define HAS_PAIRS 0
#endif

// Chooses the precision of the calling thread's products from now on. Returns whether the processor multiplies bfloat16
// itself: 1 by AVX512-BF16, 2 by AMX, where the system lets this process use it.
int tg_set_bf16(int on) {
  int tiles = HAS_TILES && tiles_permitted();
  kept_changed();
  gemm_mode = !on ? FLOATS : tiles ? TILES : HAS_PAIRS ? PAIRS : ROUNDED;
  return HAS_PAIRS + tiles;
}

// Depth of one pass over a tile: a panel of B stays in the first two cache levels.
#define KC 256

// Panel [kc][MR] of rows i.. of op(A), columns k..; rows beyond m are zero.
static void pack_a_panel(int ta, Matrix M, long i, long k, long m, long kc, float *out) {
  const float *A = M.cells.at;
  long lda = M.ld;
  if (M.cells.is_bf16) {
    const bf16 *a = M.cells.at;
    for (long c = 0; c < kc; c++)
      for (long r = 0; r < MR; r++)
        out[c * MR + r] = r >= m ? 0 : bf16_float(ta ? a[(k + c) * lda + i + r] : a[(i + r) * lda + k + c]);
    return;
  }
  if (ta && m == MR && gemm_mode == FLOATS) {
    for (long c = 0; c < kc; c++) memcpy(out + c * MR, A + (k + c) * lda + i, sizeof(float) * MR);
    return;
  }
  int rounded = gemm_mode == ROUNDED;
  const float *rows[MR];
  for (long r = 0; r < MR; r++) rows[r] = ta ? A + k * lda + i + MIN(r, m - 1) : A + (i + MIN(r, m - 1)) * lda + k;
  long step = ta ? lda : 1;
  for (long c = 0; c < kc; c++)
    for (long r = 0; r < MR; r++) {
      float a = r < m ? rows[r][c * step] : 0;
      out[c * MR + r] = rounded ? bf16_round1(a) : a;
    }
}

static void round_panel(float *panel, long K) {
  if (gemm_mode == ROUNDED)
    for (long i = 0; i < K * NR; i += VL) vstore(panel + i, bf16_round(vload(panel + i)));
}

// One panel [K][NR] from the columns j.. of op(B).
static void pack_b_panel(int tb, long K, long N, Matrix M, long j, float *out) {
  const float *B = M.cells.at;
  long ldb = M.ld;
#if HAS_PAIRS
  if (gemm_mode >= PAIRS) {
    pack_pairs(tb, K, N, M, j, (uint32_t *)out);
    return;
  }
#endif
  float *start = out;
  long cols = MIN(NR, N - j);
  if (M.cells.is_bf16) {
    const bf16 *b = M.cells.at;
    for (long r = 0; r < K; r++)
      for (long c = 0; c < NR; c++)
        out[r * NR + c] = c >= cols ? 0 : bf16_float(tb ? b[(j + c) * ldb + r] : b[r * ldb + j + c]);
    return;
  }
  if (!tb) {
    for (long r = 0; r < K; r++, out += NR) {
      const float *b = B + r * ldb + j;
      if (cols == NR)
        memcpy(out, b, sizeof(float) * NR);
      else
        for (long c = 0; c < NR; c++) out[c] = c < cols ? b[c] : 0;
    }
    round_panel(start, K);
    return;
  }
  // Transposed by squares of VL rows, so that what is written stays in the first cache.
  for (long r0 = 0; r0 < K; r0 += VL) {
    long rows = MIN(VL, K - r0);
#if VL == 16
    if (rows == VL && cols == NR) {
      for (long half = 0; half < NR; half += VL) {
        __m512i square[VL];
        for (long c = 0; c < VL; c++) square[c] = _mm512_loadu_si512(B + (j + half + c) * ldb + r0);
        transpose16(square);
        for (long r = 0; r < VL; r++) _mm512_storeu_si512(out + (r0 + r) * NR + half, square[r]);
      }
      continue;
    }
#endif
    for (long c = 0; c < NR; c++) {
      float *o = out + r0 * NR + c;
      if (c >= cols) {
        for (long r = 0; r < rows; r++) o[r * NR] = 0;
        continue;
      }
      const float *b = B + (j + c) * ldb + r0;
      if (rows == VL)
        for (long r = 0; r < VL; r++) o[r * NR] = b[r];
      else
        for (long r = 0; r < rows; r++) o[r * NR] = b[r];
    }
  }
  round_panel(start, K);
}

void pack_b(int tb, long K, long N, Matrix B, float *packed) {
  for (long j = 0; j < N; j += NR) pack_b_panel(tb, K, N, B, j, packed + j / NR * panel_size(K));
}

// C [m,n] (+)= tile, through memory where it is cut.
INLINE void store_tile(vf acc[MR][2], float *C, long ldc, long m, long n, int add) {
  if (m == MR && n == NR) {
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      float *c = C + i * ldc;
      vstore(c, add ? vload(c) + acc[i][0] : acc[i][0]);
      vstore(c + VL, add ? vload(c + VL) + acc[i][1] : acc[i][1]);
    }
    return;
  }
  float edge[MR * NR];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) {
    vstore(edge + i * NR, acc[i][0]);
    vstore(edge + i * NR + VL, acc[i][1]);
  }
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) C[i * ldc + j] = (add ? C[i * ldc + j] : 0) + edge[i * NR + j];
}

// A packed: [kc][MR]; or stored transposed, in place: rows of MR, lda apart.
static void kernel_packed(long kc, const float *a, long lda, const float *b, float *C, long ldc, long m, long n,
                          int add) {
  vf acc[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = (vf){0};
  for (long k = 0; k < kc; k++, a += lda, b += NR) {
    vf b0 = vload(b), b1 = vload(b + VL);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      vf x = vset(a[i]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
  }
  store_tile(acc, C, ldc, m, n, add);
}

// A in place: MR rows, lda apart. One pointer serves three rows, else there are not registers enough.
static void kernel_rows(long kc, const float *a, long lda, const float *b, float *C, long ldc, long n, int add) {
  vf acc[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = (vf){0};
  const float *p[(MR + 2) / 3];
#pragma GCC unroll 4
  for (int i = 0; i < (MR + 2) / 3; i++) p[i] = a + 3 * i * lda;
  for (long k = 0; k < kc; k++, b += NR) {
    vf b0 = vload(b), b1 = vload(b + VL);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      vf x = vset(p[i / 3][i % 3 * lda]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
#pragma GCC unroll 4
    for (int i = 0; i < (MR + 2) / 3; i++) p[i]++;
  }
  store_tile(acc, C, ldc, MR, n, add);
}

#if HAS_PAIRS
// gemm_packed on pairs; a pass is as many bytes deep as there.
static void gemm_pairs(int ta, long M, long N, long K, Matrix A, const uint32_t *packed, long panel, int add, float *C,
                       long ldc) {
  uint32_t pa[MC * KC + 16] __attribute__((aligned(64)));
  for (long i0 = 0; i0 < M; i0 += MC) {
    long mc = MIN(MC, M - i0);
    for (long k0 = 0; k0 < K || k0 == 0; k0 += 2 * KC) {
      long kc = MIN(2 * KC, K - k0), pairs = (kc + 1) / 2, stride = ta ? pairs : (pairs + 15) / 16 * 16;
      if (ta)
        for (long i = 0; i < mc; i += MR)
          pair_columns(matrix_from(A, k0, i0 + i), MIN(MR, mc - i), kc, pa + i * stride);
      else {
        pair_rows(matrix_from(A, i0, k0), mc, kc, pa, stride);
        memset(pa + mc * stride, 0, sizeof(uint32_t) * (size_t)((MR - mc % MR) % MR * stride));
      }
      for (long j = 0; j < N; j += NR) {
        const uint32_t *b = packed + j / NR * panel + k0 / 2 * NR;
        for (long i = 0; i < mc; i += MR) {
          vf acc[MR][2];
          if (ta)
            tile_pairs(acc, pairs, pa + i * stride, 1, MR, b);
          else
            tile_pairs(acc, pairs, pa + i * stride, stride, 1, b);
          store_tile(acc, C + (i0 + i) * ldc + j, ldc, MIN(MR, mc - i), MIN(NR, N - j), add || k0 > 0);
        }
      }
    }
  }
}
#endif

void gemm_packed(int ta, long M, long N, long K, Matrix of, const float *packed, long panel, int add, float *C,
                 long ldc) {
#if HAS_TILES
  if (gemm_mode == TILES) {
    gemm_tiles(ta, M, N, K, of, (const uint32_t *)packed, panel, add, C, ldc);
    return;
  }
#endif
#if HAS_PAIRS
  if (gemm_mode >= PAIRS) {
    gemm_pairs(ta, M, N, K, of, (const uint32_t *)packed, panel, add, C, ldc);
    return;
  }
#endif
  const float *A = of.cells.at;
  long lda = of.ld;
  // Rows at a distance of whole pages meet in one cache set. What is read once is not worth packing.
  int in_place = gemm_mode == FLOATS && (ta ? N <= NR : lda % 1024 != 0 || N <= NR);
  float pa[MC * KC] __attribute__((aligned(64)));
  for (long i0 = 0; i0 < M; i0 += MC) {
    long mc = MIN(MC, M - i0);
    for (long k0 = 0; k0 < K || k0 == 0; k0 += KC) {
      long kc = MIN(KC, K - k0);
      for (long i = 0; i < mc; i += MR)
        if (!in_place || mc - i < MR) pack_a_panel(ta, of, i0 + i, k0, MIN(MR, mc - i), kc, pa + i * kc);
      for (long j = 0; j < N; j += NR) {
        const float *b = packed + j / NR * panel + k0 * NR;
        for (long i = 0; i < mc; i += MR) {
          float *c = C + (i0 + i) * ldc + j;
          if (in_place && mc - i >= MR && ta)
            kernel_packed(kc, A + k0 * lda + i0 + i, lda, b, c, ldc, MR, MIN(NR, N - j), add || k0 > 0);
          else if (in_place && mc - i >= MR)
            kernel_rows(kc, A + (i0 + i) * lda + k0, lda, b, c, ldc, MIN(NR, N - j), add || k0 > 0);
          else
            kernel_packed(kc, pa + i * kc, MR, b, c, ldc, MIN(MR, mc - i), MIN(NR, N - j), add || k0 > 0);
        }
      }
    }
  }
}
