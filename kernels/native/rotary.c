// Rotary position embedding, then the RMS norm of each head. Row n is position n mod T; a head's pairs are (x1, x2), x1
// in its first half and x2 in its second: z1 = x1 cos + x2 sin, z2 = x2 cos - x1 sin, y = z rstd. N rows of H heads of
// D floats; cos and sin [T, D/2].
#include "pool.h"
#include "vector.h"

typedef struct {
  long T, H, D;
  float epsilon;
  const float *x, *y, *rstd, *dy, *cos, *sin;
  float *out, *out_rstd;
} Rotary;

static void rotary_rows(void *args, long from, long to) {
  Rotary *p = args;
  long H = p->H, D = p->D, half = D / 2;
  for (long n = from; n < to; n++) {
    const float *cos = p->cos + n % p->T * half, *sin = p->sin + n % p->T * half;
    for (long h = 0; h < H; h++) {
      const float *x1 = p->x + (n * H + h) * D, *x2 = x1 + half;
      float *z1 = p->out + (n * H + h) * D, *z2 = z1 + half;
      long i = 0;
      for (; i + VL <= half; i += VL) {
        vf a = vload(x1 + i), b = vload(x2 + i), c = vload(cos + i), s = vload(sin + i);
        vstore(z1 + i, a * c + b * s);
        vstore(z2 + i, b * c - a * s);
      }
      for (; i < half; i++) {
        z1[i] = x1[i] * cos[i] + x2[i] * sin[i];
        z2[i] = x2[i] * cos[i] - x1[i] * sin[i];
      }
      float rstd = 1 / sqrtf(vdot(z1, z1, D) / (float)D + p->epsilon);
      for (i = 0; i + VL <= D; i += VL) vstore(z1 + i, vload(z1 + i) * rstd);
      for (; i < D; i++) z1[i] *= rstd;
      p->out_rstd[n * H + h] = rstd;
    }
  }
}

void tg_rotary(long N, long T, long H, long D, float epsilon, const float *x, const float *cos, const float *sin,
               float *y, float *rstd) {
  Rotary p = {.T = T, .H = H, .D = D, .epsilon = epsilon, .x = x, .cos = cos, .sin = sin, .out = y, .out_rstd = rstd};
  pool_range(rotary_rows, &p, N, grain_rows(H * D));
}

// dz = rstd (dy - y mean(dy y)), turned back.
static void rotary_grad_rows(void *args, long from, long to) {
  Rotary *p = args;
  long H = p->H, D = p->D, half = D / 2;
  for (long n = from; n < to; n++) {
    const float *cos = p->cos + n % p->T * half, *sin = p->sin + n % p->T * half;
    for (long h = 0; h < H; h++) {
      const float *y1 = p->y + (n * H + h) * D, *y2 = y1 + half;
      const float *g1 = p->dy + (n * H + h) * D, *g2 = g1 + half;
      float *x1 = p->out + (n * H + h) * D, *x2 = x1 + half;
      float rstd = p->rstd[n * H + h], along = vdot(g1, y1, D) / (float)D;
      long i = 0;
      for (; i + VL <= half; i += VL) {
        vf z1 = rstd * (vload(g1 + i) - vload(y1 + i) * along), z2 = rstd * (vload(g2 + i) - vload(y2 + i) * along);
        vf c = vload(cos + i), s = vload(sin + i);
        vstore(x1 + i, z1 * c - z2 * s);
        vstore(x2 + i, z1 * s + z2 * c);
      }
      for (; i < half; i++) {
        float z1 = rstd * (g1[i] - y1[i] * along), z2 = rstd * (g2[i] - y2[i] * along);
        x1[i] = z1 * cos[i] - z2 * sin[i];
        x2[i] = z1 * sin[i] + z2 * cos[i];
      }
    }
  }
}

void tg_rotary_grad(long N, long T, long H, long D, const float *y, const float *rstd, const float *cos,
                    const float *sin, const float *dy, float *dx) {
  Rotary p = {.T = T, .H = H, .D = D, .y = y, .rstd = rstd, .cos = cos, .sin = sin, .dy = dy, .out = dx};
  pool_range(rotary_grad_rows, &p, N, grain_rows(H * D));
}
