// Causal attention with a sliding window and grouped queries, and its gradient, in float32 on any chip: tiles of keys in
// shared memory, online softmax (Dao et al. 2022, algorithms 1 and 4). The reference for attention_mma.cu, and what chips
// without bfloat16 tensor cores run.
//
// T sequence, H query heads, G kv heads, D head width (a macro), q, y [N,H*D], k, v [N,G*D], lse, delta [N,H]. Query i sees
// the keys j with i - window <= j <= i. Four threads share a query (in attention_grad_kv a key) and hold a quarter of its
// numbers each: those at 16 c + 4 quarter + 0..3.
#include "rows.h"

// Queries, or keys, of a block; and keys, or queries, of a tile in shared memory.
#define OWN 32
#define TILE (D <= 128 ? 32 : 16)
// D padded to what four threads share, with zeros.
#define WIDTH ((D + 15) / 16 * 16)
#define SHARE (WIDTH / 4)
#define EACH_OWN(e) _Pragma("unroll") for (int e = 0; e < SHARE; e++)
// Where the e-th of this thread's numbers lies in a row.
#define PLACE(e) ((e) / 4 * 16 + quarter * 4 + (e) % 4)
#define ALONE __device__ __forceinline__ static

// This thread's numbers of a row; zeros where there is none.
ALONE void load_own(float *own, const act *row, bool present, int quarter) {
  EACH_OWN(e) own[e] = present && PLACE(e) < D ? number(row, PLACE(e)) : 0;
}
ALONE void store_own(const float *own, act *row, int quarter, float factor) {
  EACH_OWN(e) if (PLACE(e) < D) set_number(row, PLACE(e), own[e] * factor);
}
// Rows first .. first + TILE of one head, those beyond T as zeros.
ALONE void load_tile(float (*tile)[WIDTH], const act *rows, long stride, int first, int T) {
  for (int i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x) {
    int row = i / WIDTH, d = i % WIDTH;
    tile[row][d] = first + row < T && d < D ? number(rows + (first + row) * stride, d) : 0;
  }
}
// Over the four threads that share a row.
ALONE float over_four(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}
ALONE float dot(const float *own, const float *row, int quarter) {
  float sum = 0;
  EACH_OWN(e) sum += own[e] * row[PLACE(e)];
  return over_four(sum);
}

// Grid (ceil(T / 32), H, B), 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, act *y, float *lse) {
  __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
  int quarter = threadIdx.x % 4, first = blockIdx.x * OWN, i = first + threadIdx.x / 4, h = blockIdx.y, g = h / (H / G);
  long start = (long)blockIdx.z * T, row = (start + i) * H + h;
  const act *k_head = k + start * G * D + g * D, *v_head = v + start * G * D + g * D;
  float query[SHARE], sum[SHARE], top = -1e30f, total = 0;
  load_own(query, q + row * D, i < T, quarter);
  EACH_OWN(e) sum[e] = 0;
  int end = first + OWN < T ? first + OWN : T;
  for (int j0 = (first > window ? first - window : 0) / TILE * TILE; j0 < end; j0 += TILE) {
    __syncthreads();
    load_tile(keys, k_head, (long)G * D, j0, T);
    load_tile(values, v_head, (long)G * D, j0, T);
    __syncthreads();
    float scores[TILE], most = top;
#pragma unroll
    for (int j = 0; j < TILE; j++) {
      bool seen = j0 + j <= i && j0 + j >= i - window;
      float s = dot(query, keys[j], quarter) * scale;
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
  store_own(sum, y + row * D, quarter, 1 / total);
  if (quarter == 0) lse[row] = top + logf(total);
}

// delta = dy . y by head; a team a row of the N * H.
extern "C" __global__ void attention_delta(int N, int H, const act *y, const act *dy, float *delta) {
  EACH_ROW(r, (long)N * H) {
    float sum = row_dot(y + r * D, dy + r * D, D);
    ONCE(delta[r] = sum);
  }
}

// dq: grid (ceil(T / 32), H, B), 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention_grad_q(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, const act *dy,
                 const float *lse, const float *delta, act *dq) {
  __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
  int quarter = threadIdx.x % 4, first = blockIdx.x * OWN, i = first + threadIdx.x / 4, h = blockIdx.y, g = h / (H / G);
  long start = (long)blockIdx.z * T, row = (start + i) * H + h;
  const act *k_head = k + start * G * D + g * D, *v_head = v + start * G * D + g * D;
  float query[SHARE], slope[SHARE], sum[SHARE];
  load_own(query, q + row * D, i < T, quarter);
  load_own(slope, dy + row * D, i < T, quarter);
  EACH_OWN(e) sum[e] = 0;
  float log_sum = i < T ? lse[row] : 0, along = i < T ? delta[row] : 0;
  int end = first + OWN < T ? first + OWN : T;
  for (int j0 = (first > window ? first - window : 0) / TILE * TILE; j0 < end; j0 += TILE) {
    __syncthreads();
    load_tile(keys, k_head, (long)G * D, j0, T);
    load_tile(values, v_head, (long)G * D, j0, T);
    __syncthreads();
    for (int j = 0; j < TILE; j++) {
      bool seen = j0 + j <= i && j0 + j >= i - window && i < T;
      float s = dot(query, keys[j], quarter) * scale, dp = dot(slope, values[j], quarter);
      float ds = seen ? expf(s - log_sum) * (dp - along) * scale : 0;
      EACH_OWN(e) sum[e] += ds * keys[j][PLACE(e)];
    }
  }
  if (i < T) store_own(sum, dq + row * D, quarter, 1);
}

// dk and dv, of all query heads that read the kv head: grid (ceil(T / 32), G, B), 128 threads.
extern "C" __global__ void __launch_bounds__(128)
attention_grad_kv(int T, int H, int G, int window, float scale, const act *q, const act *k, const act *v, const act *dy,
                  const float *lse, const float *delta, act *dk, act *dv) {
  __shared__ float queries[TILE][WIDTH], slopes[TILE][WIDTH], log_sums[TILE], alongs[TILE];
  int quarter = threadIdx.x % 4, first = blockIdx.x * OWN, j = first + threadIdx.x / 4, g = blockIdx.y;
  long start = (long)blockIdx.z * T, row = (start + j) * G + g;
  float key[SHARE], value[SHARE], sum_k[SHARE], sum_v[SHARE];
  load_own(key, k + row * D, j < T, quarter);
  load_own(value, v + row * D, j < T, quarter);
  EACH_OWN(e) sum_k[e] = sum_v[e] = 0;
  // In long: a window may be as large as an int.
  int end = (long)first + OWN + window < T ? first + OWN + window : T;
  for (int h = g * (H / G); h < (g + 1) * (H / G); h++)
    for (int i0 = first / TILE * TILE; i0 < end; i0 += TILE) {
      __syncthreads();
      load_tile(queries, q + (start * H + h) * D, (long)H * D, i0, T);
      load_tile(slopes, dy + (start * H + h) * D, (long)H * D, i0, T);
      if (threadIdx.x < TILE && i0 + threadIdx.x < T) {
        log_sums[threadIdx.x] = lse[(start + i0 + threadIdx.x) * H + h];
        alongs[threadIdx.x] = delta[(start + i0 + threadIdx.x) * H + h];
      }
      __syncthreads();
      for (int n = 0; n < TILE; n++) {
        int i = i0 + n;
        bool seen = j <= i && j >= i - window && i < T;
        float s = dot(key, queries[n], quarter) * scale, dp = dot(value, slopes[n], quarter);
        float p = seen ? expf(s - log_sums[n]) : 0, ds = seen ? p * (dp - alongs[n]) * scale : 0;
        EACH_OWN(e) {
          sum_v[e] += p * slopes[n][PLACE(e)];
          sum_k[e] += ds * queries[n][PLACE(e)];
        }
      }
    }
  if (j >= T) return;
  store_own(sum_k, dk + row * D, quarter, 1);
  store_own(sum_v, dv + row * D, quarter, 1);
}
