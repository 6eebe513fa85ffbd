// RMS norm of rows without a gain and its gradient, which needs the result only (rows/norm.h). N rows of C floats.
#include "../rows/norm.h"
#include "pool.h"

typedef struct {
  long C;
  float epsilon;
  const float *x, *y, *rstd, *dy;
  float *out, *out_rstd;
} Norm;

static void norm_rows(void *args, long from, long to) {
  Norm p = *(Norm *)args;
  long C = p.C;
  for (long n = from; n < to; n++) rms_norm_row(C, p.epsilon, p.x + n * C, p.out + n * C, p.out_rstd + n);
}

// y = x rstd, rstd [N] = (mean(x^2) + epsilon)^-1/2
void tg_rms_norm(long N, long C, float epsilon, const float *x, float *y, float *rstd) {
  Norm p = {.C = C, .epsilon = epsilon, .x = x, .out = y, .out_rstd = rstd};
  pool_range(norm_rows, &p, N, grain_rows(C));
}

static void norm_grad_rows(void *args, long from, long to) {
  Norm p = *(Norm *)args;
  long C = p.C;
  for (long n = from; n < to; n++) rms_norm_grad_row(C, p.y + n * C, p.rstd[n], p.dy + n * C, p.out + n * C);
}

// dx = rstd (dy - y mean(dy y))
void tg_rms_norm_grad(long N, long C, const float *y, const float *rstd, const float *dy, float *dx) {
  Norm p = {.C = C, .y = y, .rstd = rstd, .dy = dy, .out = dx};
  pool_range(norm_grad_rows, &p, N, grain_rows(C));
}
