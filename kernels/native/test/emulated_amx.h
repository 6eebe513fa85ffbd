// AMX without the hardware, for tests only: tile intrinsics by their definitions in Intel's SDM, volume 2. What the
// processor would answer with a fault, or what depends on undefined contents, ends the program with a message. Stands in
// for <immintrin.h>'s intrinsics of the same names in ../amx.h with -DTINYGPT_EMULATED_AMX.
#pragma once
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef _tile_loadconfig
#undef _tile_storeconfig
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_loadconfig
#define _tile_storeconfig emulated_storeconfig
#define _tile_loadd emulated_loadd
#define _tile_stored emulated_stored
#define _tile_zero emulated_zero
#define _tile_dpbf16ps emulated_dpbf16ps

// Products of tiles so far, of any thread; whether the system grants the tiles.
long emulated_products = 0;
int emulated_permission = 1;
int tiles_permitted(void) { return emulated_permission; }

// Of each thread, as in the processor: nothing is configured at its start.
static __thread struct {
  uint8_t config[64];
  struct {
    long rows, bytes;
    uint8_t data[16][64];
  } tiles[8];
} emulated;

#define AMX_CHECK(condition)                                                  \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "emulated AMX: %s: not %s\n", __func__, #condition);    \
      abort();                                                                \
    }                                                                         \
  } while (0)

static void emulated_loadconfig(const void *memory) {
  AMX_CHECK(emulated_permission);
  uint8_t config[64];
  memcpy(config, memory, sizeof config);
  AMX_CHECK(config[0] == 1);
  for (int i = 1; i < 64; i++)
    if (i < 16 || (i >= 32 && i < 48) || i >= 56) AMX_CHECK(config[i] == 0);
  memset(&emulated, 0, sizeof emulated);
  memcpy(emulated.config, config, sizeof config);
  for (int t = 0; t < 8; t++) {
    long bytes = config[16 + 2 * t] + 256 * config[17 + 2 * t], rows = config[48 + t];
    AMX_CHECK(bytes <= 64 && rows <= 16 && (bytes == 0) == (rows == 0));
    emulated.tiles[t].bytes = bytes;
    emulated.tiles[t].rows = rows;
  }
}

static void emulated_storeconfig(void *memory) {
  AMX_CHECK(emulated_permission);
  memcpy(memory, emulated.config, sizeof emulated.config);
}

static void emulated_zero(int t) {
  AMX_CHECK(emulated.config[0] == 1 && t >= 0 && t < 8 && emulated.tiles[t].rows > 0);
  memset(emulated.tiles[t].data, 0, sizeof emulated.tiles[t].data);
}

// A load clears what the tile's shape leaves out.
static void emulated_loadd(int t, const void *base, long stride) {
  emulated_zero(t);
  for (long r = 0; r < emulated.tiles[t].rows; r++)
    memcpy(emulated.tiles[t].data[r], (const char *)base + r * stride, (size_t)emulated.tiles[t].bytes);
}

static void emulated_stored(int t, void *base, long stride) {
  AMX_CHECK(emulated.config[0] == 1 && t >= 0 && t < 8 && emulated.tiles[t].rows > 0);
  for (long r = 0; r < emulated.tiles[t].rows; r++)
    memcpy((char *)base + r * stride, emulated.tiles[t].data[r], (size_t)emulated.tiles[t].bytes);
}

// Denormals as zeros, whatever MXCSR says; the number in half `upper` of a pair.
static inline float emulated_flush(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }
static float emulated_half(const uint8_t *pair, int upper) {
  uint32_t bits = (uint32_t)pair[2 * upper] << 16 | (uint32_t)pair[2 * upper + 1] << 24;
  float x;
  memcpy(&x, &bits, sizeof x);
  return emulated_flush(x);
}

// c += a b: even and odd elements are summed apart by fused multiply-adds, then joined and added to c.
static void emulated_dpbf16ps(int c, int a, int b) {
  AMX_CHECK(emulated.config[0] == 1 && c >= 0 && c < 8 && a >= 0 && a < 8 && b >= 0 && b < 8);
  AMX_CHECK(c != a && c != b && a != b);
  long rows = emulated.tiles[c].rows, columns = emulated.tiles[c].bytes / 4, depth = emulated.tiles[a].bytes / 4;
  AMX_CHECK(rows > 0 && emulated.tiles[c].bytes % 4 == 0 && emulated.tiles[a].bytes % 4 == 0);
  AMX_CHECK(emulated.tiles[a].rows == rows && emulated.tiles[b].rows == depth);
  AMX_CHECK(emulated.tiles[b].bytes == emulated.tiles[c].bytes);
  __atomic_fetch_add(&emulated_products, 1, __ATOMIC_RELAXED);
  float right[2][16][16];
  for (int half = 0; half < 2; half++)
    for (long k = 0; k < depth; k++)
      for (long n = 0; n < columns; n++) right[half][k][n] = emulated_half(emulated.tiles[b].data[k] + 4 * n, half);
  for (long m = 0; m < rows; m++) {
    float sums[2][16] = {{0}};
    for (long k = 0; k < depth; k++)
      for (int half = 0; half < 2; half++) {
        float left = emulated_half(emulated.tiles[a].data[m] + 4 * k, half);
        for (long n = 0; n < columns; n++)
          sums[half][n] = emulated_flush(fmaf(left, right[half][k][n], sums[half][n]));
      }
    for (long n = 0; n < columns; n++) {
      float old;
      memcpy(&old, emulated.tiles[c].data[m] + 4 * n, sizeof old);
      float now = emulated_flush(emulated_flush(old) + emulated_flush(sums[0][n] + sums[1][n]));
      memcpy(emulated.tiles[c].data[m] + 4 * n, &now, sizeof now);
    }
  }
}
