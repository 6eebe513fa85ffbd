// Elementwise operations on rows, or pieces, of n numbers.
#pragma once
#include "rows.h"

// max(x, 0)^2. NaN propagates: 0 is the result only where it is larger.
ROW void relu_squared_row(long n, const act *x, act *y) {
  EACH(i, n, {
    vf positive = vmax(vset(0), get(x, i));
    put(y, i, positive * positive);
  });
}

// dx = 2 sqrt(y) dy
ROW void relu_squared_grad_row(long n, const act *y, const act *dy, act *dx) {
  EACH(i, n, put(dx, i, 2.0f * vsqrt(get(y, i)) * get(dy, i)));
}

// y = a x + b x0
ROW void residual_mix_row(long n, float a, float b, const float *x, const float *x0, float *y) {
  EACH(i, n, put(y, i, a * get(x, i) + b * get(x0, i)));
}

// dx = a dy, dx0 = b dy; sums: this piece's dy . x and dy . x0. The norm that follows takes most of this gradient away:
// what is left is small against its terms, and AdamW divides by its size. Hence double precision.
ROW void residual_mix_grad_row(long n, float a, float b, const float *x, const float *x0, const float *dy,
                               float_out dx, float_out dx0, double *sums) {
  EACH(i, n, {
    vf g = get(dy, i);
    put(dx, i, a * g);
    put(dx0, i, b * g);
  });
  double along = row_dot_double(x, dy, n), along0 = row_dot_double(x0, dy, n);
  ONCE(sums[0] = along; sums[1] = along0);
}

ROW void copy_row(long n, const float *from, act *to) { EACH(i, n, put(to, i, get(from, i))); }
