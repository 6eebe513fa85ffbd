// Matrix products as in BLIS (Van Zee & van de Geijn 2015): B is packed once into panels of NR columns, blocks of rows
// of A go against them through a kernel that holds an MR x NR tile of C in registers. A is read in place unless its
// rows are far apart or it is stored transposed. See gemm.h.
#include "gemm.h"
#include "kept.h"
#include "pool.h"
#if VL == 16
#include "transpose.h"
#endif
#if defined(__AVX512BF16__)
#include "pairs.h"
#define HAS_PAIRS 1
#else
#define HAS_PAIRS 0
#endif
// Clang before 16 has names of its own.
#if defined(__AMX_BF16__) || defined(__AMXBF16__) || defined(TINYGPT_EMULATED_AMX)
#define AMX_KNOWN 1
#else
#define AMX_KNOWN 0
#endif
#if HAS_PAIRS && AMX_KNOWN && defined(__linux__)
#include "amx.h"
#define HAS_TILES 1
#else
#define HAS_TILES 0
static int tiles_permitted(void) { return 0; }
#endif

int gemm_mode = FLOATS;
long gemm_height = MR;

// Chooses the precision of products from now on. Returns whether the processor multiplies bfloat16 itself: 1 by
// AVX512-BF16, 2 by AMX, where the system lets this process use it.
int tg_set_bf16(int on) {
  int tiles = HAS_TILES && tiles_permitted();
  kept_changed();
  gemm_mode = !on ? FLOATS : HAS_PAIRS ? PAIRS : ROUNDED;
  gemm_height = on && tiles ? TILE_BLOCK : MR;
  return HAS_PAIRS + tiles;
}

// Depth of one pass over a tile: a panel of B stays in the first two cache levels.
#define KC 256
// Most rows of a task.
#define MC (10 * MR)
// Most floats of packed B at once, 4 MB.
#define PACK_LIMIT (1L << 20)
// A product over many rows (a weight's gradient) is cut along k into at most MAX_PARTS parts of at least MIN_DEPTH,
// whose sums, at most PARTS_LIMIT floats, are added up in order: each part reads rows that are in its core's cache.
#define MAX_PARTS 8
#define MIN_DEPTH 256
#define PARTS_LIMIT (1L << 19)

// Panel [kc][MR] of rows i.. of op(A), columns k..; rows beyond m are zero.
static void pack_a_panel(int ta, Matrix M, long i, long k, long m, long kc, float *out) {
  const float *A = M.cells.at;
  long lda = M.ld;
  if (M.cells.half) {
    const bf16 *a = M.cells.at;
    for (long c = 0; c < kc; c++)
      for (long r = 0; r < MR; r++)
        out[c * MR + r] = r >= m ? 0 : bf16_float(ta ? a[(k + c) * lda + i + r] : a[(i + r) * lda + k + c]);
    return;
  }
  if (ta && m == MR && gemm_mode == FLOATS) {
    for (long c = 0; c < kc; c++) memcpy(out + c * MR, A + (k + c) * lda + i, sizeof(float) * MR);
    return;
  }
  int rounded = gemm_mode == ROUNDED;
  const float *rows[MR];
  for (long r = 0; r < MR; r++) rows[r] = ta ? A + k * lda + i + MIN(r, m - 1) : A + (i + MIN(r, m - 1)) * lda + k;
  long step = ta ? lda : 1;
  for (long c = 0; c < kc; c++)
    for (long r = 0; r < MR; r++) {
      float a = r < m ? rows[r][c * step] : 0;
      out[c * MR + r] = rounded ? bf16_round1(a) : a;
    }
}

static void round_panel(float *panel, long K) {
  if (gemm_mode == ROUNDED)
    for (long i = 0; i < K * NR; i += VL) vstore(panel + i, bf16_round(vload(panel + i)));
}

// One panel [K][NR] from the columns j.. of op(B).
static void pack_b_panel(int tb, long K, long N, Matrix M, long j, float *out) {
  const float *B = M.cells.at;
  long ldb = M.ld;
#if HAS_PAIRS
  if (gemm_mode == PAIRS) {
    pack_pairs(tb, K, N, M, j, (uint32_t *)out);
    return;
  }
#endif
  float *start = out;
  long cols = MIN(NR, N - j);
  if (M.cells.half) {
    const bf16 *b = M.cells.at;
    for (long r = 0; r < K; r++)
      for (long c = 0; c < NR; c++)
        out[r * NR + c] = c >= cols ? 0 : bf16_float(tb ? b[(j + c) * ldb + r] : b[r * ldb + j + c]);
    return;
  }
  if (!tb) {
    for (long r = 0; r < K; r++, out += NR) {
      const float *b = B + r * ldb + j;
      if (cols == NR)
        memcpy(out, b, sizeof(float) * NR);
      else
        for (long c = 0; c < NR; c++) out[c] = c < cols ? b[c] : 0;
    }
    round_panel(start, K);
    return;
  }
  // Transposed by squares of VL rows, so that what is written stays in the first cache.
  for (long r0 = 0; r0 < K; r0 += VL) {
    long rows = MIN(VL, K - r0);
#if VL == 16
    if (rows == VL && cols == NR) {
      for (long half = 0; half < NR; half += VL) {
        __m512i square[VL];
        for (long c = 0; c < VL; c++) square[c] = _mm512_loadu_si512(B + (j + half + c) * ldb + r0);
        transpose16(square);
        for (long r = 0; r < VL; r++) _mm512_storeu_si512(out + (r0 + r) * NR + half, square[r]);
      }
      continue;
    }
#endif
    for (long c = 0; c < NR; c++) {
      float *o = out + r0 * NR + c;
      if (c >= cols) {
        for (long r = 0; r < rows; r++) o[r * NR] = 0;
        continue;
      }
      const float *b = B + (j + c) * ldb + r0;
      if (rows == VL)
        for (long r = 0; r < VL; r++) o[r * NR] = b[r];
      else
        for (long r = 0; r < rows; r++) o[r * NR] = b[r];
    }
  }
  round_panel(start, K);
}

void pack_b(int tb, long K, long N, Matrix B, float *packed) {
  for (long j = 0; j < N; j += NR) pack_b_panel(tb, K, N, B, j, packed + j / NR * panel_size(K));
}

// C [m,n] (+)= tile, through memory where it is cut.
INLINE void store_tile(vf acc[MR][2], float *C, long ldc, long m, long n, int add) {
  if (m == MR && n == NR) {
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      float *c = C + i * ldc;
      vstore(c, add ? vload(c) + acc[i][0] : acc[i][0]);
      vstore(c + VL, add ? vload(c + VL) + acc[i][1] : acc[i][1]);
    }
    return;
  }
  float edge[MR * NR];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) {
    vstore(edge + i * NR, acc[i][0]);
    vstore(edge + i * NR + VL, acc[i][1]);
  }
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) C[i * ldc + j] = (add ? C[i * ldc + j] : 0) + edge[i * NR + j];
}

// A packed: [kc][MR]; or stored transposed, in place: rows of MR, lda apart.
static void kernel_packed(long kc, const float *a, long lda, const float *b, float *C, long ldc, long m, long n,
                          int add) {
  vf acc[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = (vf){0};
  for (long k = 0; k < kc; k++, a += lda, b += NR) {
    vf b0 = vload(b), b1 = vload(b + VL);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      vf x = vset(a[i]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
  }
  store_tile(acc, C, ldc, m, n, add);
}

// A in place: MR rows, lda apart. One pointer serves three rows, else there are not registers enough.
static void kernel_rows(long kc, const float *a, long lda, const float *b, float *C, long ldc, long n, int add) {
  vf acc[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = (vf){0};
  const float *p[(MR + 2) / 3];
#pragma GCC unroll 4
  for (int i = 0; i < (MR + 2) / 3; i++) p[i] = a + 3 * i * lda;
  for (long k = 0; k < kc; k++, b += NR) {
    vf b0 = vload(b), b1 = vload(b + VL);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
      vf x = vset(p[i / 3][i % 3 * lda]);
      acc[i][0] += x * b0;
      acc[i][1] += x * b1;
    }
#pragma GCC unroll 4
    for (int i = 0; i < (MR + 2) / 3; i++) p[i]++;
  }
  store_tile(acc, C, ldc, MR, n, add);
}

#if HAS_PAIRS
// gemm_packed on pairs; a pass is as many bytes deep as there.
static void gemm_pairs(int ta, long M, long N, long K, Matrix A, const uint32_t *packed, long panel, int add, float *C,
                       long ldc) {
  uint32_t pa[MC * KC + 16] __attribute__((aligned(64)));
  for (long i0 = 0; i0 < M; i0 += MC) {
    long mc = MIN(MC, M - i0);
    for (long k0 = 0; k0 < K || k0 == 0; k0 += 2 * KC) {
      long kc = MIN(2 * KC, K - k0), pairs = (kc + 1) / 2, stride = ta ? pairs : (pairs + 15) / 16 * 16;
      if (ta)
        for (long i = 0; i < mc; i += MR)
          pair_columns(matrix_from(A, k0, i0 + i), MIN(MR, mc - i), kc, pa + i * stride);
      else {
        pair_rows(matrix_from(A, i0, k0), mc, kc, pa, stride);
        memset(pa + mc * stride, 0, sizeof(uint32_t) * (size_t)((MR - mc % MR) % MR * stride));
      }
      for (long j = 0; j < N; j += NR) {
        const uint32_t *b = packed + j / NR * panel + k0 / 2 * NR;
        for (long i = 0; i < mc; i += MR) {
          vf acc[MR][2];
          if (ta)
            tile_pairs(acc, pairs, pa + i * stride, 1, MR, b);
          else
            tile_pairs(acc, pairs, pa + i * stride, stride, 1, b);
          store_tile(acc, C + (i0 + i) * ldc + j, ldc, MIN(MR, mc - i), MIN(NR, N - j), add || k0 > 0);
        }
      }
    }
  }
}
#endif

void gemm_packed(int ta, long M, long N, long K, Matrix of, const float *packed, long panel, int add, float *C,
                 long ldc) {
#if HAS_TILES
  if (gemm_height == TILE_BLOCK) {
    gemm_tiles(ta, M, N, K, of, (const uint32_t *)packed, panel, add, C, ldc);
    return;
  }
#endif
#if HAS_PAIRS
  if (gemm_mode == PAIRS) {
    gemm_pairs(ta, M, N, K, of, (const uint32_t *)packed, panel, add, C, ldc);
    return;
  }
#endif
  const float *A = of.cells.at;
  long lda = of.ld;
  // Rows at a distance of whole pages meet in one cache set. What is read once is not worth packing.
  int in_place = gemm_mode == FLOATS && (ta ? N <= NR : lda % 1024 != 0 || N <= NR);
  float pa[MC * KC] __attribute__((aligned(64)));
  for (long i0 = 0; i0 < M; i0 += MC) {
    long mc = MIN(MC, M - i0);
    for (long k0 = 0; k0 < K || k0 == 0; k0 += KC) {
      long kc = MIN(KC, K - k0);
      for (long i = 0; i < mc; i += MR)
        if (!in_place || mc - i < MR) pack_a_panel(ta, of, i0 + i, k0, MIN(MR, mc - i), kc, pa + i * kc);
      for (long j = 0; j < N; j += NR) {
        const float *b = packed + j / NR * panel + k0 * NR;
        for (long i = 0; i < mc; i += MR) {
          float *c = C + (i0 + i) * ldc + j;
          if (in_place && mc - i >= MR && ta)
            kernel_packed(kc, A + k0 * lda + i0 + i, lda, b, c, ldc, MR, MIN(NR, N - j), add || k0 > 0);
          else if (in_place && mc - i >= MR)
            kernel_rows(kc, A + (i0 + i) * lda + k0, lda, b, c, ldc, MIN(NR, N - j), add || k0 > 0);
          else
            kernel_packed(kc, pa + i * kc, MR, b, c, ldc, MIN(MR, mc - i), MIN(NR, N - j), add || k0 > 0);
        }
      }
    }
  }
}

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
    Matrix B = p->tb ? matrix_from(p->B, 0, k) : matrix_from(p->B, k, 0);
    pack_b_panel(p->tb, kc, p->N, B, j * NR, p->packed + p->panels * panel_size(k) + j * panel_size(kc));
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
  if (p->C.cells.half) {
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
  // The sizes alone decide: results must not depend on the threads.
  long parts = C.cells.half ? 1 : MIN(MIN(most_parts, K / MIN_DEPTH), PARTS_LIMIT / MAX(M * N, 1));
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
    float *kept = n == N && parts == 1 && !B.cells.half ? kept_packed(B.cells.at, tb, packed_size(K, n), &ready) : NULL;
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
int tg_linear(int halves, long N, long I, long O, const void *x, const float *w, void *y) {
  return gemm(0, 1, N, O, I, (Matrix){CELLS(x, halves, 0), I}, matrix(w, I), 0, (Matrix){CELLS(y, halves, 1), O});
}

// dx* [N,I] = dy* [N,O] w [O,I], dw [O,I] = dy^T x*; the stars in the order x, dy, dx
int tg_linear_grad(int halves, long N, long I, long O, const void *x, const float *w, const void *dy, void *dx,
                   float *dw) {
  Matrix X = {CELLS(x, halves, 0), I}, dY = {CELLS(dy, halves, 1), O}, dX = {CELLS(dx, halves, 2), I};
  return gemm(0, 0, N, I, O, dY, matrix(w, I), 0, dX) &&
         gemm_in_parts(1, 0, O, I, N, dY, X, 0, matrix(dw, I));
}
