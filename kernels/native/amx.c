// Products of pairs of bfloat16 by AMX (Intel SDM, volume 2, TDPBF16PS): eight tile registers, 16 rows of 64 bytes each.
// A tile of A is 16 rows of 16 pairs, a tile of B 16 pairs of rows of 16 columns, as pairs.h packs them; a block of C of
// 32 x 32 floats stays in four tiles over a pass. Tested on an emulation (test/emulated_amx.h) only.
#define _GNU_SOURCE
#include "amx.h"
#if HAS_TILES
#include "pairs.h"
#include "transpose.h"

#if defined(TINYGPT_EMULATED_AMX)
#include "test/emulated_amx.h"
#else
#include <sys/syscall.h>
#include <unistd.h>
// ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA.
int tiles_permitted(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }
#endif

// Pairs of a step; most rows and pairs of A that are packed at once. TILE_BLOCK rows and columns are a block of C.
#define TILE_PAIRS 16
#define TILE_ROWS 128
#define TILE_DEPTH 256

// Compilers do not know that the tiles' instructions read and write memory.
#define TOUCHED(p) __asm__ volatile("" : : "r"(p) : "memory")

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} TileShapes;

// All eight tiles at their full size. Every thread has its own shapes, and other libraries may leave theirs, or none.
static void shape_tiles(void) {
  static const TileShapes wanted = {.palette = 1,
                                    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                    .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  TileShapes found;
  TOUCHED(&found);
  _tile_storeconfig(&found);
  TOUCHED(&found);
  if (memcmp(&found, &wanted, sizeof found) == 0) return;
  TOUCHED(&wanted);
  _tile_loadconfig(&wanted);
}

// A stored [kc, m] -> rows of pairs [m, rounded up to whole tiles][stride], zeros beyond m and kc.
static void pair_rows_transposed(Matrix A, long m, long kc, uint32_t *out, long stride) {
  for (long i = 0; i < m; i += 16, out += 16 * stride) {
    __mmask16 mask = m - i >= 16 ? 0xffff : (__mmask16)((1u << (m - i)) - 1);
    for (long k = 0; k < kc; k += 2 * TILE_PAIRS) {
      __m512i rows[16];
      for (long p = 0; p < 16; p++) {
        long at = MIN(k + 2 * p, kc - 1), next = MIN(k + 2 * p + 1, kc - 1);
        __mmask16 low = k + 2 * p < kc ? mask : 0, high = k + 2 * p + 1 < kc ? mask : 0;
        rows[p] = join(matrix_from(A, at, i).cells.at, low, matrix_from(A, next, i).cells.at, high, A.cells.is_bf16);
      }
      transpose16(rows);
      for (long r = 0; r < 16; r++) _mm512_storeu_si512(out + r * stride + k / 2, rows[r]);
    }
  }
}

// C [32,32] (+)= A B over `steps` steps, the last of them from `tail` if that is given. Without `high` the lower half of
// the rows is left out, without `wide` the right half of the columns.
static void tile_block(long steps, const uint32_t *a, long stride, const uint32_t *b, const uint32_t *tail, int high,
                       int wide, int add, float *c, long ldc) {
  float *below = c + 16 * ldc;
  long c_row = 4 * ldc, a_row = 4 * stride, b_row = 4 * NR;
  if (add) {
    _tile_loadd(0, c, c_row);
    if (wide) _tile_loadd(1, c + 16, c_row);
    if (high) _tile_loadd(2, below, c_row);
    if (high && wide) _tile_loadd(3, below + 16, c_row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (long s = 0; s < steps; s++, a += TILE_PAIRS) {
    const uint32_t *from = tail && s == steps - 1 ? tail : b + s * TILE_PAIRS * NR;
    _tile_loadd(4, a, a_row);
    _tile_loadd(6, from, b_row);
    _tile_dpbf16ps(0, 4, 6);
    if (wide) {
      _tile_loadd(7, from + 16, b_row);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (high) {
      _tile_loadd(5, a + 16 * stride, a_row);
      _tile_dpbf16ps(2, 5, 6);
      if (wide) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, c_row);
  if (wide) _tile_stored(1, c + 16, c_row);
  if (high) _tile_stored(2, below, c_row);
  if (high && wide) _tile_stored(3, below + 16, c_row);
}

// Blocks that are cut go through memory with what C holds.
void gemm_tiles(int ta, long M, long N, long K, Matrix A, const uint32_t *packed, long panel, int add, float *C, long ldc) {
  uint32_t pa[TILE_ROWS * TILE_DEPTH] __attribute__((aligned(64)));
  uint32_t tail[TILE_PAIRS * NR] __attribute__((aligned(64)));
  float edge[TILE_BLOCK * TILE_BLOCK] __attribute__((aligned(64))) = {0};
  shape_tiles();
  for (long i0 = 0; i0 < M; i0 += TILE_ROWS) {
    long mc = MIN(TILE_ROWS, M - i0);
    for (long k0 = 0; k0 < K || k0 == 0; k0 += 2 * TILE_DEPTH) {
      long kc = MIN(2 * TILE_DEPTH, K - k0), pairs = (kc + 1) / 2, rest = pairs % TILE_PAIRS;
      long steps = (pairs + TILE_PAIRS - 1) / TILE_PAIRS, stride = steps * TILE_PAIRS;
      int more = add || k0 > 0;
      if (ta)
        pair_rows_transposed(matrix_from(A, k0, i0), mc, kc, pa, stride);
      else {
        pair_rows(matrix_from(A, i0, k0), mc, kc, pa, stride);
        memset(pa + mc * stride, 0, sizeof(uint32_t) * (size_t)((16 - mc % 16) % 16 * stride));
      }
      for (long j = 0; j < N; j += NR) {
        const uint32_t *b = packed + j / NR * panel + k0 / 2 * NR;
        // What follows the last pair is another panel's, or nobody's.
        if (rest) {
          memcpy(tail, b + (pairs - rest) * NR, sizeof(uint32_t) * (size_t)(rest * NR));
          memset(tail + rest * NR, 0, sizeof(uint32_t) * (size_t)((TILE_PAIRS - rest) * NR));
        }
        for (long i = 0; i < mc; i += TILE_BLOCK) {
          long m = MIN(TILE_BLOCK, mc - i), n = MIN(NR, N - j);
          float *c = C + (i0 + i) * ldc + j;
          int whole = m % 16 == 0 && n % 16 == 0;
          if (!whole && more)
            for (long r = 0; r < m; r++) memcpy(edge + r * TILE_BLOCK, c + r * ldc, sizeof(float) * (size_t)n);
          TOUCHED(pa);
          TOUCHED(tail);
          TOUCHED(edge);
          tile_block(steps, pa + i * stride, stride, b, rest ? tail : NULL, m > 16, n > 16, more, whole ? c : edge,
                     whole ? ldc : TILE_BLOCK);
          TOUCHED(edge);
          if (!whole)
            for (long r = 0; r < m; r++) memcpy(c + r * ldc, edge + r * TILE_BLOCK, sizeof(float) * (size_t)n);
        }
      }
    }
  }
}
#endif
