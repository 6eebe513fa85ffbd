// RMS norm of rows without a gain and its gradient, which needs the result only (rows/norm.h). N rows of C floats.
#include "../rows/norm.h"
#include "cells.h"
#include "pool.h"

typedef struct {
  long C;
  float epsilon;
  Cells y, dy;
  const float *x, *rstd;
  float *out, *out_rstd;
} Norm;

static void norm_rows(void *args, long from, long to) {
  Norm p = *(Norm *)args;
  long C = p.C;
  float room[p.y.is_bf16 ? C : 1];
  for (long n = from; n < to; n++) {
    rms_norm_row(C, p.epsilon, p.x + n * C, write_cells(p.y, n * C, room), p.out_rstd + n);
    wrote_cells(p.y, n * C, C, room);
  }
}

// y* = x rstd, rstd [N] = (mean(x^2) + epsilon)^-1/2
void tg_rms_norm(int bf16_mask, long N, long C, float epsilon, const float *x, void *y, float *rstd) {
  Norm p = {.C = C, .epsilon = epsilon, .x = x, .y = CELLS(y, bf16_mask, 0), .out_rstd = rstd};
  pool_range(norm_rows, &p, N, grain_rows(C));
}

static void norm_grad_rows(void *args, long from, long to) {
  Norm p = *(Norm *)args;
  long C = p.C;
  float y[p.y.is_bf16 ? C : 1], dy[p.dy.is_bf16 ? C : 1];
  for (long n = from; n < to; n++)
    rms_norm_grad_row(C, read_cells(p.y, n * C, C, y), p.rstd[n], read_cells(p.dy, n * C, C, dy), p.out + n * C);
}

// dx = rstd (dy - y mean(dy y)) of y* and dy*
void tg_rms_norm_grad(int bf16_mask, long N, long C, const void *y, const float *rstd, const void *dy, float *dx) {
  Norm p = {.C = C, .y = CELLS(y, bf16_mask, 0), .rstd = rstd, .dy = CELLS(dy, bf16_mask, 1), .out = dx};
  pool_range(norm_grad_rows, &p, N, grain_rows(C));
}
