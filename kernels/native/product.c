// Products on all threads: B is packed, then blocks of rows of A, and where those are few of columns too, become
// tasks for gemm.c. See gemm.h.
#include "gemm.h"
#include "kept.h"
#include "pool.h"

// Most floats of packed B at once, 4 MB.
#define PACK_LIMIT (1L << 20)
// A product over many rows (a weight's gradient) is cut along k into at most MAX_PARTS parts of at least MIN_DEPTH,
// whose sums, at most PARTS_LIMIT floats, are added up in order: each part reads rows that are in its core's cache.
#define MAX_PARTS 8
#define MIN_DEPTH 256
#define PARTS_LIMIT (1L << 19)

typedef struct {
  int ta, tb, add, failed;
  long M, N, K, nc, columns, blocks, panels, depth;
  Matrix A, B, C;
  float *packed, *parts;
} Product;

// Part of k, panel of B; parts are packed one after another.
static void pack_task(void *args, long from, long to) {
  Product *p = args;
  for (long i = from; i < to; i++) {
    long k = i / p->panels * p->depth, j = i % p->panels, kc = MIN(p->depth, p->K - k);
    Matrix B = p->tb ? matrix_from(p->B, j * NR, k) : matrix_from(p->B, k, j * NR);
    pack_b(p->tb, kc, MIN(NR, p->N - j * NR), B, p->packed + p->panels * panel_size(k) + j * panel_size(kc));
  }
}

// Columns of a block on their way to bfloat16; a whole number of panels.
#define STAGED 512
enum { STAGE = 1 };

// gemm_packed into bfloat16, by way of floats. False without memory.
static int gemm_narrowed(int ta, long M, long N, long K, Matrix A, const float *packed, Matrix C) {
  float *stage = pool_scratch(STAGE, M * MIN(N, STAGED));
  if (!stage) return 0;
  for (long j = 0; j < N; j += STAGED) {
    long n = MIN(STAGED, N - j);
    gemm_packed(ta, M, n, K, A, packed + j / NR * panel_size(K), panel_size(K), 0, stage, n);
    for (long i = 0; i < M; i++) narrow(stage + i * n, n, matrix_from(C, i, j).cells.at);
  }
  return 1;
}

static void block_task(void *args, long index) {
  Product *p = args;
  long k = index / (p->blocks * p->columns) * p->depth, kc = MIN(p->depth, p->K - k);
  long block = index % (p->blocks * p->columns) / p->columns, j = index % p->columns * p->nc;
  long i = gemm_rows(p->M, p->blocks, block), end = gemm_rows(p->M, p->blocks, block + 1), n = MIN(p->nc, p->N - j);
  Matrix A = p->ta ? matrix_from(p->A, k, i) : matrix_from(p->A, i, k);
  const float *packed = p->packed + p->panels * panel_size(k) + j / NR * panel_size(kc);
  if (p->C.cells.is_bf16) {
    if (!gemm_narrowed(p->ta, end - i, n, kc, A, packed, matrix_from(p->C, i, j))) p->failed = 1;
    return;
  }
  // The first part goes to C itself.
  float *C = k == 0 ? matrix_from(p->C, i, j).cells.at : p->parts + (k / p->depth - 1) * p->M * p->N + i * p->N + j;
  gemm_packed(p->ta, end - i, n, kc, A, packed, panel_size(kc), k == 0 && p->add, C, k == 0 ? p->C.ld : p->N);
}

static void add_parts(void *args, long from, long to) {
  Product *p = args;
  for (long i = from; i < to; i++)
    for (long part = 0; part < (p->K - 1) / p->depth; part++) {
      const float *sums = p->parts + (part * p->M + i) * p->N;
      float *restrict c = matrix_from(p->C, i, 0).cells.at;
      for (long j = 0; j < p->N; j++) c[j] += sums[j];
    }
}

// Row blocks of a product in `parts`: as high as leave work for all threads, an even number of them for each.
long gemm_blocks(long M, long parts) {
  long threads = pool_threads(), tiles = (M + gemm_height - 1) / gemm_height;
  long most = MC / gemm_height, least = (tiles + most - 1) / most;
  if (threads == 1) return least;
  long wanted = MAX(least, (4 * threads + parts - 1) / parts);
  if (parts == 1) wanted = (wanted + threads - 1) / threads * threads;
  return MIN(wanted, tiles);
}

static int gemm_cut(long most_parts, int ta, int tb, long M, long N, long K, Matrix A, Matrix B, int add, Matrix C) {
  long columns = MAX(NR, PACK_LIMIT / MAX(K, 1) / NR * NR);
  // Depends only on the sizes: results must not depend on the threads.
  long parts = C.cells.is_bf16 ? 1 : MIN(MIN(most_parts, K / MIN_DEPTH), PARTS_LIMIT / MAX(M * N, 1));
  long depth = parts > 1 ? ((K + parts - 1) / parts + 1) / 2 * 2 : MAX(K, 1);
  for (long j = 0; j < N; j += columns) {
    long n = MIN(columns, N - j);
    Product p = {.ta = ta, .tb = tb, .add = add, .M = M, .N = n, .K = K, .A = A};
    p.B = tb ? matrix_from(B, j, 0) : matrix_from(B, 0, j);
    p.C = matrix_from(C, 0, j);
    p.depth = depth;
    p.panels = (n + NR - 1) / NR;
    parts = MAX(1, (K + depth - 1) / depth);
    int ready = 0;
    // Of bfloat16 there are no parameters.
    float *kept = n == N && parts == 1 && !B.cells.is_bf16 ? kept_packed(B.cells.at, tb, K, n, packed_size(K, n), &ready) : NULL;
    p.packed = kept ? kept : pool_scratch(0, packed_size(K, n));
    if (parts > 1) p.parts = pool_scratch(SCRATCH_SLOTS - 1, (parts - 1) * M * n);
    if (!p.packed || (parts > 1 && !p.parts)) return 0;
    if (!ready) pool_range(pack_task, &p, parts * p.panels, MAX(1, 8192 / (NR * depth)));
    p.blocks = gemm_blocks(M, parts);
    // Too few of them are cut in columns too.
    long tasks = parts * p.blocks, wanted = pool_threads() == 1 ? 1 : 4L * pool_threads();
    long cuts = tasks >= wanted ? 1 : MIN(p.panels, (wanted + tasks - 1) / MAX(tasks, 1));
    p.nc = (p.panels + cuts - 1) / cuts * NR;
    p.columns = (n + p.nc - 1) / p.nc;
    pool_run(block_task, &p, parts * p.blocks * p.columns);
    if (p.failed) return 0;
    if (parts > 1) pool_range(add_parts, &p, M, MAX(1, 16384 / (n * parts)));
  }
  return 1;
}

int gemm(int ta, int tb, long M, long N, long K, Matrix A, Matrix B, int add, Matrix C) {
  return gemm_cut(1, ta, tb, M, N, K, A, B, add, C);
}

int gemm_in_parts(int ta, int tb, long M, long N, long K, Matrix A, Matrix B, int add, Matrix C) {
  return gemm_cut(MAX_PARTS, ta, tb, M, N, K, A, B, add, C);
}

typedef struct {
  int ta, tb;
  long M, N, K, stride_a, stride_b;
  const float *A, *B;
  float *C;
  int failed;
} Batch;

static void batch_task(void *args, long index) {
  Batch *b = args;
  const float *B = b->B + index * b->stride_b;
  float *packed = pool_scratch(0, packed_size(b->K, b->N));
  if (!packed) {
    b->failed = 1;
    return;
  }
  pack_b(b->tb, b->K, b->N, matrix(B, b->tb ? b->K : b->N), packed);
  gemm_packed(b->ta, b->M, b->N, b->K, matrix(b->A + index * b->stride_a, b->ta ? b->M : b->K), packed, panel_size(b->K), 0,
              b->C + index * b->M * b->N, b->N);
}

// count products of contiguous matrices; a stride of 0 uses one matrix for all. False without memory.
int tg_batch_matmul(int ta, int tb, long count, long M, long N, long K, const float *A, long stride_a, const float *B,
                    long stride_b, float *C) {
  // Many small products run side by side, few large ones one after another.
  if (count >= pool_threads() && packed_size(K, N) <= PACK_LIMIT) {
    Batch b = {ta, tb, M, N, K, stride_a, stride_b, A, B, C, 0};
    pool_run(batch_task, &b, count);
    return !b.failed;
  }
  for (long i = 0; i < count; i++)
    if (!gemm(ta, tb, M, N, K, matrix(A + i * stride_a, ta ? M : K), matrix(B + i * stride_b, tb ? K : N), 0,
              matrix(C + i * M * N, N)))
      return 0;
  return 1;
}

// y* [N,O] = x* [N,I] w [O,I]^T; the stars in the order x, y
int tg_linear(int bf16_mask, long N, long I, long O, const void *x, const float *w, void *y) {
  return gemm(0, 1, N, O, I, (Matrix){CELLS(x, bf16_mask, 0), I}, matrix(w, I), 0, (Matrix){CELLS(y, bf16_mask, 1), O});
}

// dx* [N,I] = dy* [N,O] w [O,I], dw [O,I] = dy^T x*; the stars in the order x, dy, dx
int tg_linear_grad(int bf16_mask, long N, long I, long O, const void *x, const float *w, const void *dy, void *dx,
                   float *dw) {
  Matrix X = {CELLS(x, bf16_mask, 0), I}, dY = {CELLS(dy, bf16_mask, 1), O}, dX = {CELLS(dx, bf16_mask, 2), I};
  return gemm(0, 0, N, I, O, dY, matrix(w, I), 0, dX) &&
         gemm_in_parts(1, 0, O, I, N, dY, X, 0, matrix(dw, I));
}
