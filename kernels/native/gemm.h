// Matrix products, row-major float32: C [M,N] = op(A) op(B), or C + that when `add`; op(A) is [M,K], op(B) is [K,N];
// ta and tb say that a matrix is stored transposed; lda, ldb, ldc are the distances between stored rows.
// Each element of C is summed over k in one order, whatever the blocks and the threads.
#pragma once
#include "vector.h"

// Accumulators fill the registers: 12 x 2 of 32 (AVX-512), 8 x 2 of 32 (NEON), 6 x 2 of 16 (AVX2, SSE).
#if VL == 16
#define MR 12
#elif defined(__aarch64__)
#define MR 8
#else
#define MR 6
#endif
#define NR (2 * VL)

// On all threads; not from within a task. False when there is no memory for the packed B.
int gemm(int ta, int tb, long M, long N, long K, const float *A, long lda, const float *B, long ldb, int add, float *C,
         long ldc);

// On the calling thread, B packed beforehand: panels of NR columns, each [K][NR], zeros beyond N. To take rows k0.. of
// op(B) only, pass packed + k0 * NR; to take columns from j0, a multiple of NR, pass packed + j0 * K.
static inline long packed_size(long K, long N) { return (N + NR - 1) / NR * NR * K; }
void pack_b(int tb, long K, long N, const float *B, long ldb, float *packed);
// `panel` is the distance between panels, NR times the K of pack_b.
void gemm_packed(int ta, long M, long N, long K, const float *A, long lda, const float *packed, long panel, int add,
                 float *C, long ldc);
