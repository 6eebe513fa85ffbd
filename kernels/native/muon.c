// One Muon step in place on K matrices [R, S]: Nesterov momentum, Polar Express (arXiv 2505.16932, algorithm 1),
// NorMuon's variance reduction (arXiv 2510.05491, algorithm 1), cautious weight decay (arXiv 2510.12402).
#include "../rows/muon.h"
#include "gemm.h"
#include "kept.h"
#include "pool.h"
#include <stdlib.h>

// (a, b, c) of p(X) = a X + (b A + c A^2) X, A = X X^T, one row an iteration.
static const float POLAR[5][3] = {
    {8.156554524902461f, -22.48329292557795f, 15.878769915207462f},
    {4.042929935166739f, -2.808917465908714f, 0.5000178451051316f},
    {3.8916678022926607f, -2.772484153217685f, 0.5060648178503393f},
    {3.285753657755655f, -2.3681294933425376f, 0.46449024233003106f},
    {2.3465413258596377f, -1.7097828382687081f, 0.42323551169305323f},
};

// Scratch slots of a thread.
enum { UPDATE = 1, PRODUCT, GRAM, POLYNOMIAL, PACKED, FACTORS };

typedef struct {
  long count, R, S;
  float lr, mu, beta2, decay;
  int steps, side_by_side, failed;
  float *momentum, *second, **params;
  const float **grads;
} Muon;

static __thread struct { float **params; const float **grads; long size; } listed;

// Names matrix i of the next step; its arrays must stay until then. False without memory.
int tg_muon_matrix(long i, float *param, const float *grad) {
  if (i >= listed.size) {
    float **params = realloc(listed.params, sizeof(*params) * (size_t)(2 * i + 8));
    if (params) listed.params = params;
    const float **grads = realloc(listed.grads, sizeof(*grads) * (size_t)(2 * i + 8));
    if (grads) listed.grads = grads;
    if (!params || !grads) return 0;
    listed.size = 2 * i + 8;
  }
  listed.params[i] = param;
  listed.grads[i] = grad;
  return 1;
}

// C = op(A) op(B), on all threads or, where matrices run side by side, on this one.
static int multiply(Muon *p, int ta, int tb, long M, long N, long K, const float *A, long lda, const float *B, long ldb,
                    float *C) {
  if (!p->side_by_side) return gemm(ta, tb, M, N, K, matrix(A, lda), matrix(B, ldb), 0, matrix(C, N));
  float *packed = pool_scratch(PACKED, packed_size(K, N));
  if (!packed) return 0;
  pack_b(tb, K, N, matrix(B, ldb), packed);
  gemm_packed(ta, M, N, K, matrix(A, lda), packed, panel_size(K), 0, C, N);
  return 1;
}

// C [n,n] = op(A) op(B), known to be symmetric: blocks of rows from the diagonal on, the rest mirrored.
static int multiply_symmetric(Muon *p, int ta, int tb, long n, long K, const float *A, long lda, const float *B,
                              long ldb, float *C) {
  if (!p->side_by_side || n <= NR) return multiply(p, ta, tb, n, n, K, A, lda, B, ldb, C);
  float *packed = pool_scratch(PACKED, packed_size(K, n));
  if (!packed) return 0;
  pack_b(tb, K, n, matrix(B, ldb), packed);
  const long height = 2 * MR;
  for (long i = 0; i < n; i += height) {
    long from = i / NR * NR;
    gemm_packed(ta, MIN(height, n - i), n - from, K, matrix(ta ? A + i : A + i * lda, lda), packed_from(packed, K, 0, from),
                panel_size(K), 0, C + i * n + from, n);
  }
  // In squares, as columns a power of two apart would evict each other.
  for (long i0 = 0; i0 < n; i0 += 16)
    for (long j0 = 0; j0 <= i0; j0 += 16)
      for (long i = i0; i < MIN(i0 + 16, n); i++)
        for (long j = j0; j < MIN(j0 + 16, i); j++) C[i * n + j] = C[j * n + i];
  return 1;
}

// x [R,S], the sum of its squares known, towards its orthogonal polar factor.
static int polar_express(Muon *p, float *x, float squares) {
  long R = p->R, S = p->S, n = MIN(R, S);
  int tall = R > S;
  float *gram = pool_scratch(GRAM, n * n), *polynomial = pool_scratch(POLYNOMIAL, n * n);
  float *product = pool_scratch(PRODUCT, R * S);
  if (!gram || !polynomial || !product) return 0;
  float shrink = polar_scale(squares);
  for (long i = 0; i < R * S; i++) x[i] *= shrink;
  for (int step = 0; step < p->steps; step++) {
    float a = POLAR[step][0], b = POLAR[step][1], c = POLAR[step][2];
    if (!multiply_symmetric(p, tall, !tall, n, MAX(R, S), x, S, x, S, gram)) return 0;
    if (!multiply_symmetric(p, 0, 0, n, n, gram, n, gram, n, polynomial)) return 0;
    for (long i = 0; i < n * n; i++) polynomial[i] = b * gram[i] + c * polynomial[i];
    int made = tall ? multiply(p, 0, 0, R, S, S, x, S, polynomial, S, product)
                    : multiply(p, 0, 0, R, S, R, polynomial, R, x, S, product);
    if (!made) return 0;
    for (long i = 0; i < R * S; i++) x[i] = a * x[i] + product[i];
  }
  return 1;
}

// Mean squares of the update u by row (R >= S) or column become factors that divide it by their running root, the
// norm of the whole kept.
static void normalize(Muon *p, float *second, const float *u, float *factors) {
  long R = p->R, S = p->S, size = MIN(R, S), kept = R >= S ? R : S;
  if (R >= S)
    for (long r = 0; r < R; r++) factors[r] = vdot(u + r * S, u + r * S, S) / (float)size;
  else {
    for (long c = 0; c < S; c++) factors[c] = 0;
    for (long r = 0; r < R; r++)
      for (long c = 0; c < S; c++) factors[c] += u[r * S + c] * u[r * S + c];
    for (long c = 0; c < S; c++) factors[c] /= (float)size;
  }
  double norm = 0, scaled = 0;
  for (long i = 0; i < kept; i++) {
    float mean = factors[i];
    second[i] += (1 - p->beta2) * (mean - second[i]);
    float scale = variance_scale(second[i]);
    norm += mean;
    scaled += mean * scale * scale;
    factors[i] = scale;
  }
  float ratio = variance_ratio(norm, scaled, size);
  for (long i = 0; i < kept; i++) factors[i] *= ratio;
}

static void muon_task(void *args, long k) {
  Muon *p = args;
  long R = p->R, S = p->S, kept = R >= S ? R : S;
  float *restrict w = p->params[k];
  const float *g = p->grads[k];
  float *restrict m = p->momentum + k * R * S;
  float *u = pool_scratch(UPDATE, R * S), *factors = pool_scratch(FACTORS, kept);
  if (!u || !factors) {
    p->failed = 1;
    return;
  }
  float squares = momentum_row(R * S, p->mu, g, m, u);
  if (!polar_express(p, u, squares)) {
    p->failed = 1;
    return;
  }
  normalize(p, p->second + k * kept, u, factors);
  for (long r = 0; r < R; r++)
    cautious_row(S, p->lr, p->lr * p->decay, R >= S ? factors[r] : 1, R >= S ? NULL : factors, u + r * S, w + r * S);
}

// Steps the `count` matrices named before; momentum [count,R,S], second [count,R] or, wide, [count,S]. False without
// memory, some matrices then being stepped and others not.
int tg_muon(long count, long R, long S, float lr, float mu, float beta2, float decay, int steps, float *momentum,
            float *second) {
  kept_changed();
  Muon p = {.count = count, .R = R, .S = S, .lr = lr, .mu = mu, .beta2 = beta2, .decay = decay, .steps = steps};
  p.momentum = momentum;
  p.second = second;
  p.params = listed.params;
  p.grads = listed.grads;
  p.side_by_side = count >= pool_threads();
  if (p.side_by_side)
    pool_run(muon_task, &p, count);
  else
    for (long k = 0; k < count; k++) muon_task(&p, k);
  return !p.failed;
}
