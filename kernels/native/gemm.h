// Matrix products, row-major float32: C [M,N] = op(A) op(B), or C + that when `add`; op(A) is [M,K], op(B) is [K,N];
// ta and tb say that a matrix is stored transposed; lda, ldb, ldc are the distances between stored rows.
// Each element of C is summed over k in one order, regardless of blocks and threads.
//
// In bf16 precision A and B are rounded to bfloat16 on their way in; sums and C stay float32. Where the CPU
// multiplies pairs of bfloat16 (AVX512-BF16, AMX), packed B holds pairs of rows, half the floats; elsewhere rounded
// floats.
#pragma once
#include "cells.h"
#include "pool.h"

// Accumulators fill the registers: 12 x 2 of 32 (AVX-512), 8 x 2 of 32 (NEON), 6 x 2 of 16 (AVX2, SSE).
#if VL == 16
#define MR 12
#elif defined(__aarch64__)
#define MR 8
#else
#define MR 6
#endif
#define NR (2 * VL)
// Most rows of a task.
#define MC (10 * MR)

// How operands are multiplied, set by tg_set_bf16 for the calling thread and the tasks that it hands out: as floats, rounded
// to bfloat16, or as pairs of bfloat16, which AMX takes by tiles (amx.h).
enum { FLOATS, ROUNDED, PAIRS, TILES };
#define gemm_mode pool_mode
// Rows of C that are computed together.
#define TILE_BLOCK 32
#define gemm_height (gemm_mode == TILES ? TILE_BLOCK : MR)

// A stored matrix, rows `ld` apart.
typedef struct {
  Cells cells;
  long ld;
} Matrix;
static inline Matrix matrix(const float *at, long ld) { return (Matrix){{(void *)at, 0}, ld}; }
static inline Matrix matrix_from(Matrix m, long row, long column) {
  m.cells = cells_from(m.cells, row * m.ld + column);
  return m;
}

// On all threads; not from within a task. False when there is no memory for the packed B. A and B may hold bfloat16 in
// bf16 precision, and so may C, which then is not added to.
int gemm(int ta, int tb, long M, long N, long K, Matrix A, Matrix B, int add, Matrix C);
// For a weight's gradient, over many rows k: these are cut into parts that threads sum apart. Elsewhere gemm and
// gemm_packed, whichever the number of threads decides on, must give the same bits.
int gemm_in_parts(int ta, int tb, long M, long N, long K, Matrix A, Matrix B, int add, Matrix C);

// Rows of M are dealt out as `blocks` blocks, of equal height but for whole tiles; the first row of block `index`.
long gemm_blocks(long M, long parts);
static inline long gemm_rows(long M, long blocks, long index) {
  return MIN(M, (M + gemm_height - 1) / gemm_height * index / blocks * gemm_height);
}

// On the calling thread, B packed beforehand: panels of NR columns, zeros beyond N.
static inline long panel_size(long K) { return NR * (gemm_mode >= PAIRS ? (K + 1) / 2 : K); }
static inline long packed_size(long K, long N) { return (N + NR - 1) / NR * panel_size(K); }
// Packed B from row k0, even, and column j0, a multiple of NR.
static inline const float *packed_from(const float *packed, long K, long k0, long j0) {
  return packed + j0 / NR * panel_size(K) + panel_size(k0);
}
void pack_b(int tb, long K, long N, Matrix B, float *packed);
// `panel` is the distance between panels, the panel_size of what was packed.
void gemm_packed(int ta, long M, long N, long K, Matrix A, const float *packed, long panel, int add, float *C, long ldc);
