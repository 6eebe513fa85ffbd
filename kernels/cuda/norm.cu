// RMS norm of rows and its gradient (rows/norm.h). One team per row.
#include "norm.h"

// x [N,C] float32, y [N,C]; rstd [N]
KERNEL rms_norm(int N, int C, float epsilon, const float *x, act *y, float *rstd) {
  EACH_ROW(n, N) rms_norm_row(C, epsilon, x + n * C, y + n * C, rstd + n);
}

// dx [N,C] float32 = the gradient + sum, where sum is not null; rounded, where it is not null: dx in bfloat16.
KERNEL rms_norm_grad(int N, int C, const act *y, const float *rstd, const act *dy, const float *sum, float *dx,
                     bf16 *rounded) {
  float_out out = {dx, rounded, sum};
  EACH_ROW(n, N) rms_norm_grad_row(C, y + n * C, rstd[n], dy + n * C, out + n * C);
}
