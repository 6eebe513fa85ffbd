// Causal attention with a sliding window and grouped queries, and its gradient. Queries are processed in blocks, each
// with the keys that its windows reach, so that only one block's scores are in memory. The gradient recomputes the
// probabilities from lse, the log of each row's sum of exponentials (Dao et al. 2022, algorithm 4). Query i sees the
// keys j of its sequence with i - window <= j <= i.
//
// B batch, T sequence, N = B*T, H query heads, G kv heads, D head width, Q = H/G. q, y [N,H*D]; k, v [N,G*D]; lse [N,H].
// A task is one kv head of one sequence, its products by gemm.h.
#include "gemm.h"
#include "pool.h"

// Most queries of a block.
#define BLOCK (48 / MR * MR)

typedef struct {
  long T, H, G, D, window, block;
  Matrix q, k, v, y, dy, out;
  const float *lse;
  float *out_lse, *dq, *dk, *dv;
  int failed;
} Attention;

// Scratch slots of a thread.
enum { ROOM, SCORES, DSCORES, KEYS_T, VALUES, KEYS, QUERIES };

// The keys of a block, from a multiple of NR that its first query may not see.
typedef struct {
  long rows, first, count, padded;
} Reach;

static Reach reach_of(Attention *p, long i0) {
  Reach r = {.rows = MIN(p->block, p->T - i0)};
  r.first = MAX(0, i0 - p->window) / NR * NR;
  r.count = i0 + r.rows - r.first;
  r.padded = (r.count + NR - 1) / NR * NR;
  return r;
}

// Queries of a block: as many in each, but for whole tiles.
static long block_of(long T) {
  long blocks = (T + BLOCK - 1) / BLOCK;
  return ((T + blocks - 1) / blocks + MR - 1) / MR * MR;
}

// The columns [from, to) of row i that are not all unseen, whole vectors; those among them that are unseen become x.
INLINE void seen(Attention *p, long i, Reach r, long i0, float *s, float x, long *from, long *to) {
  long last = i0 + i - r.first, first = MAX(0, last - p->window);
  *from = first / VL * VL;
  *to = (last + VL) / VL * VL;
  for (long j = *from; j < first; j++) s[j] = x;
  for (long j = last + 1; j < *to; j++) s[j] = x;
}

// Zeros where seen() leaves off.
INLINE void clear_unseen(float *s, long from, long to, long padded) {
  for (long j = 0; j < from; j += VL) vstore(s + j, (vf){0});
  for (long j = to; j < padded; j += VL) vstore(s + j, (vf){0});
}

// scores [rows, padded] of a block -> their exponentials over the largest, zero where nothing is seen; their
// sums; the logs of the sums of the scores' own exponentials.
static void softmax_rows(Attention *p, long i0, Reach r, float *scores, float *lse, float *row_sums) {
  float scale = 1 / sqrtf((float)p->D);
  for (long i = 0; i < r.rows; i++) {
    float *s = scores + i * r.padded;
    long from, to;
    seen(p, i, r, i0, s, -INFINITY, &from, &to);
    vf tops = vset(-INFINITY);
    for (long j = from; j < to; j += VL) tops = vmax(tops, vload(s + j));
    float top = vtop(tops) * scale;
    vf sums = {0};
    for (long j = from; j < to; j += VL) {
      vf e = vexp(vload(s + j) * vset(scale) - vset(top));
      vstore(s + j, e);
      sums += e;
    }
    clear_unseen(s, from, to, r.padded);
    float sum = vsum(sums);
    row_sums[i] = sum;
    lse[i * p->H] = top + logf(sum);
  }
}

static void attend(void *args, long index) {
  Attention *p = args;
  long T = p->T, D = p->D, Q = p->H / p->G, width = p->H * D;
  long b = index / p->G, g = index % p->G;
  long most = (MIN(T, p->window + BLOCK) + 2 * NR) * BLOCK;
  float *scores = pool_scratch(SCORES, most);
  float *keys_t = pool_scratch(KEYS_T, packed_size(D, T)), *values = pool_scratch(VALUES, packed_size(T, D));
  float *room = pool_scratch(ROOM, BLOCK * D);
  if (!scores || !keys_t || !values || !room) {
    p->failed = 1;
    return;
  }
  pack_b(1, D, T, matrix_from(p->k, b * T, g * D), keys_t);
  pack_b(0, T, D, matrix_from(p->v, b * T, g * D), values);
  for (long h = g * Q; h < (g + 1) * Q; h++)
    for (long i0 = 0; i0 < T; i0 += p->block) {
      Reach r = reach_of(p, i0);
      Matrix out = matrix_from(p->out, b * T + i0, h * D);
      float row_sums[BLOCK];
      gemm_packed(0, r.rows, r.padded, D, matrix_from(p->q, b * T + i0, h * D), packed_from(keys_t, D, 0, r.first), panel_size(D), 0, scores, r.padded);
      softmax_rows(p, i0, r, scores, p->out_lse + (b * T + i0) * p->H + h, row_sums);
      float *y = out.cells.is_bf16 ? room : out.cells.at;
      long step = out.cells.is_bf16 ? D : width;
      gemm_packed(0, r.rows, D, r.count, matrix(scores, r.padded), packed_from(values, T, r.first, 0), panel_size(T), 0, y, step);
      // Divided: a product with the inverse rounds twice, the same way for the whole row.
      for (long i = 0; i < r.rows; i++) {
        for (long d = 0; d < D; d++) y[i * step + d] /= row_sums[i];
        wrote_cells(out.cells, i * width, D, room + i * D);
      }
    }
}

static Attention attention_of(int bf16_mask, long T, long H, long G, long D, long window, const void *q, const void *k,
                              const void *v, const void *y) {
  Attention p = {.T = T, .H = H, .G = G, .D = D, .window = MIN(window, T), .block = block_of(T)};
  p.q = (Matrix){CELLS(q, bf16_mask, 0), H * D};
  p.k = (Matrix){CELLS(k, bf16_mask, 1), G * D};
  p.v = (Matrix){CELLS(v, bf16_mask, 2), G * D};
  p.y = p.out = (Matrix){CELLS(y, bf16_mask, 3), H * D};
  return p;
}

// q*, k*, v*, y*. False without memory.
int tg_attention(int bf16_mask, long B, long T, long H, long G, long D, long window, const void *q, const void *k,
                 const void *v, void *y, float *lse) {
  Attention p = attention_of(bf16_mask, T, H, G, D, window, q, k, v, y);
  p.out_lse = lse;
  pool_run(attend, &p, B * G);
  return !p.failed;
}

// scores -> probabilities; dscores = dy v^T -> gradient of the scores, p (dy v^T - dy . y) scaled.
static void dscore_rows(Attention *p, long i0, Reach r, float *scores, float *dscores, Matrix y, Matrix dy,
                       const float *lse, float *room) {
  long D = p->D;
  float scale = 1 / sqrtf((float)p->D);
  for (long i = 0; i < r.rows; i++) {
    float *s = scores + i * r.padded, *d = dscores + i * r.padded;
    float along = vdot(read_cells(y.cells, i * y.ld, D, room), read_cells(dy.cells, i * dy.ld, D, room + D), D);
    long from, to;
    // exp(-inf) = 0
    seen(p, i, r, i0, s, -INFINITY, &from, &to);
    for (long j = from; j < to; j += VL) {
      vf e = vexp(vload(s + j) * vset(scale) - vset(lse[i * p->H]));
      vstore(s + j, e);
      vstore(d + j, e * (vload(d + j) - vset(along)) * vset(scale));
    }
    clear_unseen(s, from, to, r.padded);
    clear_unseen(d, from, to, r.padded);
  }
}

static void attend_grad(void *args, long index) {
  Attention *p = args;
  long T = p->T, D = p->D, Q = p->H / p->G, width = p->H * D, kv_width = p->G * D;
  long b = index / p->G, g = index % p->G, kv = b * T * kv_width + g * D;
  long most = (MIN(T, p->window + BLOCK) + 2 * NR) * BLOCK;
  float *scores = pool_scratch(SCORES, most), *dscores = pool_scratch(DSCORES, most);
  float *keys_t = pool_scratch(KEYS_T, packed_size(D, T)), *values_t = pool_scratch(VALUES, packed_size(D, T));
  float *keys = pool_scratch(KEYS, packed_size(T, D)), *queries = pool_scratch(QUERIES, packed_size(BLOCK, D));
  float *room = pool_scratch(ROOM, 2 * D);
  if (!room || !scores || !dscores || !keys_t || !values_t || !keys || !queries) {
    p->failed = 1;
    return;
  }
  pack_b(1, D, T, matrix_from(p->k, b * T, g * D), keys_t);
  pack_b(1, D, T, matrix_from(p->v, b * T, g * D), values_t);
  pack_b(0, T, D, matrix_from(p->k, b * T, g * D), keys);
  for (long t = 0; t < T; t++)
    for (long d = 0; d < D; d++) p->dk[kv + t * kv_width + d] = p->dv[kv + t * kv_width + d] = 0;
  for (long h = g * Q; h < (g + 1) * Q; h++)
    for (long i0 = 0; i0 < T; i0 += p->block) {
      Reach r = reach_of(p, i0);
      long row = b * T + i0, to = kv + r.first * kv_width;
      Matrix q = matrix_from(p->q, row, h * D), y = matrix_from(p->y, row, h * D), dy = matrix_from(p->dy, row, h * D);
      gemm_packed(0, r.rows, r.padded, D, q, packed_from(keys_t, D, 0, r.first), panel_size(D), 0, scores, r.padded);
      gemm_packed(0, r.rows, r.padded, D, dy, packed_from(values_t, D, 0, r.first), panel_size(D), 0, dscores, r.padded);
      dscore_rows(p, i0, r, scores, dscores, y, dy, p->lse + row * p->H + h, room);
      Matrix probabilities = matrix(scores, r.padded), ds = matrix(dscores, r.padded);
      gemm_packed(0, r.rows, D, r.count, ds, packed_from(keys, T, r.first, 0), panel_size(T), 0, p->dq + row * width + h * D, width);
      pack_b(0, r.rows, D, q, queries);
      gemm_packed(1, r.count, D, r.rows, ds, queries, panel_size(r.rows), 1, p->dk + to, kv_width);
      pack_b(0, r.rows, D, dy, queries);
      gemm_packed(1, r.count, D, r.rows, probabilities, queries, panel_size(r.rows), 1, p->dv + to, kv_width);
    }
}

// q*, k*, v*, y*, dy*. False without memory.
int tg_attention_grad(int bf16_mask, long B, long T, long H, long G, long D, long window, const void *q, const void *k,
                      const void *v, const void *y, const float *lse, const void *dy, float *dq, float *dk, float *dv) {
  Attention p = attention_of(bf16_mask, T, H, G, D, window, q, k, v, y);
  p.lse = lse;
  p.dy = (Matrix){CELLS(dy, bf16_mask, 4), H * D};
  p.dq = dq;
  p.dk = dk;
  p.dv = dv;
  pool_run(attend_grad, &p, B * G);
  return !p.failed;
}
