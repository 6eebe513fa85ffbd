// bfloat16: the upper half of a float32, rounded to nearest even. A pair is two of them in one 32-bit lane, the one of
// the lower row or column in the lower half.
#pragma once
#include "vector.h"

typedef uint32_t vu __attribute__((vector_size(4 * VL)));

// The rounded number in the upper half of each lane, below it zeros. NaN stays NaN.
INLINE vu bf16_upper(vf x) {
  vu bits = (vu)x;
  vu rounded = bits + 0x7fff + ((bits >> 16) & 1);
  vu nan = (vu)(x != x);
  return ((rounded & ~nan) | ((bits | 0x400000) & nan)) & 0xffff0000;
}
INLINE vf bf16_round(vf x) { return (vf)bf16_upper(x); }
INLINE vu bf16_pair(vf low, vf high) { return bf16_upper(low) >> 16 | bf16_upper(high); }
INLINE float bf16_round1(float x) { return bf16_round(vset(x))[0]; }
INLINE uint32_t bf16_pair1(float low, float high) { return bf16_pair(vset(low), vset(high))[0]; }
