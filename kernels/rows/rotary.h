// Rotary position embedding of one head, D numbers, then its RMS norm. Pairs are (x1, x2), x1 in the first half and x2 in
// the second: z1 = x1 cos + x2 sin, z2 = x2 cos - x1 sin, y = z rstd. cos and sin are the position's, D/2 numbers.
#pragma once
#include "rows.h"

ROW void rotary_row(long D, float epsilon, const act *x, const float *cos, const float *sin, act *y, float *rstd) {
  long half = D / 2;
  vf squares = vset(0);
  EACH(i, half, {
    vf a = get(x, i), b = get(x + half, i), c = get(cos, i), s = get(sin, i);
    vf z1 = a * c + b * s, z2 = b * c - a * s;
    squares = squares + z1 * z1 + z2 * z2;
  });
  float scale = 1 / sqrtf(row_sum(squares) / (float)D + epsilon);
  EACH(i, half, {
    vf a = get(x, i), b = get(x + half, i), c = get(cos, i), s = get(sin, i);
    put(y, i, (a * c + b * s) * scale);
    put(y + half, i, (b * c - a * s) * scale);
  });
  ONCE(*rstd = scale);
}

// dz = rstd (dy - y mean(dy y)), turned back.
ROW void rotary_grad_row(long D, const act *y, float rstd, const float *cos, const float *sin, const act *dy, act *dx) {
  long half = D / 2;
  float along = row_dot(dy, y, D) / (float)D;
  // dx may be dy, which others of the team have read.
  TEAM_SYNC();
  EACH(i, half, {
    vf z1 = rstd * (get(dy, i) - get(y, i) * along);
    vf z2 = rstd * (get(dy + half, i) - get(y + half, i) * along);
    vf c = get(cos, i), s = get(sin, i);
    put(dx, i, z1 * c - z2 * s);
    put(dx + half, i, z1 * s + z2 * c);
  });
}
