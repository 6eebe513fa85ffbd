// Arrays of floats or of bfloat16. What a matmul would round to bfloat16 anyway is stored as bfloat16 in bf16
// precision: half the memory, half the traffic. Functions of C take `bf16_mask` before such arrays: bit i says that
// array i, counted among those marked with a star in the comment above the function, holds bfloat16.
#pragma once
#include "bf16.h"

typedef uint16_t bf16;

typedef struct {
  void *at;
  int is_bf16;
} Cells;

#define CELLS(array, bf16_mask, bit) ((Cells){(void *)(array), (bf16_mask) >> (bit) & 1})

// From element i on.
INLINE Cells cells_from(Cells c, long i) {
  c.at = (char *)c.at + i * (c.is_bf16 ? (long)sizeof(bf16) : (long)sizeof(float));
  return c;
}

typedef uint16_t vh __attribute__((vector_size(2 * VL)));

INLINE vf bf16_load(const bf16 *p) {
  vh bits;
  memcpy(&bits, p, sizeof bits);
  return (vf)(__builtin_convertvector(bits, vu) << 16);
}
INLINE void bf16_store(bf16 *p, vf v) {
  vh bits = __builtin_convertvector(bf16_upper(v) >> 16, vh);
  memcpy(p, &bits, sizeof bits);
}
INLINE float bf16_float(bf16 x) {
  uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline void widen(const bf16 *from, long n, float *to) {
  long i = 0;
  for (; i + VL <= n; i += VL) vstore(to + i, bf16_load(from + i));
  for (; i < n; i++) to[i] = bf16_float(from[i]);
}
static inline void narrow(const float *from, long n, bf16 *to) {
  long i = 0;
  for (; i + VL <= n; i += VL) bf16_store(to + i, vload(from + i));
  for (; i < n; i++) to[i] = (bf16)(bf16_upper(vset(from[i]))[0] >> 16);
}

// n numbers from element i as floats: where they are, or widened into `room`.
INLINE const float *read_cells(Cells c, long i, long n, float *room) {
  if (!c.is_bf16) return (const float *)c.at + i;
  widen((const bf16 *)c.at + i, n, room);
  return room;
}
// Where floats for element i on are to be written: in place, or in `room`; wrote_cells then ends the writing.
INLINE float *write_cells(Cells c, long i, float *room) { return c.is_bf16 ? room : (float *)c.at + i; }
INLINE void wrote_cells(Cells c, long i, long n, const float *room) {
  if (c.is_bf16) narrow(room, n, (bf16 *)c.at + i);
}
