// Rows of a table by id, and the scatter of their gradients. The scatter first sorts the tokens by id, stably, so
// that each row of the table adds its tokens' gradients in a fixed order: ids_count, ids_prefix, ids_starts and
// ids_place make `order`, which serves every table that is indexed by the same ids; embedding_grad then sums. Ids
// outside [0, V) read NaN and scatter nothing. N ids, V rows of W numbers.
#include "rows.h"
#include "table.h"

// Tokens whose ids one block counts.
#define CHUNK 1024
// Sums a row of the table is split into.
#define PARTS 8

// A team a token.
KERNEL embedding(int N, int V, int W, const float *table, const int *ids, act *y) {
  EACH_ROW(n, N) {
    bool known = is_known(ids, V, n);
    const float *from = table + row_of(ids, V, n) * W;
    EACH(c, W, put(y + n * W, c, known ? get(from, c) : vset(NOT_A_NUMBER)));
  }
}

// A block a chunk of CHUNK tokens: counts [chunks,V]
KERNEL ids_count(int N, int V, const int *ids, int *counts) {
  int *own = counts + (long)blockIdx.x * V;
  for (int v = threadIdx.x; v < V; v += blockDim.x) own[v] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < CHUNK; i += blockDim.x) {
    long n = (long)blockIdx.x * CHUNK + i;
    // Whole numbers add up to the same in any order.
    if (n < N && ids[n] >= 0 && ids[n] < V) atomicAdd(own + ids[n], 1);
  }
}

// A thread an id: counts become the number in earlier chunks, starts[v] the number in all.
KERNEL ids_prefix(int chunks, int V, int *counts, int *starts) {
  int v = blockIdx.x * blockDim.x + threadIdx.x;
  if (v >= V) return;
  int sum = 0;
  for (int i = 0; i < chunks; i++) {
    int count = counts[(long)i * V + v];
    counts[(long)i * V + v] = sum;
    sum += count;
  }
  starts[v] = sum;
}

// One block of 1024 threads: starts [V+1], the counts of all ids, become the number of tokens with a smaller id.
extern "C" __global__ void __launch_bounds__(1024)
ids_starts(int V, int *starts) {
  __shared__ int sums[1024];
  int share = (V + 1023) / 1024, from = threadIdx.x * share, to = from + share < V ? from + share : V, own = 0;
  for (int v = from; v < to; v++) own += starts[v];
  sums[threadIdx.x] = own;
  for (int step = 1; step < 1024; step *= 2) {
    __syncthreads();
    int before = threadIdx.x >= step ? sums[threadIdx.x - step] : 0;
    __syncthreads();
    sums[threadIdx.x] += before;
  }
  int sum = sums[threadIdx.x] - own;
  for (int v = from; v < to; v++) {
    int count = starts[v];
    starts[v] = sum;
    sum += count;
  }
  if (threadIdx.x == 1023) starts[V] = sums[1023];
}

// A block of CHUNK threads a chunk: order [N], the tokens by id, those of one id in their own order.
extern "C" __global__ void __launch_bounds__(1024)
ids_place(int N, int V, const int *ids, const int *counts, const int *starts, int *order) {
  __shared__ int list[CHUNK];
  long n = (long)blockIdx.x * CHUNK + threadIdx.x;
  int id = n < N ? ids[n] : -1;
  list[threadIdx.x] = id;
  __syncthreads();
  if (id < 0 || id >= V) return;
  int rank = 0;
  for (int i = 0; i < threadIdx.x; i++) rank += list[i] == id;
  order[starts[id] + counts[(long)blockIdx.x * V + id] + rank] = (int)n;
}

// A block of PARTS warps 32 * VL columns of a row of dtable [V,W]: grid (V, ceil(W / (32 VL))), TEAM 32. The sum of every
// eighth token, then those sums in order.
KERNEL embedding_grad(int V, int W, const int *starts, const int *order, const act *dy,
                                          float *dtable) {
  __shared__ float sums[PARTS][32 * VL];
  int part = threadIdx.x / 32, lane = threadIdx.x % 32, from = starts[blockIdx.x], to = starts[blockIdx.x + 1];
  long c = (long)blockIdx.y * 32 * VL + lane * VL;
  vf sum = vset(0);
  if (c < W)
    for (int i = from + part; i < to; i += PARTS) sum = sum + get(dy + (long)order[i] * W, c);
  for (int j = 0; j < VL; j++) sums[part][lane * VL + j] = sum.s[j];
  __syncthreads();
  if (part > 0 || c >= W) return;
  for (int p = 1; p < PARTS && p < to - from; p++)
    for (int j = 0; j < VL; j++) sum.s[j] += sums[p][lane * VL + j];
  put(dtable + (long)blockIdx.x * W, c, sum);
}
