// Calls every kernel over odd sizes on buffers of exactly the size that it may touch, for AddressSanitizer and
// UndefinedBehaviorSanitizer to watch; prints the number of calls. Every result must be finite.
#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static long size(long limit) { return 1 + draw() % limit; }

// Arrays of the current round, all freed at its end.
static float *held[64];
static long lengths[64];
static int count;

static float *fill(long n, float scale) {
  float *p = malloc(sizeof(float) * (size_t)n);
  for (long i = 0; i < n; i++) p[i] = scale * ((float)(draw() % 2001) / 1000 - 1);
  held[count] = p;
  lengths[count++] = n;
  return p;
}
static float *array(long n) { return fill(n, 1); }

// Of the current round's kernels: which arrays hold bfloat16. cells(bit, n) is array number `bit`.
static int bf16_mask;
static void *cells(int bit, long n) {
  if (!(bf16_mask >> bit & 1)) return array(n);
  uint16_t *p = malloc(sizeof(uint16_t) * (size_t)n);
  // +-0.5 to 1, whatever the lower bits.
  for (long i = 0; i < n; i++) p[i] = (uint16_t)(0x3f00 | (draw() & 0x807f));
  held[count] = (float *)p;
  lengths[count++] = 0;
  return p;
}

static void release(const char *kernel) {
  while (count > 0) {
    float *p = held[--count];
    for (long i = 0; i < lengths[count]; i++)
      if (!isfinite(p[i])) {
        printf("%s: not finite\n", kernel);
        exit(1);
      }
    free(p);
  }
}

static int32_t *ids(long n, long from, long limit) {
  int32_t *p = malloc(sizeof(int32_t) * (size_t)n);
  for (long i = 0; i < n; i++) p[i] = (int32_t)(from + draw() % (limit - from));
  return p;
}

static void round_of(long limit) {
  for (int ta = 0; ta < 2; ta++)
    for (int tb = 0; tb < 2; tb++) {
      long M = size(limit), N = size(limit), K = size(3 * limit), B = size(3);
      tg_batch_matmul(ta, tb, B, M, N, K, array(B * M * K), M * K, array(K * N), 0, array(B * M * N));
      release("batch_matmul");
    }
  long N = size(limit), I = size(limit), O = size(limit);
  void *x = cells(0, N * I);
  float *w = array(O * I);
  tg_parameter(w);
  for (int use = 0; use < 4; use++) tg_linear(bf16_mask, N, I, O, x, w, cells(1, N * O));
  tg_linear_grad(bf16_mask, N, I, O, x, w, cells(1, N * O), cells(2, N * I), array(O * I));
  tg_forget_parameters();
  release("linear");

  // Rows enough for a gradient in parts.
  N = 500 + size(8 * limit);
  tg_linear_grad(bf16_mask, N, I, O, cells(0, N * I), array(O * I), cells(1, N * O), cells(2, N * I), array(O * I));
  release("linear of many rows");
  N = size(limit);

  void *y = cells(0, N * I);
  float *rstd = array(N);
  tg_rms_norm(bf16_mask, N, I, 1e-7f, array(N * I), y, rstd);
  tg_rms_norm_grad(bf16_mask, N, I, y, rstd, cells(1, N * I), array(N * I));
  release("rms_norm");

  long T = size(limit), B = size(3), H = size(3), half = size(20), D = 2 * half;
  float *cosines = array(T * half), *sines = array(T * half);
  rstd = array(B * T * H);
  tg_rotary(bf16_mask, B * T, T, H, D, 1e-7f, cells(0, B * T * H * D), cosines, sines, cells(1, B * T * H * D), rstd);
  tg_rotary_grad(bf16_mask, B * T, T, H, D, cells(0, B * T * H * D), rstd, cosines, sines, array(B * T * H * D),
                 cells(1, B * T * H * D));
  release("rotary");

  long G = size(3), C = size(limit), K = size(C), rows = size(5 * limit);
  float *ve = array(rows * G * D), *gate = array(rows * G);
  w = array(G * K);
  tg_value_embedding(bf16_mask, rows, C, G, D, K, cells(0, rows * G * D), ve, cells(1, rows * C), w,
                     cells(2, rows * G * D), gate);
  tg_value_embedding_grad(bf16_mask, rows, C, G, D, K, ve, cells(0, rows * C), w, gate, array(rows * G * D), array(rows * G * D), array(rows * C),
                          array(G * K));
  release("value_embedding");

  long V = size(limit), W = size(limit);
  int32_t *list = ids(N, 0, V);
  tg_embedding(N, V, W, array(V * W), list, array(N * W));
  tg_embedding_grad(N, V, W, list, array(N * W), array(V * W));
  release("embedding");
  free(list);

  long n = size(500 * limit);
  for (int op = 0; op < 3; op++) tg_binary(bf16_mask, op, n, cells(0, n), cells(1, n), array(n));
  int unmarked = bf16_mask;
  bf16_mask = 1;
  tg_widen(n, cells(0, n), array(n));
  bf16_mask = unmarked;
  tg_affine(n, 2, 1, array(n), array(n));
  tg_accumulate(n, 0.5f, array(n), array(n));
  for (int op = 0; op < 3; op++) {
    long outer = size(9), inner = op == 1 ? 1 : size(30), terms = 1 + n / 8;
    tg_reduce(op, outer, terms, inner, array(outer * terms * inner), array(outer * inner));
  }
  tg_tanh(n, array(n), array(n));
  y = cells(1, n);
  tg_relu_squared(bf16_mask, n, cells(0, n), y);
  tg_relu_squared_grad((bf16_mask & 6) | (bf16_mask >> 1 & 1), n, y, cells(1, n), cells(2, n));
  long L = size(4), layer = (long)(draw() % L);
  float *x0 = array(n), *a = array(L), *b = array(L);
  float *residual = array(n);
  tg_residual_mix(n, layer, residual, x0, a, b, array(n));
  tg_residual_mix_grad(n, L, layer, residual, x0, a, b, array(n), array(n), array(n), array(L), array(L));
  release("elementwise");

  long Q = size(3), window = (long)(draw() % (T + 1)), E = size(40);
  void *q = cells(0, B * T * G * Q * E), *k = cells(1, B * T * G * E), *v = cells(2, B * T * G * E);
  float *lse = array(B * T * G * Q);
  y = cells(3, B * T * G * Q * E);
  tg_attention(bf16_mask, B, T, G * Q, G, E, window, q, k, v, y, lse);
  tg_attention_grad(bf16_mask, B, T, G * Q, G, E, window, q, k, v, y, lse, cells(4, B * T * G * Q * E), array(B * T * G * Q * E),
                    array(B * T * G * E), array(B * T * G * E));
  release("attention");

  list = ids(rows, -1, V);
  for (int reduction = 0; reduction < 3; reduction++)
    tg_lm_head(bf16_mask, rows, C, V, reduction == 1 ? 100 : 15, reduction, cells(0, rows * C), array(V * C), list,
               array(reduction ? 1 : rows), reduction ? array(rows * C) : NULL, reduction ? array(V * C) : NULL);
  release("lm_head");
  free(list);

  float *m = fill(n, 0), *second = fill(n, 0);
  tg_adamw(n, 0.99f, 0.1f, 0.9f, 0.95f, 20, 1e-8f, array(n), m, second, array(n));
  release("adamw");

  long matrices = size(5);
  for (long i = 0; i < matrices; i++) tg_muon_matrix(i, array(I * O), array(I * O));
  tg_muon(matrices, I, O, 0.02f, 0.9f, 0.95f, 0.1f, 5, array(matrices * I * O),
          fill(matrices * (I >= O ? I : O), 0));
  release("muon");
}

int main(void) {
  int rounds = 0;
  for (int threads = 1; threads <= 3; threads++) {
    tg_set_threads(threads);
    round_of(1);
    for (int i = 0; i < 8; i++, rounds++) {
      int bf16 = i % 4 > 1;
      tg_set_bf16(bf16);
      bf16_mask = bf16 ? (int)(draw() % 32) : 0;
      round_of(i % 2 ? 40 : 140);
    }
    tg_set_bf16(bf16_mask = 0);
  }
  printf("%d rounds\n", rounds);
  return 0;
}
