// What a row kernel is written in, for two machines. The rows of a tensor are independent; each is worked on by a team:
// on the CPU one thread, with the vectors of native/vector.h; on the GPU TEAM threads, TEAM a power of two of at most 32
// lanes of a warp, or a whole block of TEAM threads. VL numbers move at once.
//
//   ROW               marks a function on one row, called by all of the team with the same arguments
//   vf                VL floats, with arithmetic among them and with single floats
//   EACH(i, n, ...)   does ... for i in steps of VL over [0, n), the steps shared among the team
//   get(p, i)         VL numbers from p + i, within EACH;  put(p, i, v) writes them
//   row_dot(a, b, n)  sum of a[i] b[i];  row_dot_double the same in double precision
//   row_sum(v)        sum over the team's vectors, in an order fixed by the sizes; the whole team gets it
//   ONCE(...)         is done by one of the team
//   PART(v, i, n, x)  within EACH: the lanes of v beyond n become x
//   act               the type of activations, which products read: float, or on the GPU with -DACT_BF16 bfloat16. The
//                     residual stream, its gradient and sums are always float
//
//   float_out         float32 numbers to be written, or read and written over: on the CPU an address. On the GPU they may be
//                     added to others, and may have a bfloat16 copy, which is written too
//
// A put may be read by another of the team only after TEAM_SYNC().
// On the GPU a source is compiled with -DTEAM and -DVL (1, 4 or 8); n and all strides must be multiples of VL.
#pragma once

#ifndef __CUDACC__

#include "../native/vector.h"

#define ROW static inline __attribute__((always_inline))
typedef float act;
typedef float *float_out;

// The last, part vector has its own copy of the body, so that whole ones need no test.
#define EACH(i, n, ...)                    \
  do {                                     \
    long i = 0;                            \
    for (; i + VL <= (n); i += VL) {       \
      enum { whole_ = 1, rest_ = VL };     \
      __VA_ARGS__;                         \
    }                                      \
    if (i < (n)) {                         \
      enum { whole_ = 0 };                 \
      const long rest_ = (n) - i;          \
      __VA_ARGS__;                         \
    }                                      \
  } while (0)
#define get(p, i) (whole_ ? vload((p) + (i)) : vload_part((p) + (i), rest_))
#define put(p, i, v) (whole_ ? vstore((p) + (i), v) : vstore_part((p) + (i), v, rest_))
#define PART(v, i, n, x) \
  for (long lane_ = rest_; lane_ < VL; lane_++) v[lane_] = x
#define ONCE(...) __VA_ARGS__
#define TEAM_SYNC()

#define row_dot vdot
#define row_sum vsum
#define row_top vtop
INLINE float number(const float *p, long i) { return p[i]; }
INLINE void set_number(float *p, long i, float x) { p[i] = x; }

INLINE vf vsqrt(vf v) {
  float s[VL];
  vstore(s, v);
  for (int i = 0; i < VL; i++) s[i] = sqrtf(s[i]);
  return vload(s);
}

// v with 0 in lane i, where it has such a lane.
INLINE vf vwithout(vf v, long i) {
  if (i >= 0 && i < VL) v[i] = 0;
  return v;
}
// b where a >= 0, else 0.
INLINE vf vmask(vf a, vf b) { return vpick(a >= vset(0), b, vset(0)); }

ROW double row_dot_double(const float *a, const float *b, long n) {
  double sums[VL] = {0};
  long i = 0;
  for (; i + VL <= n; i += VL)
    for (long j = 0; j < VL; j++) sums[j] += (double)a[i + j] * (double)b[i + j];
  for (; i < n; i++) sums[0] += (double)a[i] * (double)b[i];
  double sum = 0;
  for (long j = 0; j < VL; j++) sum += sums[j];
  return sum;
}

#else

#include "device.h"

#ifndef TEAM
#define TEAM 32
#endif
#ifndef VL
#define VL 1
#endif

#define ROW static __device__ __forceinline__
// A kernel of row functions, in blocks of TEAM threads; for teams of a warp or less of any size up to 256.
#if TEAM > 32
#define KERNEL extern "C" __global__ void __launch_bounds__(TEAM)
#else
#define KERNEL extern "C" __global__ void
#endif
#ifdef ACT_BF16
typedef bf16 act;
#else
typedef float act;
#endif

struct vf { float s[VL]; };

#define EACH(i, n, ...)                                                                  \
  do {                                                                                   \
    for (long i = (long)(threadIdx.x % TEAM) * VL; i < (n); i += TEAM * VL) { __VA_ARGS__; } \
  } while (0)
#define ONCE(...)                       \
  do {                                  \
    if (threadIdx.x % TEAM == 0) { __VA_ARGS__; } \
  } while (0)
#define PART(v, i, n, x)
#if TEAM > 32
#define TEAM_SYNC() __syncthreads()
#else
#define TEAM_SYNC() __syncwarp(TEAM_MASK)
#endif

#define LANES(expression)                          \
  vf r;                                            \
  _Pragma("unroll") for (int j = 0; j < VL; j++) r.s[j] = (expression); \
  return r

ROW vf vset(float x) { LANES(x); }
ROW vf operator+(vf a, vf b) { LANES(a.s[j] + b.s[j]); }
ROW vf operator-(vf a, vf b) { LANES(a.s[j] - b.s[j]); }
ROW vf operator*(vf a, vf b) { LANES(a.s[j] * b.s[j]); }
ROW vf operator/(vf a, vf b) { LANES(a.s[j] / b.s[j]); }
ROW vf operator+(vf a, float b) { LANES(a.s[j] + b); }
ROW vf operator-(vf a, float b) { LANES(a.s[j] - b); }
ROW vf operator*(vf a, float b) { LANES(a.s[j] * b); }
ROW vf operator*(float a, vf b) { LANES(a * b.s[j]); }
ROW vf operator-(float a, vf b) { LANES(a - b.s[j]); }
// b where a is not-a-number.
ROW vf vmax(vf a, vf b) { LANES(a.s[j] > b.s[j] ? a.s[j] : b.s[j]); }
ROW vf vwithout(vf a, long i) { LANES(j == i ? 0 : a.s[j]); }
ROW vf vmask(vf a, vf b) { LANES(a.s[j] >= 0 ? b.s[j] : 0); }
ROW vf vsqrt(vf a) { LANES(sqrtf(a.s[j])); }
ROW vf vexp(vf a) { LANES(expf(a.s[j])); }
ROW vf vtanh(vf a) { LANES(tanhf(a.s[j])); }

// Stores of a whole vector. Assembly, since the compiler splits a plain store of four numbers into four of one where it
// unrolls a loop.
ROW void store_vector(float *p, float a, float b, float c, float d) {
#ifdef EMULATED
  *(float4 *)p = make_float4(a, b, c, d);
#else
  asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(p), "f"(a), "f"(b), "f"(c), "f"(d) : "memory");
#endif
}
ROW void store_vector(bf16 *p, unsigned a, unsigned b) {
#ifdef EMULATED
  *(uint2 *)p = make_uint2(a, b);
#else
  asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(p), "r"(a), "r"(b) : "memory");
#endif
}
ROW void store_vector(bf16 *p, unsigned a, unsigned b, unsigned c, unsigned d) {
#ifdef EMULATED
  *(uint4 *)p = make_uint4(a, b, c, d);
#else
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
#endif
}

ROW vf get(const float *p, long i) {
#if VL == 8
  float4 v = *(const float4 *)(p + i), w = *(const float4 *)(p + i + 4);
  return {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#elif VL == 4
  float4 v = *(const float4 *)(p + i);
  return {v.x, v.y, v.z, v.w};
#else
  return {p[i]};
#endif
}
ROW void put(float *p, long i, vf v) {
#if VL == 1
  p[i] = v.s[0];
#else
  for (int j = 0; j < VL; j += 4) store_vector(p + i + j, v.s[j], v.s[j + 1], v.s[j + 2], v.s[j + 3]);
#endif
}
ROW vf get(const bf16 *p, long i) {
#if VL == 8
  uint4 v = *(const uint4 *)(p + i);
  return {bf16_low(v.x), bf16_high(v.x), bf16_low(v.y), bf16_high(v.y),
          bf16_low(v.z), bf16_high(v.z), bf16_low(v.w), bf16_high(v.w)};
#elif VL == 4
  uint2 v = *(const uint2 *)(p + i);
  return {bf16_low(v.x), bf16_high(v.x), bf16_low(v.y), bf16_high(v.y)};
#else
  return {bf16_float(p[i])};
#endif
}
ROW void put(bf16 *p, long i, vf v) {
#if VL == 8
  store_vector(p + i, bf16_pair(v.s[0], v.s[1]), bf16_pair(v.s[2], v.s[3]), bf16_pair(v.s[4], v.s[5]),
               bf16_pair(v.s[6], v.s[7]));
#elif VL == 4
  store_vector(p + i, bf16_pair(v.s[0], v.s[1]), bf16_pair(v.s[2], v.s[3]));
#else
  p[i] = bf16_of(v.s[0]);
#endif
}

// `sum`, where it is not null, is added to what is put to `to`; `rounded`, where it is not null, is the copy.
struct float_out {
  float *to;
  bf16 *rounded = 0;
  const float *sum = 0;
};
ROW float_out operator+(float_out a, long i) {
  return {a.to + i, a.rounded ? a.rounded + i : 0, a.sum ? a.sum + i : 0};
}
ROW vf get(float_out p, long i) { return get((const float *)p.to, i); }
ROW void put(float_out p, long i, vf v) {
  if (p.sum) v = get(p.sum, i) + v;
  put(p.to, i, v);
  if (p.rounded) put(p.rounded, i, v);
}

// Single numbers.
ROW float number(const float *p, long i) { return p[i]; }
ROW float number(const bf16 *p, long i) { return bf16_float(p[i]); }
ROW void set_number(float *p, long i, float x) { p[i] = x; }
ROW void set_number(bf16 *p, long i, float x) { p[i] = bf16_of(x); }

// The team's lanes of its warp.
#define TEAM_MASK (TEAM >= 32 ? 0xffffffffu : ((1u << (TEAM % 32)) - 1) << (threadIdx.x % 32 / TEAM * TEAM))

struct Plus { template <typename T> static __device__ __forceinline__ T of(T a, T b) { return a + b; } };
struct Larger { static __device__ __forceinline__ float of(float a, float b) { return a > b ? a : b; } };

// Over the team, as a tree; all get it.
template <typename Join, typename T> ROW T over_team(T x) {
#pragma unroll
  for (int i = (TEAM < 32 ? TEAM : 32) / 2; i > 0; i /= 2) x = Join::of(x, __shfl_xor_sync(TEAM_MASK, x, i));
#if TEAM > 32
  __shared__ T warps[TEAM / 32];
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  x = warps[0];
#pragma unroll
  for (int i = 1; i < TEAM / 32; i++) x = Join::of(x, warps[i]);
#endif
  return x;
}
ROW float row_sum(vf v) {
  float sum = v.s[0];
  for (int j = 1; j < VL; j++) sum += v.s[j];
  return over_team<Plus>(sum);
}
ROW float row_top(vf v) {
  float top = v.s[0];
  for (int j = 1; j < VL; j++) top = v.s[j] > top ? v.s[j] : top;
  return over_team<Larger>(top);
}
template <typename A, typename B> ROW float row_dot(const A *a, const B *b, long n) {
  vf sums = vset(0);
  EACH(i, n, sums = sums + get(a, i) * get(b, i));
  return row_sum(sums);
}
template <typename A, typename B> ROW double row_dot_double(const A *a, const B *b, long n) {
  double sum = 0;
  EACH(i, n, {
    vf u = get(a, i), v = get(b, i);
    for (int j = 0; j < VL; j++) sum += (double)u.s[j] * (double)v.s[j];
  });
  return over_team<Plus>(sum);
}

// The row of this thread's team, and a loop over the rows of a grid of any size. All of a team take the same turns.
#define THIS_ROW ((long)(((long)blockIdx.x * blockDim.x + threadIdx.x) / TEAM))
#define EACH_ROW(n, rows) for (long n = THIS_ROW; n < (rows); n += (long)gridDim.x * blockDim.x / TEAM)

#endif
