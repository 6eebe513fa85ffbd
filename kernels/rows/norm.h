// RMS norm of a row of C numbers without a gain (Zhang & Sennrich 2019, equation 4), and its gradient from the result.
#pragma once
#include "rows.h"

// y = x rstd, rstd = (mean(x^2) + epsilon)^-1/2
ROW void rms_norm_row(long C, float epsilon, const float *x, act *y, float *rstd) {
  float scale = 1 / sqrtf(row_dot(x, x, C) / (float)C + epsilon);
  EACH(c, C, put(y, c, get(x, c) * scale));
  ONCE(*rstd = scale);
}

// dx = rstd (dy - y mean(dy y))
ROW void rms_norm_grad_row(long C, const act *y, float rstd, const act *dy, float_out dx) {
  float along = row_dot(dy, y, C) / (float)C;
  EACH(c, C, put(dx, c, rstd * (get(dy, c) - get(y, c) * along)));
}
