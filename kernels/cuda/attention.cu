// Causal attention with a sliding window and grouped queries, and its gradient, in float32 on any chip: tiles of keys
// in shared memory, online softmax (Dao et al. 2022, algorithms 1 and 4). The reference for attention_mma.cu, and
// used on chips without bfloat16 tensor cores.
//
// T sequence, H query heads, G kv heads, D head width (a macro), q, y [N,H*D], k, v [N,G*D], lse, delta [N,H]. Rows of q and dq
// are q_stride apart, those of k, v, dk, dv kv_stride. Query i sees the keys j with i - window <= j <= i. Four threads share a
// query (in attention_grad_kv a key) and hold a part of its row each.
#include "attention.h"
#include "rows.h"

// D is at most 256.
#define PARTS (D <= 128 ? 4 : 8)
// Queries, or keys, of a block; and keys, or queries, of a tile: two tiles take 32 KiB of shared memory at most.
#define OWN (128 / PARTS)
#define TILE (D <= 128 ? 32 : 16)
// D padded to what the parts share, with zeros.
#define WIDTH ((D + 4 * PARTS - 1) / (4 * PARTS) * (4 * PARTS))
#define SHARE (WIDTH / PARTS)
#define EACH_OWN(e) _Pragma("unroll") for (int e = 0; e < SHARE; e++)
// Where the e-th of this thread's numbers lies in a row.
#define PLACE(e) ((e) / 4 * 4 * PARTS + part * 4 + (e) % 4)
#define DEVICE static __device__ __forceinline__

// This thread's numbers of a row; zeros where there is none.
DEVICE void load_own(float *own, const act *row, bool present, int part) {
  EACH_OWN(e) own[e] = present && PLACE(e) < D ? number(row, PLACE(e)) : 0;
}
DEVICE void store_own(const float *own, act *row, int part, float factor) {
  EACH_OWN(e) if (PLACE(e) < D) set_number(row, PLACE(e), own[e] * factor);
}
// Rows first .. first + TILE of one head, those beyond T as zeros.
DEVICE void load_tile(float (*tile)[WIDTH], const act *rows, long stride, int first, int T) {
  for (int i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x) {
    int row = i / WIDTH, d = i % WIDTH;
    tile[row][d] = first + row < T && d < D ? number(rows + (first + row) * stride, d) : 0;
  }
}
// Over the threads that share a row.
DEVICE float over_parts(float x) {
#pragma unroll
  for (int i = 1; i < PARTS; i *= 2) x += __shfl_xor_sync(0xffffffff, x, i);
  return x;
}
DEVICE float dot(const float *own, const float *row, int part) {
  float sum = 0;
  EACH_OWN(e) sum += own[e] * row[PLACE(e)];
  return over_parts(sum);
}

// Grid ceil(T / OWN) H B, 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, const act *q, const act *k, const act *v,
          act *y, float *lse) {
  __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
  Place at = place_of_block(T, OWN, H, 0);
  int part = threadIdx.x % PARTS, first = at.tile * OWN, i = first + threadIdx.x / PARTS, h = at.head, g = h / (H / G);
  long start = at.batch * T, row = (start + i) * H + h;
  const act *k_head = k + start * kv_stride + g * D, *v_head = v + start * kv_stride + g * D;
  float query[SHARE], sum[SHARE], top = -1e30f, total = 0;
  load_own(query, q + (start + i) * q_stride + h * D, i < T, part);
  EACH_OWN(e) sum[e] = 0;
  int end = first + OWN < T ? first + OWN : T;
  for (int j0 = (first > window ? first - window : 0) / TILE * TILE; j0 < end; j0 += TILE) {
    __syncthreads();
    load_tile(keys, k_head, kv_stride, j0, T);
    load_tile(values, v_head, kv_stride, j0, T);
    __syncthreads();
    float scores[TILE], most = top;
#pragma unroll
    for (int j = 0; j < TILE; j++) {
      bool seen = j0 + j <= i && j0 + j >= i - window;
      float s = dot(query, keys[j], part) * scale;
      scores[j] = seen ? s : -1e38f;
      most = scores[j] > most ? scores[j] : most;
    }
    float shrink = expf(top - most);
    top = most;
    total *= shrink;
    EACH_OWN(e) sum[e] *= shrink;
#pragma unroll
    for (int j = 0; j < TILE; j++) {
      float p = expf(scores[j] - top);
      total += p;
      EACH_OWN(e) sum[e] += p * values[j][PLACE(e)];
    }
  }
  if (i >= T) return;
  store_own(sum, y + row * D, part, 1 / total);
  if (part == 0) lse[row] = top + logf(total);
}

// delta = dy . y by head; a team a row, of the N H.
KERNEL attention_delta(int rows, const act *y, const act *dy, float *delta) {
  EACH_ROW(r, rows) {
    float sum = row_dot(y + r * D, dy + r * D, D);
    ONCE(delta[r] = sum);
  }
}

// dq: grid ceil(T / OWN) H B, 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention_grad_q(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, const act *q, const act *k,
                 const act *v, const act *dy, const float *lse, const float *delta, act *dq) {
  __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
  Place at = place_of_block(T, OWN, H, 0);
  int part = threadIdx.x % PARTS, first = at.tile * OWN, i = first + threadIdx.x / PARTS, h = at.head, g = h / (H / G);
  long start = at.batch * T, row = (start + i) * H + h;
  const act *k_head = k + start * kv_stride + g * D, *v_head = v + start * kv_stride + g * D;
  float query[SHARE], own_dy[SHARE], sum[SHARE];
  load_own(query, q + (start + i) * q_stride + h * D, i < T, part);
  load_own(own_dy, dy + row * D, i < T, part);
  EACH_OWN(e) sum[e] = 0;
  float log_sum = i < T ? lse[row] : 0, along = i < T ? delta[row] : 0;
  int end = first + OWN < T ? first + OWN : T;
  for (int j0 = (first > window ? first - window : 0) / TILE * TILE; j0 < end; j0 += TILE) {
    __syncthreads();
    load_tile(keys, k_head, kv_stride, j0, T);
    load_tile(values, v_head, kv_stride, j0, T);
    __syncthreads();
    for (int j = 0; j < TILE; j++) {
      bool seen = j0 + j <= i && j0 + j >= i - window && i < T;
      float s = dot(query, keys[j], part) * scale, dp = dot(own_dy, values[j], part);
      float ds = seen ? expf(s - log_sum) * (dp - along) * scale : 0;
      EACH_OWN(e) sum[e] += ds * keys[j][PLACE(e)];
    }
  }
  if (i < T) store_own(sum, dq + (start + i) * q_stride + h * D, part, 1);
}

// dk and dv, of all query heads that read the kv head: grid ceil(T / OWN) G B, 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention_grad_kv(int T, int H, int G, int window, float scale, int q_stride, int kv_stride, const act *q, const act *k,
                  const act *v, const act *dy, const float *lse, const float *delta, act *dk, act *dv) {
  __shared__ float queries[TILE][WIDTH], dys[TILE][WIDTH], log_sums[TILE], alongs[TILE];
  Place at = place_of_block(T, OWN, G, 0);
  int part = threadIdx.x % PARTS, first = at.tile * OWN, j = first + threadIdx.x / PARTS, g = at.head;
  long start = at.batch * T, own = (start + j) * kv_stride + g * D;
  float key[SHARE], value[SHARE], sum_k[SHARE], sum_v[SHARE];
  load_own(key, k + own, j < T, part);
  load_own(value, v + own, j < T, part);
  EACH_OWN(e) sum_k[e] = sum_v[e] = 0;
  // In long: a window may be as large as an int.
  int end = (long)first + OWN + window < T ? first + OWN + window : T;
  for (int h = g * (H / G); h < (g + 1) * (H / G); h++)
    for (int i0 = first / TILE * TILE; i0 < end; i0 += TILE) {
      __syncthreads();
      load_tile(queries, q + start * q_stride + h * D, q_stride, i0, T);
      load_tile(dys, dy + (start * H + h) * D, (long)H * D, i0, T);
      if (threadIdx.x < TILE && i0 + threadIdx.x < T) {
        log_sums[threadIdx.x] = lse[(start + i0 + threadIdx.x) * H + h];
        alongs[threadIdx.x] = delta[(start + i0 + threadIdx.x) * H + h];
      }
      __syncthreads();
      for (int n = 0; n < TILE; n++) {
        int i = i0 + n;
        bool seen = j <= i && j >= i - window && i < T;
        float s = dot(key, queries[n], part) * scale, dp = dot(value, dys[n], part);
        float p = seen ? expf(s - log_sums[n]) : 0, ds = seen ? p * (dp - alongs[n]) * scale : 0;
        EACH_OWN(e) {
          sum_v[e] += p * dys[n][PLACE(e)];
          sum_k[e] += ds * queries[n][PLACE(e)];
        }
      }
    }
  if (j >= T) return;
  store_own(sum_k, dk + own, part, 1);
  store_own(sum_v, dv + own, part, 1);
}
