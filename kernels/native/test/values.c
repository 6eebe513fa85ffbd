// Every kernel against its definition in double precision, over odd and random sizes, in both precisions. The results
// must be the same bits on one thread, two and three. For each instruction set that this can be compiled for.
//
// Letters as in the kernels: B batch, T sequence, N tokens, C width, H query heads, G kv heads, D head width.
#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bf16_on, comparisons, most_threads = 3;
// Of all results so far.
static uint64_t digest;

static long between(long least, long most) { return least + draw() % (most - least + 1); }

static void *held[256];
static int count;
static void *take(size_t bytes) { return held[count++] = calloc(bytes ? bytes : 1, 1); }
static void release(void) {
  while (count > 0) free(held[--count]);
}
static float *blank(long n) { return take(sizeof(float) * (size_t)n); }
static double *exact(long n) { return take(sizeof(double) * (size_t)n); }
// In [-1, 1), some of them zero and some smaller than a normal float.
static float *values(long n) {
  float *p = blank(n);
  for (long i = 0; i < n; i++) p[i] = (float)(draw() >> 8) / 8388608 - 1;
  if (n > 3) p[between(0, n - 1)] = 0, p[between(0, n - 1)] = 1e-40f;
  return p;
}
// In bf16 some arrays hold bfloat16: those whose bit is set, counted as the kernel's comment marks them.
static int bf16_mask;
static int is_bf16(int bit) { return bf16_mask >> bit & 1; }
static double coarse(int bit, double tolerance) { return is_bf16(bit) ? fmax(tolerance, 5e-3) : tolerance; }

static float widened(uint16_t upper) {
  uint32_t bits = (uint32_t)upper << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
// To nearest even.
static uint16_t narrowed(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Values that array `bit` can hold, as floats, and the array itself; room for a result in one, and what was put there.
static float *holdable(int bit, float *x, long n) {
  for (long i = 0; i < n && is_bf16(bit); i++) x[i] = widened(narrowed(x[i]));
  return x;
}
static void *hold(int bit, float *x, long n) {
  if (!is_bf16(bit)) return x;
  uint16_t *p = take(sizeof *p * (size_t)n);
  for (long i = 0; i < n; i++) p[i] = narrowed(x[i]);
  return p;
}
static void *room(int bit, long n) { return take((is_bf16(bit) ? sizeof(uint16_t) : sizeof(float)) * (size_t)n); }
static float *held_in(int bit, void *p, long n) {
  if (!is_bf16(bit)) return p;
  float *x = blank(n);
  for (long i = 0; i < n; i++) x[i] = widened(((uint16_t *)p)[i]);
  return x;
}

static float *copy(const float *from, long n) { return memcpy(blank(n), from, sizeof(float) * (size_t)n); }
static int32_t *ids(long n, long from, long limit) {
  int32_t *p = take(sizeof(int32_t) * (size_t)n);
  for (long i = 0; i < n; i++) p[i] = (int32_t)between(from, limit - 1);
  return p;
}

// Errors count relative to the largest value expected; `rough` holds in bf16 where kernels round in between.
static void compare(const char *what, const float *got, const double *expected, long n, double tolerance, double rough) {
  double scale = 1e-2, allowed = bf16_on && rough > 0 ? rough : tolerance;
  for (long i = 0; i < n; i++) scale = fmax(scale, fabs(expected[i]));
  for (long i = 0; i < n; i++)
    if (!(fabs(got[i] - expected[i]) <= allowed * scale)) {
      fprintf(stderr, "%s%s: expected %.9g at %ld of %ld, got %.9g, largest %g\n", what, bf16_on ? " in bf16" : "",
              expected[i], i, n, got[i], scale);
      exit(1);
    }
  for (long i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, got + i, sizeof bits);
    digest = (digest ^ bits) * 1099511628211u;
  }
  comparisons++;
}

// Of a product.
static double operand(float x) { return bf16_on ? widened(narrowed(x)) : x; }

static double *product(int ta, int tb, long M, long N, long K, const float *A, const float *B) {
  double *C = exact(M * N), *a = exact(K), *b = exact(K * N);
  for (long k = 0; k < K; k++)
    for (long j = 0; j < N; j++) b[k * N + j] = operand(tb ? B[j * K + k] : B[k * N + j]);
  for (long i = 0; i < M; i++) {
    for (long k = 0; k < K; k++) a[k] = operand(ta ? A[k * M + i] : A[i * K + k]);
    for (long k = 0; k < K; k++)
      for (long j = 0; j < N; j++) C[i * N + j] += a[k] * b[k * N + j];
  }
  return C;
}

static void products(long M, long N, long K) {
  for (int ta = 0; ta < 2; ta++)
    for (int tb = 0; tb < 2; tb++) {
      float *A = values(M * K), *B = values(K * N), *C = values(3 * M * N);
      tg_batch_matmul(ta, tb, 1, M, N, K, A, 0, B, 0, C);
      compare("product", C, product(ta, tb, M, N, K, A, B), M * N, 1e-5, 0);
      // As many as there are threads run side by side.
      float *As = values(3 * M * K);
      tg_batch_matmul(ta, tb, 3, M, N, K, As, M * K, B, 0, C);
      for (long i = 0; i < 3; i++)
        compare("batched product", C + i * M * N, product(ta, tb, M, N, K, As + i * M * K, B), M * N, 1e-5, 0);
      release();
    }
}

static void linear(long N, long I, long O) {
  float *x = holdable(0, values(N * I), N * I), *w = values(O * I), *dw = values(O * I);
  void *y = room(1, N * O), *dx = room(2, N * I);
  tg_linear(bf16_mask, N, I, O, hold(0, x, N * I), w, y);
  compare("linear", held_in(1, y, N * O), product(0, 1, N, O, I, x, w), N * O, coarse(1, 1e-5), 0);
  float *dy = holdable(1, values(N * O), N * O);
  tg_linear_grad(bf16_mask, N, I, O, hold(0, x, N * I), w, hold(1, dy, N * O), dx, dw);
  compare("linear dx", held_in(2, dx, N * I), product(0, 0, N, I, O, dy, w), N * I, coarse(2, 1e-5), 0);
  compare("linear dw", dw, product(1, 0, O, I, N, dy, x), O * I, 1e-5, 0);
  release();
}

// y = z rstd of a row of n; returns rstd.
static double norm_row(long n, const double *z, double epsilon, double *y) {
  double squares = 0;
  for (long i = 0; i < n; i++) squares += z[i] * z[i];
  double rstd = 1 / sqrt(squares / n + epsilon);
  for (long i = 0; i < n; i++) y[i] = z[i] * rstd;
  return rstd;
}
// dy -> dz; where y was stored as bfloat16, the gradient is that of what was stored.
static void norm_row_grad(long n, const double *y, const float *stored, double rstd, const float *dy, double *dz) {
  double along = 0;
  for (long i = 0; i < n; i++) along += dy[i] * (stored ? stored[i] : y[i]) / n;
  for (long i = 0; i < n; i++) dz[i] = rstd * (dy[i] - (stored ? stored[i] : y[i]) * along);
}

static void norms(long N, long C) {
  float *x = values(N * C), *rstd = blank(N), *dy = holdable(1, values(N * C), N * C), *dx = blank(N * C);
  void *y = room(0, N * C);
  double *z = exact(N * C), *want = exact(N * C), *want_grad = exact(N * C), *scale = exact(N);
  for (long i = 0; i < N * C; i++) z[i] = x[i];
  for (long n = 0; n < N; n++) scale[n] = norm_row(C, z + n * C, 1e-3, want + n * C);
  tg_rms_norm(bf16_mask, N, C, 1e-3f, x, y, rstd);
  float *stored = held_in(0, y, N * C);
  compare("rms_norm", stored, want, N * C, coarse(0, 1e-5), 0);
  for (long n = 0; n < N; n++)
    norm_row_grad(C, want + n * C, is_bf16(0) ? stored + n * C : NULL, scale[n], dy + n * C, want_grad + n * C);
  tg_rms_norm_grad(bf16_mask, N, C, y, rstd, hold(1, dy, N * C), dx);
  compare("rms_norm gradient", dx, want_grad, N * C, 1e-4, 0);
  release();
}

static void rotary(long B, long T, long H, long half) {
  long N = B * T, D = 2 * half, n = N * H * D;
  float *x = holdable(0, values(n), n), *rstd = blank(N * H), *dy = values(n);
  float *cosines = values(T * half), *sines = values(T * half);
  void *y = room(1, n), *dx = room(1, n);
  double *want = exact(n), *want_grad = exact(n), *scale = exact(N * H), *z = exact(D), *dz = exact(D);
  for (long r = 0; r < N * H; r++) {
    const float *c = cosines + r / H % T * half, *s = sines + r / H % T * half, *a = x + r * D, *b = a + half;
    for (long i = 0; i < half; i++) {
      z[i] = (double)a[i] * c[i] + (double)b[i] * s[i];
      z[half + i] = (double)b[i] * c[i] - (double)a[i] * s[i];
    }
    scale[r] = norm_row(D, z, 1e-3, want + r * D);
  }
  tg_rotary(bf16_mask, N, T, H, D, 1e-3f, hold(0, x, n), cosines, sines, y, rstd);
  float *stored = held_in(1, y, n);
  compare("rotary", stored, want, n, coarse(1, 1e-5), 0);
  // The gradient reads y as array 0.
  int rounded = bf16_mask & 3;
  stored = holdable(0, copy(stored, n), n);
  for (long r = 0; r < N * H; r++) {
    const float *c = cosines + r / H % T * half, *s = sines + r / H % T * half;
    norm_row_grad(D, want + r * D, rounded ? stored + r * D : NULL, scale[r], dy + r * D, dz);
    for (long i = 0; i < half; i++) {
      want_grad[r * D + i] = dz[i] * c[i] - dz[half + i] * s[i];
      want_grad[r * D + half + i] = dz[i] * s[i] + dz[half + i] * c[i];
    }
  }
  tg_rotary_grad(bf16_mask, N, T, H, D, hold(0, stored, n), rstd, cosines, sines, dy, dx);
  compare("rotary gradient", held_in(1, dx, n), want_grad, n, coarse(1, 1e-4), 0);
  release();
}

static void value_embedding(long N, long C, long G, long D, long K) {
  long n = N * G * D;
  float *v = holdable(0, values(n), n), *ve = values(n), *w = values(G * K), *gate = blank(N * G);
  float *x = holdable(0, holdable(1, values(N * C), N * C), N * C);
  void *y = room(2, n);
  float *dy = values(n), *dve = blank(n), *dx = blank(N * C), *dw = blank(G * K);
  double *want = exact(n), *want_grad = exact(n), *want_dx = exact(N * C), *want_dw = exact(G * K);
  for (long r = 0; r < N * G; r++) {
    double z = 0, along = 0;
    for (long k = 0; k < K; k++) z += (double)x[r / G * C + k] * w[r % G * K + k];
    double s = 1 / (1 + exp(-z));
    for (long d = r * D; d < (r + 1) * D; d++) {
      want[d] = v[d] + 2 * s * ve[d];
      want_grad[d] = 2 * s * dy[d];
      along += (double)dy[d] * ve[d];
    }
    double dz = along * 2 * s * (1 - s);
    for (long k = 0; k < K; k++) {
      want_dx[r / G * C + k] += dz * w[r % G * K + k];
      want_dw[r % G * K + k] += dz * x[r / G * C + k];
    }
  }
  tg_value_embedding(bf16_mask, N, C, G, D, K, hold(0, v, n), ve, hold(1, x, N * C), w, y, gate);
  compare("value embedding", held_in(2, y, n), want, n, coarse(2, 1e-5), 0);
  tg_value_embedding_grad(bf16_mask, N, C, G, D, K, ve, hold(0, x, N * C), w, gate, dy, dve, dx, dw);
  compare("value embedding dve", dve, want_grad, n, 1e-5, 0);
  compare("value embedding dx", dx, want_dx, N * C, 1e-4, 0);
  compare("value embedding dw", dw, want_dw, G * K, 1e-4, 0);
  release();
}

static void embedding(long N, long V, long W) {
  float *table = values(V * W), *dy = values(N * W), *y = blank(N * W), *dtable = values(V * W);
  int32_t *list = ids(N, 0, V);
  double *want = exact(N * W), *want_grad = exact(V * W);
  for (long i = 0; i < N * W; i++) {
    want[i] = table[list[i / W] * W + i % W];
    want_grad[list[i / W] * W + i % W] += dy[i];
  }
  tg_embedding(N, V, W, table, list, y);
  compare("embedding", y, want, N * W, 0, 0);
  tg_embedding_grad(N, V, W, list, dy, dtable);
  compare("embedding gradient", dtable, want_grad, V * W, 1e-5, 0);
  release();
}

static void elementwise(long n) {
  float *a = values(n), *b = values(n), *out = blank(n);
  double *want = exact(n);
#define EXPECT(name, call, tolerance, formula)         \
  for (long i = 0; i < n; i++) want[i] = formula;      \
  call;                                                \
  compare(name, out, want, n, tolerance, 0)
  for (long i = 0; i < n; i++) b[i] = fabsf(b[i]) < 0.1f ? 0.1f : b[i];
  holdable(0, a, n), holdable(1, b, n);
  uint16_t *halved = take(sizeof *halved * (size_t)n);
  for (long i = 0; i < n; i++) halved[i] = narrowed(a[i]);
  EXPECT("widened", tg_widen(n, halved, out), 0, widened(halved[i]));
  EXPECT("add", tg_binary(bf16_mask, 0, n, hold(0, a, n), hold(1, b, n), out), 1e-6, (double)a[i] + b[i]);
  EXPECT("subtract", tg_binary(bf16_mask, 1, n, hold(0, a, n), hold(1, b, n), out), 1e-6, (double)a[i] - b[i]);
  EXPECT("multiply", tg_binary(bf16_mask, 2, n, hold(0, a, n), hold(1, b, n), out), 1e-6, (double)a[i] * b[i]);
  EXPECT("divide", tg_binary(bf16_mask, 3, n, hold(0, a, n), hold(1, b, n), out), 1e-6, (double)a[i] / b[i]);
  EXPECT("affine", tg_affine(n, 2, 1, a, out), 1e-6, 2.0 * a[i] + 1);
  for (long i = 0; i < n; i++) a[i] *= 4;
  EXPECT("tanh", tg_tanh(n, a, out), 1e-6, tanh(a[i]));
  float *result = out;
  void *squares = room(1, n), *grads = room(2, n);
  tg_relu_squared(bf16_mask, n, hold(0, a, n), squares);
  out = held_in(1, squares, n);
  EXPECT("relu squared", , coarse(1, 1e-6), a[i] > 0 ? (double)a[i] * a[i] : 0);
  float *y = holdable(0, copy(out, n), n);
  tg_relu_squared_grad(bf16_mask, n, hold(0, y, n), hold(1, b, n), grads);
  out = held_in(2, grads, n);
  EXPECT("relu squared gradient", , bf16_mask & 3 ? 1e-2 : coarse(2, 1e-6), a[i] > 0 ? 2.0 * a[i] * b[i] : 0);
  out = result;
  memcpy(out, b, sizeof(float) * (size_t)n);
  EXPECT("accumulate", tg_accumulate(n, 0.5f, a, out), 1e-6, ((double)b[i] + a[i]) / 2);
  float *resid = values(3), *first = values(3), *dy = values(n), *dx0 = blank(n), dresid[3], dfirst[3];
  EXPECT("residual mix", tg_residual_mix(n, 1, a, b, resid, first, out), 1e-6, (double)resid[1] * a[i] + (double)first[1] * b[i]);
  EXPECT("residual mix dx", tg_residual_mix_grad(n, 3, 1, a, b, resid, first, dy, out, dx0, dresid, dfirst), 1e-6,
         (double)resid[1] * dy[i]);
  double along[3] = {0}, along0[3] = {0};
  for (long i = 0; i < n; i++) {
    want[i] = (double)first[1] * dy[i];
    along[1] += (double)dy[i] * a[i];
    along0[1] += (double)dy[i] * b[i];
  }
  compare("residual mix dx0", dx0, want, n, 1e-6, 0);
  compare("residual mix dresid", dresid, along, 3, 1e-6, 0);
  compare("residual mix dfirst", dfirst, along0, 3, 1e-6, 0);
  release();
}

static void attention(long B, long T, long H, long G, long D, long window) {
  long n = B * T * H * D, m = B * T * G * D;
  float *q = holdable(0, values(n), n), *k = holdable(1, values(m), m), *v = holdable(2, values(m), m);
  float *lse = blank(B * T * H), *dy = holdable(4, values(n), n), *dq = blank(n), *dk = values(m), *dv = values(m);
  double *want = exact(n), *want_lse = exact(B * T * H), *want_dq = exact(n), *want_dk = exact(m), *want_dv = exact(m);
  double *p = exact(T), *dp = exact(T), scale = 1 / sqrt((double)D);
  for (long i = 0; i < n; i++) q[i] *= 4;
  for (long r = 0; r < B * T * H; r++) {
    long b = r / (T * H), t = r / H % T, g = r % H / (H / G), from = t > window ? t - window : 0;
    const float *query = q + r * D, *grad = dy + r * D;
    double sum = 0, along = 0;
    for (long j = from; j <= t; j++) {
      const float *key = k + ((b * T + j) * G + g) * D, *value = v + ((b * T + j) * G + g) * D;
      p[j] = dp[j] = 0;
      for (long d = 0; d < D; d++) {
        p[j] += (double)query[d] * key[d] * scale;
        dp[j] += (double)grad[d] * value[d];
      }
      sum += p[j] = exp(p[j]);
    }
    want_lse[r] = log(sum);
    for (long j = from; j <= t; j++) along += (p[j] /= sum) * dp[j];
    for (long j = from; j <= t; j++) {
      long at = ((b * T + j) * G + g) * D;
      double ds = p[j] * (dp[j] - along) * scale;
      for (long d = 0; d < D; d++) {
        want[r * D + d] += p[j] * v[at + d];
        want_dv[at + d] += p[j] * grad[d];
        want_dq[r * D + d] += ds * k[at + d];
        want_dk[at + d] += ds * query[d];
      }
    }
  }
  void *y = room(3, n), *q_in = hold(0, q, n), *k_in = hold(1, k, m), *v_in = hold(2, v, m);
  tg_attention(bf16_mask, B, T, H, G, D, window, q_in, k_in, v_in, y, lse);
  compare("attention", held_in(3, y, n), want, n, 1e-5, 2e-2);
  compare("attention's log of sums", lse, want_lse, B * T * H, 1e-5, 2e-2);
  tg_attention_grad(bf16_mask, B, T, H, G, D, window, q_in, k_in, v_in, y, lse, hold(4, dy, n), dq, dk, dv);
  compare("attention dq", dq, want_dq, n, 1e-4, 3e-2);
  compare("attention dk", dk, want_dk, m, 1e-4, 3e-2);
  compare("attention dv", dv, want_dv, m, 1e-4, 3e-2);
  release();
}

static void head(long N, long C, long V, float cap) {
  float *x = values(N * C), *w = values(V * C), *losses = blank(N), mean, sum, *dx = values(N * C), *dw = values(V * C);
  for (long i = 0; i < N * C; i++) x[i] *= 3;
  void *x_in = hold(0, holdable(0, x, N * C), N * C);
  int32_t *targets = ids(N, -1, V);
  double *want = exact(N), *want_dx = exact(N * C), *want_dw = exact(V * C), *u = exact(V), *p = exact(V), total = 0, counted = 0;
  for (long n = 0; n < N; n++) counted += targets[n] >= 0;
  for (long n = 0; n < N; n++) {
    if (targets[n] < 0) continue;
    double all = 0;
    for (long j = 0; j < V; j++) {
      double z = 0;
      for (long c = 0; c < C; c++) z += operand(x[n * C + c]) * operand(w[j * C + c]);
      u[j] = tanh(z / cap);
      all += p[j] = exp(cap * u[j]);
    }
    total += want[n] = log(all) - cap * u[targets[n]];
    for (long j = 0; j < V; j++) {
      double dz = (p[j] / all - (j == targets[n])) * (1 - u[j] * u[j]) / counted;
      for (long c = 0; c < C; c++) {
        want_dx[n * C + c] += dz * w[j * C + c];
        want_dw[j * C + c] += dz * x[n * C + c];
      }
    }
  }
  tg_lm_head(bf16_mask, N, C, V, cap, 0, x_in, w, targets, losses, NULL, NULL);
  compare("losses", losses, want, N, 1e-5, 0);
  tg_lm_head(bf16_mask, N, C, V, cap, 1, x_in, w, targets, &mean, dx, dw);
  double want_mean = counted ? total / counted : 0;
  compare("mean loss", &mean, &want_mean, 1, 1e-5, 0);
  compare("head dx", dx, want_dx, N * C, 1e-4, 2e-2);
  compare("head dw", dw, want_dw, V * C, 1e-4, 2e-2);
  tg_lm_head(bf16_mask, N, C, V, cap, 2, x_in, w, targets, &sum, NULL, NULL);
  compare("sum of losses", &sum, &total, 1, 1e-5, 0);
  release();
}

static void adamw(long n) {
  float *w = values(n), *m = values(n), *v = values(n), *g = values(n);
  double *want = exact(n), *want_m = exact(n), *want_v = exact(n);
  for (long i = 0; i < n; i++) {
    v[i] = fabsf(v[i]);
    want_m[i] = 0.9f * (double)m[i] + (1 - 0.9f) * (double)g[i];
    want_v[i] = 0.95f * (double)v[i] + (1 - 0.95f) * (double)g[i] * g[i];
    want[i] = 0.99f * (double)w[i] - 0.1f * want_m[i] / (sqrt(want_v[i] * 2) + 1e-3f);
  }
  tg_adamw(n, 0.99f, 0.1f, 0.9f, 0.95f, 2, 1e-3f, w, m, v, g);
  compare("adamw", w, want, n, 1e-5, 0);
  compare("adamw's first moment", m, want_m, n, 1e-5, 0);
  compare("adamw's second moment", v, want_v, n, 1e-5, 0);
  release();
}

// (a, b, c) of the first two iterations of Polar Express.
static const double POLAR[2][3] = {{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                   {4.042929935166739, -2.808917465908714, 0.5000178451051316}};

// Without decay in bf16, as its mask turns with the sign of what is near zero.
static void muon(long count_of, long R, long S) {
  long n = R * S, small = R < S ? R : S, kept = R >= S ? R : S;
  const double mu = 0.9f, beta2 = 0.95f, lr = 0.02f, decay = bf16_on ? 0 : 0.1f;
  float *momentum = values(count_of * n), *second = values(count_of * kept), *w = values(count_of * n);
  float *g = values(count_of * n), *step = blank(count_of * n);
  double *want = exact(count_of * n), *want_m = exact(count_of * n);
  double *x = exact(n), *next = exact(n), *gram = exact(small * small), *square = exact(small * small);
  for (long i = 0; i < count_of * kept; i++) second[i] = fabsf(second[i]);
  for (long k = 0; k < count_of; k++) {
    double norm = 0;
    for (long i = 0; i < n; i++) {
      double m = want_m[k * n + i] = momentum[k * n + i] + (1 - mu) * ((double)g[k * n + i] - momentum[k * n + i]);
      x[i] = g[k * n + i] + mu * (m - g[k * n + i]);
      norm += x[i] * x[i];
    }
    for (long i = 0; i < n; i++) x[i] /= sqrt(norm) * 1.02 + 1e-6;
    for (int s = 0; s < 2; s++) {
      // gram = X X^T or, where that is smaller, X^T X.
      for (long i = 0; i < small; i++)
        for (long j = 0; j < small; j++) {
          double sum = 0;
          for (long c = 0; c < kept; c++) sum += R > S ? x[c * S + i] * x[c * S + j] : x[i * S + c] * x[j * S + c];
          gram[i * small + j] = sum;
        }
      for (long i = 0; i < small; i++)
        for (long j = 0; j < small; j++) {
          double sum = 0;
          for (long c = 0; c < small; c++) sum += gram[i * small + c] * gram[c * small + j];
          square[i * small + j] = POLAR[s][1] * gram[i * small + j] + POLAR[s][2] * sum;
        }
      for (long r = 0; r < R; r++)
        for (long c = 0; c < S; c++) {
          double sum = POLAR[s][0] * x[r * S + c];
          for (long i = 0; i < small; i++)
            sum += R > S ? x[r * S + i] * square[i * small + c] : square[r * small + i] * x[i * S + c];
          next[r * S + c] = sum;
        }
      memcpy(x, next, sizeof(double) * (size_t)n);
    }
    double before = 0, after = 0;
    for (long i = 0; i < kept; i++) {
      double mean = 0;
      for (long j = 0; j < small; j++) {
        double u = R >= S ? x[i * S + j] : x[j * S + i];
        mean += u * u / small;
      }
      double moment = second[k * kept + i] + (1 - beta2) * (mean - second[k * kept + i]);
      for (long j = 0; j < small; j++) *(R >= S ? x + i * S + j : x + j * S + i) /= sqrt(fmax(moment, 1e-10));
      before += mean;
      after += mean / fmax(moment, 1e-10);
    }
    for (long i = 0; i < n; i++) {
      double u = x[i] * sqrt(before / fmax(after, 1e-20)), old = w[k * n + i];
      want[k * n + i] = lr * u + (u * old >= 0 ? lr * decay * old : 0);
    }
  }
  float *old = copy(w, count_of * n);
  for (long k = 0; k < count_of; k++) tg_muon_matrix(k, w + k * n, g + k * n);
  tg_muon(count_of, R, S, (float)lr, (float)mu, (float)beta2, (float)decay, 2, momentum, second);
  for (long i = 0; i < count_of * n; i++) step[i] = old[i] - w[i];
  compare("muon's momentum", momentum, want_m, count_of * n, 1e-5, 0);
  // Polar Express enlarges the roundings.
  compare("muon", step, want, count_of * n, 1e-3, 0.15);
  release();
}

// Sum, mean and largest of [outer, terms, inner].
static void reductions(long outer, long terms, long inner) {
  float *x = values(outer * terms * inner), *got = blank(outer * inner);
  double *want = exact(outer * inner);
  for (int op = 0; op < 3; op++) {
    for (long i = 0; i < outer; i++)
      for (long j = 0; j < inner; j++) {
        double sum = 0, top = -INFINITY;
        for (long t = 0; t < terms; t++) {
          double value = x[(i * terms + t) * inner + j];
          sum += value;
          top = fmax(top, value);
        }
        want[i * inner + j] = op == 0 ? sum : op == 1 ? sum / (double)terms : top;
      }
    tg_reduce(op, outer, terms, inner, x, got);
    compare(op == 0 ? "sum" : op == 1 ? "mean" : "largest", got, want, outer * inner, 1e-6, 0);
  }
  release();
}

// Every call with arrays of its own choice in bf16: all of them bfloat16, or any.
#define CHECK(call)                                                       \
  do {                                                                    \
    bf16_mask = !bf16_on ? 0 : every ? 31 : (int)between(0, 31);               \
    call;                                                                 \
  } while (0)

static void all(int every) {
  CHECK(products(1, 1, 1));
  CHECK(products(33, 65, 31));
  CHECK(products(16, 32, 64));
  // More than a pass's depth, more than a block's rows.
  CHECK(products(between(125, 140), between(30, 70), between(513, 600)));
  for (int i = 0; i < 4; i++) CHECK(products(between(1, 70), between(1, 70), between(1, 100)));
  CHECK(linear(1, 1, 1));
  CHECK(linear(between(20, 90), between(20, 90), between(20, 90)));
  // A gradient in parts.
  CHECK(linear(between(800, 1100), between(20, 50), between(20, 50)));
  CHECK(norms(1, 1));
  CHECK(norms(between(2, 30), between(2, 150)));
  CHECK(rotary(1, 1, 1, 1));
  CHECK(rotary(2, between(2, 9), 3, between(2, 20)));
  CHECK(value_embedding(1, 1, 1, 1, 1));
  CHECK(value_embedding(between(200, 300), between(20, 40), 3, between(2, 40), between(2, 20)));
  CHECK(embedding(1, 1, 1));
  CHECK(embedding(between(2, 90), between(2, 60), between(2, 150)));
  CHECK(elementwise(1));
  CHECK(elementwise(between(2, 50)));
  CHECK(elementwise(between(20000, 40000)));
  CHECK(reductions(1, 1, 1));
  CHECK(reductions(between(2, 9), between(2, 40), between(2, 40)));
  CHECK(reductions(2, between(20000, 40000), 1));
  CHECK(reductions(1, between(2000, 4000), between(20, 40)));
  CHECK(attention(1, 1, 1, 1, 1, 1));
  CHECK(attention(2, between(50, 140), 4, 2, between(2, 40), between(1, 60)));
  CHECK(attention(1, between(2, 100), 3, 3, 2 * between(1, 20), 1000));
  CHECK(attention(2, 64, 2, 1, 32, 1));
  CHECK(head(1, 1, 1, 15));
  CHECK(head(between(30, 90), between(20, 70), between(20, 150), 15));
  CHECK(head(between(257, 300), 9, 33, 100));
  CHECK(adamw(1));
  CHECK(adamw(between(2, 20000)));
  CHECK(muon(1, 1, 1));
  CHECK(muon(3, between(2, 50), between(2, 50)));
  CHECK(muon(2, 40, 90));
  CHECK(muon(1, 90, 40));
  CHECK(muon(2, 520, 12));
}

// All in one precision, on one thread and more.
static void run(int on, const char *how) {
  uint64_t first = 0;
  tg_set_bf16(bf16_on = on);
  for (int threads = 1; threads <= most_threads; threads++) {
    tg_set_threads(threads);
    state = 20260101;
    digest = 14695981039346656037u;
    all(0);
    if (on) all(1);
    if (threads == 1) first = digest;
    if (digest != first) {
      fprintf(stderr, "%s: other results on %d threads\n", how, threads);
      exit(1);
    }
  }
}

#ifdef TINYGPT_EMULATED_AMX
extern long emulated_products;
extern int emulated_permission;
#endif

// The most threads may be given.
int main(int arguments, char **argument) {
  if (arguments > 1) most_threads = atoi(argument[1]);
  static const char *HOW[] = {"rounding", "pairs", "tiles"};
#ifdef TINYGPT_EMULATED_AMX
  // Where the system refuses the tiles, they are left alone. The rest is the same with the emulation and without.
  emulated_permission = 0;
  int refused = tg_set_bf16(bf16_on = 1);
  products(33, 65, 31);
  printf("bf16 by %s, %ld products of tiles\n", HOW[refused], emulated_products);
  emulated_permission = 1;
#else
  run(0, "fp32");
#endif
  int kind = tg_set_bf16(1);
  run(1, HOW[kind]);
  printf("bf16 by %s", HOW[kind]);
#ifdef TINYGPT_EMULATED_AMX
  printf(", %ld products of tiles", emulated_products);
#endif
  printf("\n%d comparisons\n", comparisons);
  return 0;
}
