// Causal attention with a sliding window and grouped queries, and its gradient, on tensor cores: matmuls of bfloat16,
// sums and softmax in float32 (Dao 2023, "FlashAttention-2", algorithms 1 and 2). So that no atomics are needed, the
// gradients have two kernels: the first, by keys, stores the gradients of the scores for the second, by queries.
// attention.cu is the reference; its second kernel computes them again.
//
// T sequence, H query heads, G kv heads, D head width (a macro: a multiple of 16, above 128 of 32, at most 256), q, y [N,H*D],
// k, v [N,G*D] in bfloat16, lse, delta [N,H]. Rows of q and dq are q_stride apart, those of k, v, dk, dv kv_stride: they may lie
// side by side in one matrix. Query i sees the keys j with i - window <= j <= i.
//
// A block owns 128 queries, or keys, divided among its warps; tiles of keys, or queries, are loaded into shared
// memory by cp.async while the previous tile is being processed. A warp skips tiles that none of its rows sees, and
// masks only those that some of its rows see partially. Rows of a warp: 32 in `attention`, so that each fragment that
// is read from shared memory serves two `mma`; 16 in `attention_grad_kv`, whose sums fill the registers, and which
// keeps its own rows there too. In heads wider than 128 a block owns 64, and two warps share 16: each computes all of
// their scores and sums half of D.
#include "attention.h"
#include "mma.h"
#include "rows.h"

#define OWN (D > 128 ? 64 : 128)
// Keys of a tile; queries of a tile in attention_grad_kv. Shared memory stays within the 99 KiB that chips of 8.6, 8.9 and 12.0
// give to a block.
#define TILE (D > 128 ? 32 : 64)
#define QUERY_TILE (D > 128 ? 16 : D > 64 ? 32 : 64)
// Tiles in shared memory at once in the gradients.
#define STAGES (D > 128 ? 1 : 2)
#define STRIDE (D + 8)
// Warps that share rows, numbers of D that one sums, and its accumulators across them.
#define PARTS (D > 128 ? 2 : 1)
#define SHARE (D / PARTS)
#define WIDE (SHARE / 8)
// Fragments of 16 rows that a warp of `attention` owns.
#define FRAGMENTS (D > 128 ? 1 : 2)
#define THREADS (2 * OWN / FRAGMENTS * PARTS)
#define GRAD_THREADS (2 * OWN * PARTS)
#define LOG2E 1.4426950408889634f
#define UNROLL _Pragma("unroll")
#define DEVICE static __device__ __forceinline__

// Rows first .. first + COUNT of a head, of which those from T on are zeros; a group of copies is to be ended.
template <int COUNT> DEVICE void copy_tile(bf16 *tile, const bf16 *head, int stride, int first, int T) {
  for (int i = threadIdx.x; i < COUNT * (D / 8); i += blockDim.x) {
    int row = i / (D / 8), d = i % (D / 8) * 8;
    bool present = first + row < T;
    copy_eight(tile + row * STRIDE + d, head + (present ? first + row : 0) * stride + d, present);
  }
}

// The rows of a warp as operands a: COUNT fragments, in registers if KEPT, else read from their tile each time.
template <int COUNT, bool KEPT> struct Rows {
  unsigned kept[KEPT ? COUNT : 1][KEPT ? D / 16 : 1][4];
  const bf16 *tile;
  int row;
  __device__ __forceinline__ Rows(const bf16 *tile, int row) : tile(tile), row(row) {
    if (KEPT)
      UNROLL for (int m = 0; m < COUNT; m++)
        UNROLL for (int k = 0; k < D / 16; k++) load_a(kept[m][k], tile, STRIDE, row + 16 * m, 16 * k);
  }
  __device__ __forceinline__ void get(unsigned a[4], int m, int k) const {
    if (KEPT) UNROLL for (int e = 0; e < 4; e++) a[e] = kept[m][k][e];
    else load_a(a, tile, STRIDE, row + 16 * m, 16 * k);
  }
};

// sums [16 M, 8 COUNT] = rows b_rows^T over D, b all rows of a tile.
template <int M, int COUNT, bool KEPT>
DEVICE void product(float (*sums)[COUNT][4], const Rows<M, KEPT> &rows, const bf16 *b_tile) {
  UNROLL for (int m = 0; m < M; m++)
    UNROLL for (int n = 0; n < COUNT; n++) UNROLL for (int e = 0; e < 4; e++) sums[m][n][e] = 0;
#pragma unroll(KEPT ? D / 16 : 2)
  for (int k = 0; k < D / 16; k++) {
    unsigned a[M][4];
    UNROLL for (int m = 0; m < M; m++) rows.get(a[m], m, k);
    UNROLL for (int n = 0; n < COUNT; n += 2) {
      unsigned b[4];
      load_b_columns(b, b_tile, STRIDE, n * 8, k * 16);
      UNROLL for (int m = 0; m < M; m++) {
        mma(sums[m][n], a[m], b[0], b[1]);
        mma(sums[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}
// wide [16 M, SHARE] += a [16 M, 16] times 16 rows of a tile, of which `rows` points to the first of this warp's columns.
template <int M> DEVICE void add_rows(float (*wide)[WIDE][4], const unsigned (*a)[4], const bf16 *rows) {
  UNROLL for (int d = 0; d < WIDE; d += 2) {
    unsigned b[4];
    load_b_rows(b, rows, STRIDE, 0, d * 8);
    UNROLL for (int m = 0; m < M; m++) {
      mma(wide[m][d], a[m], b[0], b[1]);
      mma(wide[m][d + 1], a[m], b[2], b[3]);
    }
  }
}
// The same with a = weights [16 M, 8 COUNT] and the rows of a whole tile.
template <int M, int COUNT>
DEVICE void add_weighted(float (*wide)[WIDE][4], const float (*weights)[COUNT][4], const bf16 *tile) {
  UNROLL for (int n = 0; n < COUNT; n += 2) {
    unsigned a[M][4];
    UNROLL for (int m = 0; m < M; m++) as_a(a[m], weights[m][n], weights[m][n + 1]);
    add_rows<M>(wide, a, tile + n * 8 * STRIDE);
  }
}
DEVICE float over_four(float x, bool largest) {
  UNROLL for (int i = 1; i < 4; i *= 2) {
    float other = __shfl_xor_sync(0xffffffff, x, i);
    x = largest ? x > other ? x : other : x + other;
  }
  return x;
}
// Writes the lower or upper row of accumulators [16, SHARE] times a factor; `row` points to the first of this warp's columns.
DEVICE void store_row(bf16 *row, const float (*wide)[4], int half, float factor) {
  UNROLL for (int d = 0; d < WIDE; d++)
    store_two(row + d * 8 + threadIdx.x % 4 * 2, wide[d][half * 2] * factor, wide[d][half * 2 + 1] * factor);
}
// What turned and normed the rows of queries and keys (rotary.cu), so that their gradients are stored as those of the rows before
// that: factors [N,H+G], null where nothing did; cos and sin [T,D/2].
struct Turned {
  const float *rstd, *cos, *sin;
};
// The same of the gradient of a row of y at position `at`, where that is below T; all of a warp take part. `index` is the row's
// of rstd. Heads of up to 128, whose halves a thread has both of.
DEVICE void store_turned(bf16 *to, const bf16 *y, const float (*wide)[4], int half, float factor, const Turned &turned,
                         long index, int at, bool present) {
  int column = threadIdx.x % 4 * 2;
  float along = 0;
  UNROLL for (int d = 0; d < WIDE; d++) {
    unsigned pair = *(const unsigned *)(y + d * 8 + column);
    along += wide[d][half * 2] * bf16_low(pair) + wide[d][half * 2 + 1] * bf16_high(pair);
  }
  along = over_four(along, false) / D;
  if (!present) return;
  float scale = factor * turned.rstd[index];
  UNROLL for (int d = 0; d < WIDE / 2; d++) {
    unsigned first = *(const unsigned *)(y + d * 8 + column), second = *(const unsigned *)(y + D / 2 + d * 8 + column);
    float2 c = *(const float2 *)(turned.cos + at * (D / 2) + d * 8 + column);
    float2 s = *(const float2 *)(turned.sin + at * (D / 2) + d * 8 + column);
    const float *a = wide[d] + half * 2, *b = wide[d + WIDE / 2] + half * 2;
    float a0 = (a[0] - bf16_low(first) * along) * scale, a1 = (a[1] - bf16_high(first) * along) * scale;
    float b0 = (b[0] - bf16_low(second) * along) * scale, b1 = (b[1] - bf16_high(second) * along) * scale;
    store_two(to + d * 8 + column, a0 * c.x - b0 * s.x, a1 * c.y - b1 * s.y);
    store_two(to + D / 2 + d * 8 + column, a0 * s.x + b0 * c.x, a1 * s.y + b1 * c.y);
  }
}
// Writes rows `row` and `row + 8`, where they are below T; `head` points to the first of this warp's columns.
DEVICE void store_wide(bf16 *head, long stride, int row, int T, const float (*wide)[4], float low, float high) {
  UNROLL for (int half = 0; half < 2; half++)
    if (row + half * 8 < T) store_row(head + (row + half * 8) * stride, wide, half, half ? high : low);
}

// Grid ceil(T / OWN) H B, THREADS threads. Blocks with the most keys start first.
extern "C" __global__ void __launch_bounds__(THREADS)
attention(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, const bf16 *q, const bf16 *k,
          const bf16 *v, bf16 *y, float *lse) {
  DYNAMIC_SHARED(bf16, shared);
  bf16 *queries = shared, *keys = queries + OWN * STRIDE, *values = keys + TILE * STRIDE;
  Place at = place_of_block(T, OWN, H, 0);
  int first = (at.tiles - 1 - at.tile) * OWN, h = at.head, g = h / (H / G);
  int own = threadIdx.x / 32 / PARTS * 16 * FRAGMENTS, from = threadIdx.x / 32 % PARTS * SHARE;
  // This warp's first row, this thread's first row in a fragment and column in a tile.
  int top_row = first + own, row = top_row + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  long start = at.batch * T, y_stride = (long)H * D;
  const bf16 *k_head = k + start * kv_stride + g * D, *v_head = v + start * kv_stride + g * D;
  int end = first + OWN < T ? first + OWN : T, j0 = (first > window ? first - window : 0) / TILE * TILE;

  copy_tile<OWN>(queries, q + start * q_stride + h * D, q_stride, first, T);
  copy_tile<TILE>(keys, k_head, kv_stride, j0, T);
  copy_commit();
  float sum[FRAGMENTS][WIDE][4] = {}, top[FRAGMENTS][2], total[FRAGMENTS][2] = {}, factor = scale * LOG2E;
  UNROLL for (int m = 0; m < FRAGMENTS; m++) top[m][0] = top[m][1] = -1e30f;
  copy_wait<0>();
  __syncthreads();
  // In registers where there is room.
  Rows<FRAGMENTS, (D <= 80 || D > 128)> query(queries, own);
  for (; j0 < end; j0 += TILE) {
    copy_wait<0>();
    __syncthreads();
    copy_tile<TILE>(values, v_head, kv_stride, j0, T);
    copy_commit();
    bool seen = j0 < top_row + 16 * FRAGMENTS && j0 + TILE > top_row - window;
    float p[FRAGMENTS][TILE / 8][4];
    if (seen) product<FRAGMENTS, TILE / 8>(p, query, keys);
    __syncthreads();
    // The next keys come while this tile's softmax is taken.
    if (j0 + TILE < end) copy_tile<TILE>(keys, k_head, kv_stride, j0 + TILE, T);
    copy_commit();
    if (seen) {
      if (j0 + TILE - 1 > top_row || j0 < top_row + 16 * FRAGMENTS - 1 - window)
        UNROLL for (int m = 0; m < FRAGMENTS; m++)
          UNROLL for (int n = 0; n < TILE / 8; n++)
            UNROLL for (int e = 0; e < 4; e++) {
              int i = row + 16 * m + e / 2 * 8, j = j0 + n * 8 + column + e % 2;
              if (j > i || j < i - window) p[m][n][e] = -1e38f;
            }
      UNROLL for (int m = 0; m < FRAGMENTS; m++)
        UNROLL for (int half = 0; half < 2; half++) {
          float most = top[m][half];
          UNROLL for (int n = 0; n < TILE / 8; n++)
            UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) most = p[m][n][e] > most ? p[m][n][e] : most;
          most = over_four(most, true);
          float shrink = power_of_two((top[m][half] - most) * factor), shift = most * factor;
          top[m][half] = most;
          total[m][half] *= shrink;
          UNROLL for (int n = 0; n < TILE / 8; n++)
            UNROLL for (int e = 2 * half; e < 2 * half + 2; e++) {
              p[m][n][e] = power_of_two(p[m][n][e] * factor - shift);
              total[m][half] += p[m][n][e];
            }
          UNROLL for (int d = 0; d < WIDE; d++) {
            sum[m][d][2 * half] *= shrink;
            sum[m][d][2 * half + 1] *= shrink;
          }
        }
    }
    copy_wait<1>();
    __syncthreads();
    if (seen) add_weighted<FRAGMENTS, TILE / 8>(sum, p, values + from);
  }
  UNROLL for (int m = 0; m < FRAGMENTS; m++) {
    UNROLL for (int half = 0; half < 2; half++) {
      total[m][half] = over_four(total[m][half], false);
      int i = row + 16 * m + half * 8;
      if (column == 0 && from == 0 && i < T) lse[(start + i) * H + h] = top[m][half] * scale + logf(total[m][half]);
    }
    store_wide(y + start * y_stride + h * D + from, y_stride, row + 16 * m, T, sum[m], 1 / total[m][0], 1 / total[m][1]);
  }
}

// delta = dy . y by head; a team a row, of the N H.
KERNEL attention_delta(int rows, const bf16 *y, const bf16 *dy, float *delta) {
  EACH_ROW(r, rows) {
    float sum = row_dot(y + r * D, dy + r * D, D);
    ONCE(delta[r] = sum);
  }
}

// A block's own rows of two arrays, 2 OWN rows of shared memory. Up to heads of 128 they are kept in registers, and the memory
// serves for tiles afterwards.
#define GRAD_KEPT (D <= 128)
// In attention_grad_kv of wide heads compilers for 12.0 run out of registers: values are read from shared memory, of which tiles
// of heads above 64 leave the half that values lie in.
#define VALUES_KEPT (GRAD_KEPT && !(D > 96 && __CUDA_ARCH__ >= 1200))

// The gradients of the scores, ds, are stored by attention_grad_kv and read by attention_grad_q: bfloat16, in squares [OWN keys,
// OWN queries] of each query head, those of a block of keys in a row; there are `reach` of these, fewer at the sequence's end.
DEVICE long squares_before(int tile, int tiles, int reach) {
  long cut = tile > tiles - reach ? tile - (tiles - reach) : 0;
  return (long)tile * reach - cut * (cut - 1) / 2;
}
// Queries within a square are stored in the order of the threads that compute them, by tiles of QUERY_TILE: 16 bytes each.
#define OF_THREAD (QUERY_TILE / 4)
DEVICE int stored_query(int place) {
  int own = place % QUERY_TILE % OF_THREAD;
  return place / QUERY_TILE * QUERY_TILE + own / 2 * 8 + place % QUERY_TILE / OF_THREAD * 2 + own % 2;
}

// A thread's queries of its two keys, or zeros.
DEVICE void store_scores(bf16 *to, const float (*ds)[4]) {
  UNROLL for (int half = 0; half < 4; half += 2, to += 8 * OWN) {
    unsigned pairs[QUERY_TILE / 8];
    UNROLL for (int n = 0; n < QUERY_TILE / 8; n++) pairs[n] = ds ? bf16_pair(ds[n][half], ds[n][half + 1]) : 0;
#if D > 128
    store_vector(to, pairs[0], pairs[1]);
#else
    UNROLL for (int n = 0; n < QUERY_TILE / 8; n += 4)
      store_vector(to + 2 * n, pairs[n], pairs[n + 1], pairs[n + 2], pairs[n + 3]);
#endif
  }
}

// dk, dv and ds of some kv heads: grid ceil(T / OWN) times their number, of which `head0` of the B G is the first, GRAD_THREADS
// threads. Rows are keys, columns queries.
extern "C" __global__ void __launch_bounds__(GRAD_THREADS)
attention_grad_kv(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, int head0, int reach,
                  const float *rstd, const float *cos, const float *sin, const bf16 *q, const bf16 *k, const bf16 *v,
                  const bf16 *dy, const float *lse, const float *delta, bf16 *dk, bf16 *dv, bf16 *scores) {
  DYNAMIC_SHARED(bf16, shared);
  // Sums and deltas of the tiles lie behind them.
  bf16 *tiles = GRAD_KEPT ? shared : shared + 2 * OWN * STRIDE;
  float *numbers = (float *)(shared + (GRAD_KEPT ? 2 * OWN : 2 * OWN + 2 * QUERY_TILE) * STRIDE);
  Place at = place_of_block(T, OWN, G, head0);
  int first = at.tile * OWN, g = at.head;
  int own = threadIdx.x / 32 / PARTS * 16, from = threadIdx.x / 32 % PARTS * SHARE;
  int top_row = first + own, row = top_row + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  long start = at.batch * T, y_stride = (long)H * D;
  // In long: a window may be as large as an int.
  int end = (long)first + OWN + window < T ? first + OWN + window : T;

  copy_tile<OWN>(shared, k + start * kv_stride + g * D, kv_stride, first, T);
  copy_tile<OWN>(shared + OWN * STRIDE, v + start * kv_stride + g * D, kv_stride, first, T);
  copy_commit();
  float sum_k[1][WIDE][4] = {}, sum_v[1][WIDE][4] = {}, factor = scale * LOG2E;
  copy_wait<0>();
  __syncthreads();
  Rows<1, GRAD_KEPT> key(shared, own);
  Rows<1, VALUES_KEPT> value(shared + OWN * STRIDE, own);
  if (GRAD_KEPT) __syncthreads();
  auto copy = [&](int h, int i0, int stage) {
    bf16 *to = tiles + stage * 2 * QUERY_TILE * STRIDE;
    copy_tile<QUERY_TILE>(to, q + start * q_stride + h * D, q_stride, i0, T);
    copy_tile<QUERY_TILE>(to + QUERY_TILE * STRIDE, dy + start * y_stride + h * D, y_stride, i0, T);
    copy_commit();
    float *log_sums = numbers + stage * 2 * QUERY_TILE;
    for (int n = threadIdx.x; n < QUERY_TILE; n += GRAD_THREADS) {
      long index = (start + i0 + n) * H + h;
      log_sums[n] = i0 + n < T ? lse[index] * LOG2E : 0;
      log_sums[n + QUERY_TILE] = i0 + n < T ? delta[index] : 0;
    }
  };
  int h = g * (H / G), last = h + H / G - 1, i0 = first;
  // This thread's place in the squares of the first query head.
  scores += ((at.batch * G + g - head0) * (H / G) * squares_before(at.tiles, at.tiles, reach) +
             squares_before(at.tile, at.tiles, reach)) * OWN * OWN + (row - first) * OWN + column / 2 * OF_THREAD;
  copy(h, i0, 0);
  for (int stage = 0; h <= last; stage = (stage + 1) % STAGES) {
    // The tile after this one, perhaps the first of the next head.
    int next = i0 + QUERY_TILE < end ? i0 + QUERY_TILE : first, next_h = next == first ? h + 1 : h;
    copy_wait<0>();
    __syncthreads();
    if (STAGES > 1 && next_h <= last) copy(next_h, next, (stage + 1) % STAGES);
    bf16 *to = scores + (unsigned)(i0 - first) / OWN * OWN * OWN + (unsigned)(i0 - first) % OWN;
    if (i0 + QUERY_TILE > top_row && i0 <= (long)top_row + 15 + window) {
      const bf16 *queries = tiles + stage * 2 * QUERY_TILE * STRIDE, *gradients = queries + QUERY_TILE * STRIDE;
      const float *log_sums = numbers + stage * 2 * QUERY_TILE, *alongs = log_sums + QUERY_TILE;
      bool whole = i0 >= top_row + 15 && i0 + QUERY_TILE - 1 - window <= top_row && i0 + QUERY_TILE <= T;
      float p[1][QUERY_TILE / 8][4], ds[1][QUERY_TILE / 8][4];
      product<1, QUERY_TILE / 8>(p, key, queries);
      UNROLL for (int n = 0; n < QUERY_TILE / 8; n++)
        UNROLL for (int e = 0; e < 4; e++) {
          int at = n * 8 + column + e % 2, i = i0 + at, j = row + e / 2 * 8;
          float each = power_of_two(p[0][n][e] * factor - log_sums[at]);
          p[0][n][e] = whole || (j <= i && j >= i - window && i < T) ? each : 0;
        }
      add_weighted<1, QUERY_TILE / 8>(sum_v, p, gradients + from);
      product<1, QUERY_TILE / 8>(ds, value, gradients);
      UNROLL for (int n = 0; n < QUERY_TILE / 8; n++)
        UNROLL for (int e = 0; e < 4; e++) {
          float each = p[0][n][e] * (ds[0][n][e] - alongs[n * 8 + column + e % 2]);
          ds[0][n][e] = p[0][n][e] == 0 ? 0 : each;
        }
      if (from == 0) store_scores(to, ds[0]);
      add_weighted<1, QUERY_TILE / 8>(sum_k, ds, queries + from);
    } else if (from == 0) store_scores(to, 0);
    if (STAGES == 1) {
      __syncthreads();
      if (next_h <= last) copy(next_h, next, 0);
    }
    if (h != next_h) scores += squares_before(at.tiles, at.tiles, reach) * OWN * OWN;
    h = next_h;
    i0 = next;
  }
  if (D <= 128 && rstd)
    UNROLL for (int half = 0; half < 2; half++) {
      int row_half = row + half * 8, j = row_half < T ? row_half : T - 1;
      long own = (start + j) * kv_stride + g * D, index = (start + j) * (H + G) + H + g;
      store_turned(dk + own, k + own, sum_k[0], half, scale, {rstd, cos, sin}, index, j, row_half < T);
    }
  else store_wide(dk + start * kv_stride + g * D + from, kv_stride, row, T, sum_k[0], scale, scale);
  store_wide(dv + start * kv_stride + g * D + from, kv_stride, row, T, sum_v[0], 1, 1);
}

// dq = scale ds k of the query heads of those kv heads: grid ceil(T / OWN) times their number, THREADS threads.
extern "C" __global__ void __launch_bounds__(THREADS)
attention_grad_q(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, int head0, int reach,
                 const float *rstd, const float *cos, const float *sin, const bf16 *q, const bf16 *k, const bf16 *scores,
                 bf16 *dq) {
  DYNAMIC_SHARED(bf16, shared);
  Place at = place_of_block(T, OWN, H, head0 * (H / G));
  int first = (at.tiles - 1 - at.tile) * OWN, h = at.head, g = h / (H / G);
  int own = threadIdx.x / 32 / PARTS * 16 * FRAGMENTS, from = threadIdx.x / 32 % PARTS * SHARE;
  long start = at.batch * T;
  const bf16 *k_head = k + start * kv_stride + g * D;
  scores += (at.batch * H + h - head0 * (H / G)) * squares_before(at.tiles, at.tiles, reach) * OWN * OWN;
  int end = first + OWN < T ? first + OWN : T, j0 = (first > window ? first - window : 0) / TILE * TILE;
  auto copy = [&](int j0, int stage) {
    bf16 *keys = shared + stage * TILE * (STRIDE + OWN + 8), *ds = keys + TILE * STRIDE;
    copy_tile<TILE>(keys, k_head, kv_stride, j0, T);
    int tile = j0 / OWN;
    // attention_grad_kv went so far.
    long written = (long)(tile + 1) * OWN + window < T ? (long)(tile + 1) * OWN + window : T;
    const bf16 *square = scores + (squares_before(tile, at.tiles, reach) + first / OWN - tile) * OWN * OWN;
    for (int i = threadIdx.x; i < TILE * (OWN / 8); i += THREADS) {
      int row = i / (OWN / 8), c = i % (OWN / 8) * 8;
      copy_eight(ds + row * (OWN + 8) + c, square + (j0 % OWN + row) * OWN + c, first + c / QUERY_TILE * QUERY_TILE < written);
    }
    copy_commit();
  };
  // The queries of this warp, whose tiles it shares with others where they are longer than its rows.
  int top_row = first + own / QUERY_TILE * QUERY_TILE;
  int rows = QUERY_TILE > 16 * FRAGMENTS ? QUERY_TILE : 16 * FRAGMENTS;
  float sum[FRAGMENTS][WIDE][4] = {};
  copy(j0, 0);
  for (int stage = 0; j0 < end; j0 += TILE, stage ^= 1) {
    copy_wait<0>();
    __syncthreads();
    if (j0 + TILE < end) copy(j0 + TILE, stage ^ 1);
    if (j0 >= top_row + rows || j0 + TILE <= top_row - window) continue;
    const bf16 *keys = shared + stage * TILE * (STRIDE + OWN + 8), *ds = keys + TILE * STRIDE;
    UNROLL for (int j = 0; j < TILE; j += 16) {
      unsigned a[FRAGMENTS][4];
      UNROLL for (int m = 0; m < FRAGMENTS; m++) load_a_columns(a[m], ds, OWN + 8, own + 16 * m, j);
      add_rows<FRAGMENTS>(sum, a, keys + j * STRIDE + from);
    }
  }
  UNROLL for (int m = 0; m < FRAGMENTS; m++)
    UNROLL for (int half = 0; half < 2; half++) {
      int query = first + stored_query(own + 16 * m + threadIdx.x % 32 / 4 + 8 * half), i = query < T ? query : T - 1;
      long place = (start + i) * q_stride + h * D, index = (start + i) * (H + G) + h;
      if (D <= 128 && rstd)
        store_turned(dq + place, q + place, sum[m], half, scale, {rstd, cos, sin}, index, i, query < T);
      else if (query < T) store_row(dq + place + from, sum[m], half, scale);
    }
}
