// RMS norm of rows without a gain (Zhang & Sennrich 2019, equation 4) and its gradient, which needs the result only.
// N rows of C floats.
#include "pool.h"
#include "vector.h"

typedef struct {
  long C;
  float epsilon;
  const float *x, *y, *rstd, *dy;
  float *out, *out_rstd;
} Norm;

static void norm_rows(void *args, long from, long to) {
  Norm *p = args;
  long C = p->C;
  for (long n = from; n < to; n++) {
    const float *x = p->x + n * C;
    float *restrict y = p->out + n * C;
    float rstd = 1 / sqrtf(vdot(x, x, C) / (float)C + p->epsilon);
    for (long c = 0; c < C; c++) y[c] = x[c] * rstd;
    p->out_rstd[n] = rstd;
  }
}

// y = x rstd, rstd [N] = (mean(x^2) + epsilon)^-1/2
void tg_rms_norm(long N, long C, float epsilon, const float *x, float *y, float *rstd) {
  Norm p = {.C = C, .epsilon = epsilon, .x = x, .out = y, .out_rstd = rstd};
  pool_range(norm_rows, &p, N, grain_rows(C));
}

static void norm_grad_rows(void *args, long from, long to) {
  Norm *p = args;
  long C = p->C;
  for (long n = from; n < to; n++) {
    const float *y = p->y + n * C, *dy = p->dy + n * C;
    float *restrict dx = p->out + n * C;
    float rstd = p->rstd[n], along = vdot(dy, y, C) / (float)C;
    for (long c = 0; c < C; c++) dx[c] = rstd * (dy[c] - y[c] * along);
  }
}

// dx = rstd (dy - y mean(dy y))
void tg_rms_norm_grad(long N, long C, const float *y, const float *rstd, const float *dy, float *dx) {
  Norm p = {.C = C, .y = y, .rstd = rstd, .dy = dy, .out = dx};
  pool_range(norm_grad_rows, &p, N, grain_rows(C));
}
