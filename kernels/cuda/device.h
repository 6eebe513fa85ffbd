// Shared by the fused kernels: bfloat16 and its conversions. NVRTC has no standard headers, so nothing is included.
// bfloat16 is the upper half of a float32, rounded to nearest even; a pair is two of them in 32 bits, the first in the
// lower half.
#pragma once

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif

typedef unsigned short bf16;

static __device__ __forceinline__ float bf16_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
static __device__ __forceinline__ float bf16_low(unsigned pair) { return __uint_as_float(pair << 16); }
static __device__ __forceinline__ float bf16_high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

static __device__ __forceinline__ bf16 bf16_of(float x) {
  unsigned bits = __float_as_uint(x);
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return (bf16)((nan ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
static __device__ __forceinline__ unsigned bf16_pair(float low, float high) {
#if __CUDA_ARCH__ >= 800 && !defined(EMULATED)
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return (unsigned)bf16_of(low) | (unsigned)bf16_of(high) << 16;
#endif
}
