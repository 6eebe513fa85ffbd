// Rotary position embedding, then the RMS norm of each head, and the gradient (rows/rotary.h). Row n is position n mod T.
// N rows of H heads of D floats; cos and sin [T, D/2].
#include "../rows/rotary.h"
#include "pool.h"

typedef struct {
  long T, H, D;
  float epsilon;
  const float *x, *y, *rstd, *dy, *cos, *sin;
  float *out, *out_rstd;
} Rotary;

static void rotary_rows(void *args, long from, long to) {
  Rotary p = *(Rotary *)args;
  long H = p.H, D = p.D, half = D / 2;
  for (long n = from; n < to; n++) {
    const float *cos = p.cos + n % p.T * half, *sin = p.sin + n % p.T * half;
    for (long r = n * H; r < (n + 1) * H; r++)
      rotary_row(D, p.epsilon, p.x + r * D, cos, sin, p.out + r * D, p.out_rstd + r);
  }
}

void tg_rotary(long N, long T, long H, long D, float epsilon, const float *x, const float *cos, const float *sin,
               float *y, float *rstd) {
  Rotary p = {.T = T, .H = H, .D = D, .epsilon = epsilon, .x = x, .cos = cos, .sin = sin, .out = y, .out_rstd = rstd};
  pool_range(rotary_rows, &p, N, grain_rows(H * D));
}

static void rotary_grad_rows(void *args, long from, long to) {
  Rotary p = *(Rotary *)args;
  long H = p.H, D = p.D, half = D / 2;
  for (long n = from; n < to; n++) {
    const float *cos = p.cos + n % p.T * half, *sin = p.sin + n % p.T * half;
    for (long r = n * H; r < (n + 1) * H; r++)
      rotary_grad_row(D, p.y + r * D, p.rstd[r], cos, sin, p.dy + r * D, p.out + r * D);
  }
}

void tg_rotary_grad(long N, long T, long H, long D, const float *y, const float *rstd, const float *cos,
                    const float *sin, const float *dy, float *dx) {
  Rotary p = {.T = T, .H = H, .D = D, .y = y, .rstd = rstd, .cos = cos, .sin = sin, .dy = dy, .out = dx};
  pool_range(rotary_grad_rows, &p, N, grain_rows(H * D));
}
