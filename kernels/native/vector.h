// Float vectors of the machine's width by GCC and Clang vector extensions: AVX-512, AVX2, and 128-bit code that
// compiles anywhere (SSE, NEON). Loads and stores are unaligned. With them exp and tanh, exact to about 2 ulp, and
// sums in an order fixed by the length alone. NaN always propagates.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX__)
#define VL 8
#else
#define VL 4
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));

#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

INLINE vf vload(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
INLINE void vstore(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf vset(float x) { return x - (vf){0}; }
// m ? a : b, lane by lane; m is the outcome of a comparison.
INLINE vf vpick(vi m, vf a, vf b) { return (vf)(((vi)a & m) | ((vi)b & ~m)); }
INLINE vf vmax(vf a, vf b) { return vpick(a > b, a, b); }
// A fixed tree, so that the order of summation does not depend on the compiler.
INLINE float vsum(vf v) {
  float s[VL];
#if VL == 16
  // The first step in registers.
  typedef float half __attribute__((vector_size(4 * VL / 2)));
  half low, high;
  memcpy(&low, &v, sizeof low);
  memcpy(&high, (char *)&v + sizeof low, sizeof high);
  low += high;
  memcpy(s, &low, sizeof low);
  const int width = VL / 2;
#else
  memcpy(s, &v, sizeof v);
  const int width = VL;
#endif
  for (int n = width / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) s[i] += s[i + n];
  return s[0];
}
INLINE float vtop(vf v) {
  float s[VL];
  memcpy(s, &v, sizeof v);
  float m = s[0];
  for (int i = 1; i < VL; i++) m = s[i] > m ? s[i] : m;
  return m;
}

// sum of a[i] * b[i]
INLINE float vdot(const float *a, const float *b, long n) {
  vf s = {0}, t = {0};
  long i = 0;
  for (; i + 2 * VL <= n; i += 2 * VL) {
    s += vload(a + i) * vload(b + i);
    t += vload(a + i + VL) * vload(b + i + VL);
  }
  for (; i + VL <= n; i += VL) s += vload(a + i) * vload(b + i);
  float sum = vsum(s + t);
  for (; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// exp by x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 6 in r (Cephes' expf). Adding 1.5 2^23 rounds to
// the whole number n, which then stands in the low bits.
INLINE vf vexp(vf x) {
  const float high = 88.3762626647949f, low = -87.3365447505531f;
  vf shifted = x * vset(1.44269504088896341f) + vset(12582912.0f);
  vf k = shifted - vset(12582912.0f);
  vf r = x - k * vset(0.693359375f) + k * vset(2.12194440e-4f);
  vf p = vset(1.9875691500e-4f);
  p = p * r + vset(1.3981999507e-3f);
  p = p * r + vset(8.3334519073e-3f);
  p = p * r + vset(4.1665795894e-2f);
  p = p * r + vset(1.6666665459e-1f);
  p = p * r + vset(5.0000001201e-1f);
  p = p * r * r + r + vset(1.0f);
  vf scale = (vf)(((vi)shifted << 23) + 0x3f800000);
  // NaN has come through r.
  vf y = (vf)((vi)(p * scale) & ~(x < vset(low)));
  return vpick(x > vset(high), vset(INFINITY), y);
}

// tanh x = 1 - 2 / (exp 2x + 1); near 0, where that cancels, its Taylor series to x^9.
INLINE vf vtanh(vf x) {
  vf far = 1 - 2 / (vexp(x + x) + 1);
  vf s = x * x;
  vf near = vset(62.0f / 2835);
  near = near * s - vset(17.0f / 315);
  near = near * s + vset(2.0f / 15);
  near = near * s - vset(1.0f / 3);
  near = near * s * x + x;
  return vpick(s < vset(0.04f), near, far);
}

// The first n < VL floats at p, the other lanes 0; and the store that goes with it.
INLINE vf vload_part(const float *p, long n) {
  float s[VL] = {0};
  memcpy(s, p, sizeof(float) * (size_t)n);
  return vload(s);
}
INLINE void vstore_part(float *p, vf v, long n) {
  float s[VL];
  vstore(s, v);
  memcpy(p, s, sizeof(float) * (size_t)n);
}
