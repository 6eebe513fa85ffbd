// What this machine can do at most, for bench/roofline.ts: multiply-adds in registers, and memory read and written.
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "../../kernels/native/vector.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#define CHAINS 20
#define MAX_THREADS 256

typedef struct {
  int kind;
  double work, seconds;
  float *memory, sink;
} Run;

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// float multiply-adds: 2 VL operations a vector.
static void multiply_add(Run *r) {
  vf x[CHAINS], factor = vset(0.999999f), term = vset(1e-9f);
  for (int i = 0; i < CHAINS; i++) x[i] = vset((float)i);
  for (long k = 0; k < 100000; k++)
#pragma GCC unroll 20
    for (int i = 0; i < CHAINS; i++) x[i] = x[i] * factor + term;
  for (int i = 0; i < CHAINS; i++) r->sink += vsum(x[i]);
  r->work = 100000.0 * CHAINS * VL * 2;
}

// Pairs of bfloat16 into float: 4 VL operations a vector.
static void multiply_pairs(Run *r) {
#if defined(__AVX512BF16__)
  __m512 x[CHAINS];
  __m512bh factor = (__m512bh)_mm512_set1_epi32(0x38003800);
  for (int i = 0; i < CHAINS; i++) x[i] = _mm512_set1_ps((float)i);
  for (long k = 0; k < 100000; k++)
#pragma GCC unroll 20
    for (int i = 0; i < CHAINS; i++) x[i] = _mm512_dpbf16_ps(x[i], factor, factor);
  for (int i = 0; i < CHAINS; i++) r->sink += vsum((vf)x[i]);
  r->work = 100000.0 * CHAINS * 64;
#else
  multiply_add(r);
#endif
}

// a = b + c over 32 MB arrays: bytes.
#define FLOATS (1L << 23)
static void add_arrays(Run *r) {
  float *restrict a = r->memory;
  const float *b = r->memory + FLOATS, *c = r->memory + 2 * FLOATS;
  for (long i = 0; i < FLOATS; i += VL) vstore(a + i, vload(b + i) + vload(c + i));
  r->sink += a[7];
  r->work = 12.0 * FLOATS;
}

static void *measure(void *args) {
  Run *r = args;
  double begin = seconds();
  if (r->kind == 0)
    multiply_add(r);
  else if (r->kind == 1)
    multiply_pairs(r);
  else
    add_arrays(r);
  r->seconds = seconds() - begin;
  return NULL;
}

// Operations a second (kind 0: float32, 1: bfloat16 where the processor has it) or bytes a second (kind 2) of `threads`
// threads at once, the best of `rounds`; 0 without memory.
double peak(int kind, int threads, int rounds) {
  static Run runs[MAX_THREADS];
  pthread_t ids[MAX_THREADS];
  double best = 0;
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  for (int t = 0; t < threads; t++) {
    runs[t] = (Run){.kind = kind};
    if (kind == 2 && !(runs[t].memory = calloc(3 * FLOATS, sizeof(float)))) return 0;
  }
  for (int round = 0; round < rounds; round++) {
    double sum = 0;
    int started = 0;
    while (started < threads && !pthread_create(&ids[started], NULL, measure, &runs[started])) started++;
    for (int t = 0; t < started; t++) pthread_join(ids[t], NULL);
    for (int t = 0; t < started; t++) sum += runs[t].work / runs[t].seconds;
    if (sum > best) best = sum;
  }
  for (int t = 0; t < threads; t++) free(runs[t].memory);
  return best;
}
