// RMS norm of rows and its gradient (rows/norm.h). A team a row.
#include "norm.h"

// x, y [N,C]; rstd [N]
KERNEL rms_norm(int N, int C, float epsilon, const act *x, act *y, float *rstd) {
  EACH_ROW(n, N) rms_norm_row(C, epsilon, x + n * C, y + n * C, rstd + n);
}

KERNEL rms_norm_grad(int N, int C, const act *y, const float *rstd, const act *dy, act *dx) {
  EACH_ROW(n, N) rms_norm_grad_row(C, y + n * C, rstd[n], dy + n * C, dx + n * C);
}
