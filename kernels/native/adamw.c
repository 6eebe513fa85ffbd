// One AdamW step in place (rows/adamw.h).
#include "../rows/adamw.h"
#include "kept.h"
#include "pool.h"

typedef struct {
  AdamW settings;
  float *param, *m, *v;
  const float *grad;
} Step;

static void adamw_piece(void *args, long from, long to) {
  Step *p = args;
  adamw_row(to - from, p->settings, p->param + from, p->m + from, p->v + from, p->grad + from);
}

// keep = 1 - lr weightDecay, rate = lr / (1 - beta1^t), correction = 1 / (1 - beta2^t)
void tg_adamw(long n, float keep, float rate, float beta1, float beta2, float correction, float eps, float *param,
              float *m, float *v, const float *grad) {
  kept_changed();
  Step p = {{keep, rate, beta1, beta2, correction, eps}, param, m, v, grad};
  pool_range(adamw_piece, &p, n, 16384);
}
