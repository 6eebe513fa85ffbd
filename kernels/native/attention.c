// Causal attention with a sliding window and grouped queries, and its gradient. Queries are taken in blocks, each with
// the keys that its windows reach: one block's scores are all that is held. The gradient recomputes the probabilities
// from lse, the log of each row's sum of exponentials (Dao et al. 2022, algorithm 4). Query i sees the keys j of its
// sequence with i - window <= j <= i.
//
// B batch, T sequence, N = B*T, H query heads, G kv heads, D head width, Q = H/G. q, y [N,H*D]; k, v [N,G*D]; lse [N,H].
// A task is one kv head of one sequence, its products by gemm.h.
#include "gemm.h"
#include "pool.h"

// Most queries of a block.
#define BLOCK (48 / MR * MR)

typedef struct {
  long T, H, G, D, window, block;
  const float *q, *k, *v, *y, *lse, *dy;
  float *out, *out_lse, *dq, *dk, *dv;
  int failed;
} Attention;

// Scratch slots of a thread.
enum { SCORES = 1, SLOPES, KEYS_T, VALUES, KEYS, QUERIES };

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
  long T = p->T, D = p->D, Q = p->H / p->G, width = p->H * D, kv_width = p->G * D;
  long b = index / p->G, g = index % p->G;
  long most = (MIN(T, p->window + BLOCK) + 2 * NR) * BLOCK;
  float *scores = pool_scratch(SCORES, most);
  float *keys_t = pool_scratch(KEYS_T, packed_size(D, T)), *values = pool_scratch(VALUES, packed_size(T, D));
  if (!scores || !keys_t || !values) {
    p->failed = 1;
    return;
  }
  pack_b(1, D, T, p->k + b * T * kv_width + g * D, kv_width, keys_t);
  pack_b(0, T, D, p->v + b * T * kv_width + g * D, kv_width, values);
  for (long h = g * Q; h < (g + 1) * Q; h++)
    for (long i0 = 0; i0 < T; i0 += p->block) {
      Reach r = reach_of(p, i0);
      long at = (b * T + i0) * width + h * D;
      float row_sums[BLOCK];
      gemm_packed(0, r.rows, r.padded, D, p->q + at, width, packed_from(keys_t, D, 0, r.first), panel_size(D), 0, scores, r.padded);
      softmax_rows(p, i0, r, scores, p->out_lse + (b * T + i0) * p->H + h, row_sums);
      gemm_packed(0, r.rows, D, r.count, scores, r.padded, packed_from(values, T, r.first, 0), panel_size(T), 0, p->out + at, width);
      // Divided: a product with the inverse rounds twice, the same way for the whole row.
      for (long i = 0; i < r.rows; i++)
        for (long d = 0; d < D; d++) p->out[at + i * width + d] /= row_sums[i];
    }
}

// False without memory.
int tg_attention(long B, long T, long H, long G, long D, long window, const float *q, const float *k, const float *v,
                 float *y, float *lse) {
  Attention p = {.T = T, .H = H, .G = G, .D = D, .window = MIN(window, T), .block = block_of(T), .q = q, .k = k, .v = v};
  p.out = y;
  p.out_lse = lse;
  pool_run(attend, &p, B * G);
  return !p.failed;
}

// scores -> probabilities; slopes = dy v^T -> gradient of the scores, p (slope - dy . y) scaled.
static void slope_rows(Attention *p, long i0, Reach r, float *scores, float *slopes, const float *y, const float *dy,
                       const float *lse) {
  long width = p->H * p->D;
  float scale = 1 / sqrtf((float)p->D);
  for (long i = 0; i < r.rows; i++) {
    float *s = scores + i * r.padded, *d = slopes + i * r.padded;
    float along = vdot(y + i * width, dy + i * width, p->D);
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
  float *scores = pool_scratch(SCORES, most), *slopes = pool_scratch(SLOPES, most);
  float *keys_t = pool_scratch(KEYS_T, packed_size(D, T)), *values_t = pool_scratch(VALUES, packed_size(D, T));
  float *keys = pool_scratch(KEYS, packed_size(T, D)), *queries = pool_scratch(QUERIES, packed_size(BLOCK, D));
  if (!scores || !slopes || !keys_t || !values_t || !keys || !queries) {
    p->failed = 1;
    return;
  }
  pack_b(1, D, T, p->k + kv, kv_width, keys_t);
  pack_b(1, D, T, p->v + kv, kv_width, values_t);
  pack_b(0, T, D, p->k + kv, kv_width, keys);
  for (long t = 0; t < T; t++)
    for (long d = 0; d < D; d++) p->dk[kv + t * kv_width + d] = p->dv[kv + t * kv_width + d] = 0;
  for (long h = g * Q; h < (g + 1) * Q; h++)
    for (long i0 = 0; i0 < T; i0 += p->block) {
      Reach r = reach_of(p, i0);
      long at = (b * T + i0) * width + h * D, to = kv + r.first * kv_width;
      gemm_packed(0, r.rows, r.padded, D, p->q + at, width, packed_from(keys_t, D, 0, r.first), panel_size(D), 0, scores, r.padded);
      gemm_packed(0, r.rows, r.padded, D, p->dy + at, width, packed_from(values_t, D, 0, r.first), panel_size(D), 0, slopes, r.padded);
      slope_rows(p, i0, r, scores, slopes, p->y + at, p->dy + at, p->lse + (b * T + i0) * p->H + h);
      gemm_packed(0, r.rows, D, r.count, slopes, r.padded, packed_from(keys, T, r.first, 0), panel_size(T), 0, p->dq + at, width);
      pack_b(0, r.rows, D, p->q + at, width, queries);
      gemm_packed(1, r.count, D, r.rows, slopes, r.padded, queries, panel_size(r.rows), 1, p->dk + to, kv_width);
      pack_b(0, r.rows, D, p->dy + at, width, queries);
      gemm_packed(1, r.count, D, r.rows, scores, r.padded, queries, panel_size(r.rows), 1, p->dv + to, kv_width);
    }
}

// False without memory.
int tg_attention_grad(long B, long T, long H, long G, long D, long window, const float *q, const float *k,
                      const float *v, const float *y, const float *lse, const float *dy, float *dq, float *dk,
                      float *dv) {
  Attention p = {.T = T, .H = H, .G = G, .D = D, .window = MIN(window, T), .block = block_of(T), .q = q, .k = k, .v = v, .y = y, .lse = lse};
  p.dy = dy;
  p.dq = dq;
  p.dk = dk;
  p.dv = dv;
  pool_run(attend_grad, &p, B * G);
  return !p.failed;
}
