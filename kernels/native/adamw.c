// One AdamW step in place (Loshchilov & Hutter 2019, algorithm 2).
#include "pool.h"
#include "vector.h"

typedef struct {
  float keep, rate, beta1, beta2, correction, eps;
  float *param, *m, *v;
  const float *grad;
} AdamW;

static void adamw_piece(void *args, long from, long to) {
  AdamW *p = args;
  float *restrict param = p->param, *restrict m = p->m, *restrict v = p->v;
  const float *grad = p->grad;
  float keep = p->keep, rate = p->rate, b1 = 1 - p->beta1, b2 = 1 - p->beta2, correction = p->correction, eps = p->eps;
  for (long i = from; i < to; i++) {
    float g = grad[i];
    m[i] += b1 * (g - m[i]);
    v[i] += b2 * (g * g - v[i]);
    param[i] = keep * param[i] - rate * m[i] / (sqrtf(v[i] * correction) + eps);
  }
}

// keep = 1 - lr weightDecay, rate = lr / (1 - beta1^t), correction = 1 / (1 - beta2^t)
void tg_adamw(long n, float keep, float rate, float beta1, float beta2, float correction, float eps, float *param,
              float *m, float *v, const float *grad) {
  AdamW p = {keep, rate, beta1, beta2, correction, eps, param, m, v, grad};
  pool_range(adamw_piece, &p, n, 16384);
}
