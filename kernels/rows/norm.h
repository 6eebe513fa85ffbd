// RMS norm of a row of C numbers without a gain (Zhang & Sennrich 2019, equation 4), and its gradient from the result.
#pragma once
#include "rows.h"

// y = x rstd, rstd = (mean(x^2) + epsilon)^-1/2
ROW void rms_norm_row(long C, float epsilon, const float *x, act *y, float *rstd) {
  float scale = 1 / sqrtf(row_dot(x, x, C) / (float)C + epsilon);
  EACH(c, C, put(y, c, get(x, c) * scale));
  ONCE(*rstd = scale);
}

// m = a x + b x0, y = m rstd
ROW void mix_norm_row(long C, float a, float b, float epsilon, const float *x, const float *x0, float *m, act *y, float *rstd) {
  vf squares = vset(0);
  EACH(c, C, {
    vf v = a * get(x, c) + b * get(x0, c);
    put(m, c, v);
    squares = squares + v * v;
  });
  float scale = 1 / sqrtf(row_sum(squares) / (float)C + epsilon);
  EACH(c, C, put(y, c, get(m, c) * scale));
  ONCE(*rstd = scale);
}

// dx = rstd (dy - y mean(dy y))
ROW void rms_norm_grad_row(long C, const act *y, float rstd, const act *dy, float_out dx) {
  float along = row_dot(dy, y, C) / (float)C;
  EACH(c, C, put(dx, c, rstd * (get(dy, c) - get(y, c) * along)));
}
