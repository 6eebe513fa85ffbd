// Rotary position embedding, then the RMS norm of each head, and the gradient (rows/rotary.h). Row n is position n mod T.
// N rows of H heads of D floats; cos and sin [T, D/2].
#include "../rows/rotary.h"
#include "cells.h"
#include "pool.h"

typedef struct {
  long T, H, D;
  float epsilon;
  Cells x, y, out;
  const float *rstd, *dy, *cos, *sin;
  float *out_rstd;
} Rotary;

static void rotary_rows(void *args, long from, long to) {
  Rotary p = *(Rotary *)args;
  long H = p.H, D = p.D, half = D / 2;
  float from_room[p.x.is_bf16 ? H * D : 1], to_room[p.out.is_bf16 ? H * D : 1];
  for (long n = from; n < to; n++) {
    const float *cos = p.cos + n % p.T * half, *sin = p.sin + n % p.T * half;
    const float *x = read_cells(p.x, n * H * D, H * D, from_room);
    float *y = write_cells(p.out, n * H * D, to_room);
    for (long h = 0; h < H; h++)
      rotary_row(D, p.epsilon, x + h * D, cos, sin, y + h * D, p.out_rstd + n * H + h);
    wrote_cells(p.out, n * H * D, H * D, to_room);
  }
}

// x*, y*
void tg_rotary(int bf16_mask, long N, long T, long H, long D, float epsilon, const void *x, const float *cos,
               const float *sin, void *y, float *rstd) {
  Rotary p = {.T = T, .H = H, .D = D, .epsilon = epsilon, .cos = cos, .sin = sin, .out_rstd = rstd};
  p.x = CELLS(x, bf16_mask, 0);
  p.out = CELLS(y, bf16_mask, 1);
  pool_range(rotary_rows, &p, N, grain_rows(H * D));
}

static void rotary_grad_rows(void *args, long from, long to) {
  Rotary p = *(Rotary *)args;
  long H = p.H, D = p.D, half = D / 2;
  float from_room[p.y.is_bf16 ? H * D : 1], to_room[p.out.is_bf16 ? H * D : 1];
  for (long n = from; n < to; n++) {
    const float *cos = p.cos + n % p.T * half, *sin = p.sin + n % p.T * half;
    const float *y = read_cells(p.y, n * H * D, H * D, from_room);
    float *dx = write_cells(p.out, n * H * D, to_room);
    for (long h = 0; h < H; h++)
      rotary_grad_row(D, y + h * D, p.rstd[n * H + h], cos, sin, p.dy + (n * H + h) * D, dx + h * D);
    wrote_cells(p.out, n * H * D, H * D, to_room);
  }
}

// y*, dx*
void tg_rotary_grad(int bf16_mask, long N, long T, long H, long D, const void *y, const float *rstd, const float *cos,
                    const float *sin, const float *dy, void *dx) {
  Rotary p = {.T = T, .H = H, .D = D, .rstd = rstd, .cos = cos, .sin = sin, .dy = dy};
  p.y = CELLS(y, bf16_mask, 0);
  p.out = CELLS(dx, bf16_mask, 1);
  pool_range(rotary_grad_rows, &p, N, grain_rows(H * D));
}
