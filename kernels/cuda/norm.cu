// RMS norm of rows and its gradient (rows/norm.h), also of the mix of the residual stream with the first embedding. One team per
// row.
#include "norm.h"
#include "table.h"

// x [N,C] float32, y [N,C]; rstd [N]
KERNEL rms_norm(int N, int C, float epsilon, const float *x, act *y, float *rstd) {
  EACH_ROW(n, N) rms_norm_row(C, epsilon, x + n * C, y + n * C, rstd + n);
}

// dx [N,C] float32 = the gradient + sum, where sum is not null; rounded, where it is not null: dx in bfloat16. Rows of y and rstd
// may be those of tables by id (table.h).
KERNEL rms_norm_grad(int N, int C, const act *y, const float *rstd, const int *ids, int V, const act *dy, const float *sum,
                     float *dx, bf16 *rounded) {
  float_out out = {dx, rounded, sum};
  EACH_ROW(n, N) {
    long row = row_of(ids, V, n);
    float scale = is_known(ids, V, n) ? rstd[row] : NOT_A_NUMBER;
    rms_norm_grad_row(C, y + row * C, scale, dy + n * C, out + n * C);
  }
}

// mixed = resid[layer] x + first[layer] x0 [N,C] float32, and its norm as above. Rows of x0 may be those of a table by id; where
// x is null, it is x0.
KERNEL mix_norm(int N, int C, int layer, float epsilon, const float *x, const float *x0, const int *ids, int V,
                const float *resid, const float *first, float *mixed, act *y, float *rstd) {
  EACH_ROW(n, N) {
    const float *start = x0 + row_of(ids, V, n) * C;
    float b = is_known(ids, V, n) ? first[layer] : NOT_A_NUMBER;
    mix_norm_row(C, resid[layer], b, epsilon, x ? x + n * C : start, start, mixed + n * C, y + n * C, rstd + n);
  }
}

// With g = dmixed + the gradient of the norm: dx = resid[layer] g, with its copy `rounded` in bfloat16 where that is not null;
// dx0 = first[layer] g, to which sum0 is added where that is not null, and which may be sum0. sums [blocks,2]: g . x and g . x0 of
// the block's rows, which residual_mix_sums adds. The norm takes most of this gradient away: what is left is small against its
// terms, and AdamW divides by its size. Hence double precision. x and x0 as of mix_norm; what is not known has made y such.
KERNEL mix_norm_grad(int N, int C, int layer, const float *x, const float *x0, const int *ids, int V, const float *resid,
                     const float *first, const act *y, const float *rstd, const float *dmixed, const act *dy,
                     const float *sum0, float *dx, bf16 *rounded, float *dx0, double *sums) {
  float a = resid[layer], b = first[layer];
  double along[2] = {0, 0};
  EACH_ROW(n, N) {
    float mean = row_dot(dy + n * C, y + n * C, C) / (float)C, scale = rstd[n];
    float_out out = {dx, rounded}, out0 = {dx0, 0, sum0};
    const float *start = x0 + row_of(ids, V, n) * C, *before = x ? x + n * C : start;
    EACH(c, C, {
      long i = n * C + c;
      vf g = get(dmixed, i) + scale * (get(dy, i) - get(y, i) * mean), from = get(before, c), first = get(start, c);
      put(out, i, a * g);
      put(out0, i, b * g);
      for (int j = 0; j < VL; j++) {
        along[0] += (double)g.s[j] * (double)from.s[j];
        along[1] += (double)g.s[j] * (double)first.s[j];
      }
    });
  }
  __shared__ double warps[2][32];
  // Teams of a warp may have had different numbers of rows.
  __syncthreads();
  for (int k = 0; k < 2; k++) {
    for (int i = 16; i > 0; i /= 2) along[k] += __shfl_xor_sync(0xffffffffu, along[k], i);
    if (threadIdx.x % 32 == 0) warps[k][threadIdx.x / 32] = along[k];
  }
  __syncthreads();
  if (threadIdx.x >= 2) return;
  double sum = 0;
  for (int i = 0; i < blockDim.x / 32; i++) sum += warps[threadIdx.x][i];
  sums[2 * (long)blockIdx.x + threadIdx.x] = sum;
}
