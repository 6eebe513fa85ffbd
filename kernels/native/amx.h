// Products of pairs of bfloat16 by AMX (amx.c), where the compiler and the CPU have it.
#pragma once
#include "gemm.h"

// Clang before 16 uses different names.
#if defined(__AVX512BF16__) && defined(__linux__) && \
    (defined(__AMX_BF16__) || defined(__AMXBF16__) || defined(TINYGPT_EMULATED_AMX))
#define HAS_TILES 1
// Whether the system lets this process use the tiles. Linux keeps them from a process until it asks, for all its threads.
int tiles_permitted(void);
// gemm_packed on tiles. An element is summed over k in one order wherever its block lies.
void gemm_tiles(int ta, long M, long N, long K, Matrix A, const uint32_t *packed, long panel, int add, float *C, long ldc);
#else
#define HAS_TILES 0
static inline int tiles_permitted(void) { return 0; }
#endif
