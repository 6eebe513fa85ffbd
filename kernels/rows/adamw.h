// AdamW on n numbers in place (Loshchilov & Hutter 2019, algorithm 2).
#pragma once
#include "rows.h"

// keep = 1 - lr weightDecay, rate = lr / (1 - beta1^t), correction = 1 / (1 - beta2^t)
typedef struct {
  float keep, rate, beta1, beta2, correction, eps;
} AdamW;

ROW void adamw_row(long n, AdamW s, float_out param, float *m, float *v, const float *grad) {
  float b1 = 1 - s.beta1, b2 = 1 - s.beta2;
  EACH(i, n, {
    vf g = get(grad, i), m0 = get(m, i), v0 = get(v, i);
    vf m1 = m0 + b1 * (g - m0), v1 = v0 + b2 * (g * g - v0);
    put(m, i, m1);
    put(v, i, v1);
    put(param, i, s.keep * get(param, i) - s.rate * m1 / (vsqrt(v1 * s.correction) + s.eps));
  });
}
