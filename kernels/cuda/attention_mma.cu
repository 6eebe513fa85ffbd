// Causal attention with a sliding window and grouped queries, and its gradient, on tensor cores: products of bfloat16, sums
// and softmax in float32 (Dao 2023, "FlashAttention-2", algorithms 1 and 2). Each gradient has a kernel of its own that
// recomputes the scores, so nothing is added up by atomics. attention.cu is the reference and has the same arguments.
//
// T sequence, H query heads, G kv heads, D head width (a macro: a multiple of 16, above 128 of 32, at most 256), q, y [N,H*D],
// k, v [N,G*D], lse, delta [N,H]. Query i sees the keys j with i - window <= j <= i. A block owns 64 queries (or keys), a warp
// 16 of them; tiles of keys (or queries) pass through shared memory. In heads wider than 128 two warps share 16 queries: each
// takes all of their scores and sums half of D, since the sums of the whole would not fit into registers.
#include "attention.h"
#include "mma.h"
#include "rows.h"

// Queries or keys of a block.
#define OWN 64
// Keys of a tile; queries of a tile in attention_grad_kv, where registers are scarce. Shared memory stays within the 99 KiB
// that chips of 8.6, 8.9 and 12.0 give to a block.
#define TILE (D > 128 ? 32 : 64)
#define QUERY_TILE (D > 128 ? 16 : D > 64 ? 32 : 64)
#define STRIDE (D + 8)
// Warps that share rows, numbers of D that one sums, and its accumulators across them.
#define PARTS (D > 128 ? 2 : 1)
#define SHARE (D / PARTS)
#define WIDE (SHARE / 8)
#define THREADS (128 * PARTS)
#define LOG2E 1.4426950408889634f
#define UNROLL _Pragma("unroll")
#define ALONE static __device__ __forceinline__

// Rows first .. first + count of a head, of which those from T on are zeros; a group of copies is to be ended.
template <int COUNT> ALONE void copy_tile(bf16 *tile, const act *head, long stride, int first, int T) {
  for (int i = threadIdx.x; i < COUNT * (D / 8); i += THREADS) {
    int row = i / (D / 8), d = i % (D / 8) * 8;
    bool present = first + row < T;
    copy_eight(tile + row * STRIDE + d, head + (present ? first + row : 0) * stride + d, present);
  }
}

// sums [16, 8 COUNT] += a b_rows^T over 16 of D from k on, b all rows of a tile.
template <int COUNT> ALONE void add_product(float (*sums)[4], const unsigned a[4], const bf16 *b_tile, int k) {
  UNROLL for (int n = 0; n < COUNT; n += 2) {
    unsigned b[4];
    load_b_columns(b, b_tile, STRIDE, n * 8, k);
    mma(sums[n], a, b[0], b[1]);
    mma(sums[n + 1], a, b[2], b[3]);
  }
}
// sums [16, 8 COUNT] = a_rows b_rows^T over D: a of a tile from `row` on, b all rows of a tile.
template <int COUNT> ALONE void product(float (*sums)[4], const bf16 *a_tile, int row, const bf16 *b_tile) {
  UNROLL for (int n = 0; n < COUNT; n++) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0;
  UNROLL for (int k = 0; k < D; k += 16) {
    unsigned a[4];
    load_a(a, a_tile, STRIDE, row, k);
    add_product<COUNT>(sums, a, b_tile, k);
  }
}
// wide [16, SHARE] += weights [16, 8 COUNT] rows of a tile, of which `tile` points to the first of this warp's columns.
template <int COUNT> ALONE void add_weighted(float (*wide)[4], const float (*weights)[4], const bf16 *tile) {
  UNROLL for (int n = 0; n < COUNT; n += 2) {
    unsigned a[4];
    as_a(a, weights[n], weights[n + 1]);
    UNROLL for (int d = 0; d < WIDE; d += 2) {
      unsigned b[4];
      load_b_rows(b, tile, STRIDE, n * 8, d * 8);
      mma(wide[d], a, b[0], b[1]);
      mma(wide[d + 1], a, b[2], b[3]);
    }
  }
}
ALONE float over_four(float x, bool largest) {
  UNROLL for (int i = 1; i < 4; i *= 2) {
    float other = __shfl_xor_sync(0xffffffff, x, i);
    x = largest ? x > other ? x : other : x + other;
  }
  return x;
}
// Writes rows `row` and `row + 8` of accumulators [16, SHARE] times their factors, where they are below T; `head` points to the
// first of this warp's columns.
ALONE void store_wide(act *head, long stride, int row, int T, const float (*wide)[4], float low, float high) {
  int column = threadIdx.x % 4 * 2;
  UNROLL for (int half = 0; half < 2; half++) {
    int at = row + half * 8;
    if (at >= T) continue;
    float factor = half ? high : low;
    UNROLL for (int d = 0; d < WIDE; d++)
      store_two(head + at * stride + d * 8 + column, wide[d][half * 2] * factor, wide[d][half * 2 + 1] * factor);
  }
}

// Grid ceil(T / 64) H B, THREADS threads. Blocks with the most keys start first.
extern "C" __global__ void __launch_bounds__(THREADS)
attention(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, act *y, float *lse) {
  DYNAMIC_SHARED(bf16, shared);
  bf16 *queries = shared, *keys = queries + OWN * STRIDE, *values = keys + TILE * STRIDE;
  Place at = place_of_block(T, OWN, H);
  int first = (at.tiles - 1 - at.tile) * OWN, h = at.head, g = h / (H / G);
  int own = threadIdx.x / 32 / PARTS * 16, from = threadIdx.x / 32 % PARTS * SHARE;
  int row = first + own + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  long start = at.batch * T, q_stride = (long)H * D, kv_stride = (long)G * D;
  const act *k_head = k + start * kv_stride + g * D, *v_head = v + start * kv_stride + g * D;
  int end = first + OWN < T ? first + OWN : T, j0 = (first > window ? first - window : 0) / TILE * TILE;

  copy_tile<OWN>(queries, q + start * q_stride + h * D, q_stride, first, T);
  copy_tile<TILE>(keys, k_head, kv_stride, j0, T);
  copy_commit();
  float sum[WIDE][4] = {}, top[2] = {-1e30f, -1e30f}, total[2] = {0, 0}, factor = scale * LOG2E;
  // The queries stay in registers.
  unsigned query[D / 16][4];
  copy_wait<0>();
  __syncthreads();
  UNROLL for (int k = 0; k < D / 16; k++) load_a(query[k], queries, STRIDE, own, k * 16);
  for (; j0 < end; j0 += TILE) {
    copy_wait<0>();
    __syncthreads();
    copy_tile<TILE>(values, v_head, kv_stride, j0, T);
    copy_commit();
    float p[TILE / 8][4] = {};
    UNROLL for (int k = 0; k < D / 16; k++) add_product<TILE / 8>(p, query[k], keys, k * 16);
    __syncthreads();
    // The next keys come while this tile's softmax is taken.
    if (j0 + TILE < end) copy_tile<TILE>(keys, k_head, kv_stride, j0 + TILE, T);
    copy_commit();

    // This warp's rows are first + own .. + 15: does each see the whole tile?
    if (j0 + TILE - 1 > first + own || j0 < first + own + 15 - window)
      UNROLL for (int n = 0; n < TILE / 8; n++)
        UNROLL for (int e = 0; e < 4; e++) {
          int i = row + e / 2 * 8, j = j0 + n * 8 + column + e % 2;
          if (j > i || j < i - window) p[n][e] = -1e38f;
        }
    UNROLL for (int half = 0; half < 2; half++) {
      float most = top[half];
      UNROLL for (int n = 0; n < TILE / 8; n++)
        UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) most = p[n][e] > most ? p[n][e] : most;
      most = over_four(most, true);
      float shrink = power_of_two((top[half] - most) * factor), shift = most * factor;
      top[half] = most;
      total[half] *= shrink;
      UNROLL for (int n = 0; n < TILE / 8; n++)
        UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) {
          p[n][e] = power_of_two(p[n][e] * factor - shift);
          total[half] += p[n][e];
        }
      UNROLL for (int d = 0; d < WIDE; d++) {
        sum[d][2 * half] *= shrink;
        sum[d][2 * half + 1] *= shrink;
      }
    }
    copy_wait<1>();
    __syncthreads();
    add_weighted<TILE / 8>(sum, p, values + from);
  }
  UNROLL for (int half = 0; half < 2; half++) {
    total[half] = over_four(total[half], false);
    int i = row + half * 8;
    if (column == 0 && from == 0 && i < T) lse[(start + i) * H + h] = top[half] * scale + logf(total[half]);
  }
  store_wide(y + start * q_stride + h * D + from, q_stride, row, T, sum, 1 / total[0], 1 / total[1]);
}

// delta = dy . y by head; a team a row of the N * H.
KERNEL attention_delta(int N, int H, const act *y, const act *dy, float *delta) {
  EACH_ROW(r, (long)N * H) {
    float sum = row_dot(y + r * D, dy + r * D, D);
    ONCE(delta[r] = sum);
  }
}

// dq: grid ceil(T / 64) H B, THREADS threads.
extern "C" __global__ void __launch_bounds__(THREADS)
attention_grad_q(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, const act *dy,
                 const float *lse, const float *delta, act *dq) {
  DYNAMIC_SHARED(bf16, shared);
  bf16 *queries = shared, *slopes = queries + OWN * STRIDE, *keys = slopes + OWN * STRIDE, *values = keys + TILE * STRIDE;
  Place at = place_of_block(T, OWN, H);
  int first = (at.tiles - 1 - at.tile) * OWN, h = at.head, g = h / (H / G);
  int own = threadIdx.x / 32 / PARTS * 16, from = threadIdx.x / 32 % PARTS * SHARE;
  int row = first + own + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  long start = at.batch * T, q_stride = (long)H * D, kv_stride = (long)G * D;
  const act *k_head = k + start * kv_stride + g * D, *v_head = v + start * kv_stride + g * D;
  int end = first + OWN < T ? first + OWN : T, j0 = (first > window ? first - window : 0) / TILE * TILE;

  copy_tile<OWN>(queries, q + start * q_stride + h * D, q_stride, first, T);
  copy_tile<OWN>(slopes, dy + start * q_stride + h * D, q_stride, first, T);
  copy_tile<TILE>(keys, k_head, kv_stride, j0, T);
  copy_commit();
  copy_tile<TILE>(values, v_head, kv_stride, j0, T);
  copy_commit();
  float log_sum[2], along[2], sum[WIDE][4] = {}, factor = scale * LOG2E;
  UNROLL for (int half = 0; half < 2; half++) {
    long index = (start + row + half * 8) * H + h;
    // Beyond the sequence: exponentials of 0.
    log_sum[half] = row + half * 8 < T ? lse[index] * LOG2E : 0;
    along[half] = row + half * 8 < T ? delta[index] : 0;
  }
  for (; j0 < end; j0 += TILE) {
    copy_wait<1>();
    __syncthreads();
    float p[TILE / 8][4], ds[TILE / 8][4];
    product<TILE / 8>(p, queries, own, keys);
    copy_wait<0>();
    __syncthreads();
    product<TILE / 8>(ds, slopes, own, values);
    UNROLL for (int n = 0; n < TILE / 8; n++)
      UNROLL for (int e = 0; e < 4; e++) {
        int half = e / 2, i = row + half * 8, j = j0 + n * 8 + column + e % 2;
        bool seen = j <= i && j >= i - window;
        ds[n][e] = seen ? power_of_two(p[n][e] * factor - log_sum[half]) * (ds[n][e] - along[half]) : 0;
      }
    add_weighted<TILE / 8>(sum, ds, keys + from);
    __syncthreads();
    bool more = j0 + TILE < end;
    if (more) copy_tile<TILE>(keys, k_head, kv_stride, j0 + TILE, T);
    copy_commit();
    if (more) copy_tile<TILE>(values, v_head, kv_stride, j0 + TILE, T);
    copy_commit();
  }
  store_wide(dq + start * q_stride + h * D + from, q_stride, row, T, sum, scale, scale);
}

// dk and dv, of all query heads that read the kv head: grid ceil(T / 64) G B, THREADS threads. Rows are keys, columns
// queries.
extern "C" __global__ void __launch_bounds__(THREADS)
attention_grad_kv(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, const act *dy,
                  const float *lse, const float *delta, act *dk, act *dv) {
  DYNAMIC_SHARED(bf16, shared);
  bf16 *keys = shared, *values = keys + OWN * STRIDE, *queries = values + OWN * STRIDE, *slopes = queries + QUERY_TILE * STRIDE;
  float *log_sums = (float *)(slopes + QUERY_TILE * STRIDE), *alongs = log_sums + QUERY_TILE;
  Place at = place_of_block(T, OWN, G);
  int first = at.tile * OWN, g = at.head;
  int own = threadIdx.x / 32 / PARTS * 16, from = threadIdx.x / 32 % PARTS * SHARE;
  int row = first + own + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  long start = at.batch * T, q_stride = (long)H * D, kv_stride = (long)G * D;
  // In long: a window may be as large as an int.
  int end = (long)first + OWN + window < T ? first + OWN + window : T;

  copy_tile<OWN>(keys, k + start * kv_stride + g * D, kv_stride, first, T);
  copy_tile<OWN>(values, v + start * kv_stride + g * D, kv_stride, first, T);
  copy_commit();
  float sum_k[WIDE][4] = {}, sum_v[WIDE][4] = {}, factor = scale * LOG2E;
  for (int h = g * (H / G); h < (g + 1) * (H / G); h++)
    for (int i0 = first; i0 < end; i0 += QUERY_TILE) {
      __syncthreads();
      copy_tile<QUERY_TILE>(queries, q + start * q_stride + h * D, q_stride, i0, T);
      copy_tile<QUERY_TILE>(slopes, dy + start * q_stride + h * D, q_stride, i0, T);
      copy_commit();
      for (int n = threadIdx.x; n < QUERY_TILE; n += THREADS) {
        long index = (start + i0 + n) * H + h;
        log_sums[n] = i0 + n < T ? lse[index] * LOG2E : 0;
        alongs[n] = i0 + n < T ? delta[index] : 0;
      }
      copy_wait<0>();
      __syncthreads();
      float p[QUERY_TILE / 8][4], ds[QUERY_TILE / 8][4];
      product<QUERY_TILE / 8>(p, keys, own, queries);
      UNROLL for (int n = 0; n < QUERY_TILE / 8; n++)
        UNROLL for (int e = 0; e < 4; e++) {
          int at = n * 8 + column + e % 2, i = i0 + at, j = row + e / 2 * 8;
          bool seen = j <= i && j >= i - window && i < T;
          p[n][e] = seen ? power_of_two(p[n][e] * factor - log_sums[at]) : 0;
        }
      add_weighted<QUERY_TILE / 8>(sum_v, p, slopes + from);
      product<QUERY_TILE / 8>(ds, values, own, slopes);
      UNROLL for (int n = 0; n < QUERY_TILE / 8; n++)
        UNROLL for (int e = 0; e < 4; e++) ds[n][e] = p[n][e] == 0 ? 0 : p[n][e] * (ds[n][e] - alongs[n * 8 + column + e % 2]);
      add_weighted<QUERY_TILE / 8>(sum_k, ds, queries + from);
    }
  store_wide(dk + start * kv_stride + g * D + from, kv_stride, row, T, sum_k, scale, scale);
  store_wide(dv + start * kv_stride + g * D + from, kv_stride, row, T, sum_v, 1, 1);
}
