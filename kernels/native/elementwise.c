// Elementwise operations on n floats, and the mix of the residual stream with the first embedding (rows/elementwise.h).
#include "../rows/elementwise.h"
#include "cells.h"
#include "pool.h"

// Floats of one task, and of one partial sum.
#define PIECE 16384
// Numbers widened at a time.
#define SPAN 512
// At most SPAN numbers from `from` on, one span after the other.
#define EACH_SPAN(i, n, from, to) for (long i = from, n; n = MIN(SPAN, (to) - i), n > 0; i += SPAN)

typedef struct {
  int op;
  Cells a, b, out;
} Binary;

#define ALL(expression) \
  for (long i = from; i < to; i++) out[i] = expression

static void binary_span(int op, long to, const float *a, const float *b, float *restrict out) {
  const long from = 0;
  switch (op) {
    case 0: ALL(a[i] + b[i]); break;
    case 1: ALL(a[i] - b[i]); break;
    case 2: ALL(a[i] * b[i]); break;
    case 3: ALL(a[i] / b[i]); break;
  }
}

static void binary_piece(void *args, long from, long to) {
  Binary *p = args;
  float *out = p->out.at, a[SPAN], b[SPAN];
  if (!p->a.is_bf16 && !p->b.is_bf16) {
    binary_span(p->op, to - from, (float *)p->a.at + from, (float *)p->b.at + from, out + from);
    return;
  }
  EACH_SPAN(i, n, from, to) binary_span(p->op, n, read_cells(p->a, i, n, a), read_cells(p->b, i, n, b), out + i);
}

// op 0 to 3: a + b, a - b, a * b, a / b of a* and b*
void tg_binary(int bf16_mask, int op, long n, const void *a, const void *b, float *out) {
  Binary p = {op, CELLS(a, bf16_mask, 0), CELLS(b, bf16_mask, 1), CELLS(out, 0, 0)};
  pool_range(binary_piece, &p, n, PIECE);
}

typedef struct {
  float factor, offset;
  const float *x;
  float *out;
} Affine;

static void widen_piece(void *args, long from, long to) {
  Binary *p = args;
  widen((const bf16 *)p->a.at + from, to - from, (float *)p->out.at + from);
}

// bfloat16 -> floats
void tg_widen(long n, const void *x, float *y) {
  Binary p = {.a = CELLS(x, 1, 0), .out = CELLS(y, 0, 0)};
  pool_range(widen_piece, &p, n, PIECE);
}

static void accumulate_piece(void *args, long from, long to) {
  Affine *p = args;
  const float *x = p->x;
  float *restrict out = p->out, factor = p->factor;
  ALL((out[i] + x[i]) * factor);
}

// sum = (sum + x) * factor
void tg_accumulate(long n, float factor, const float *x, float *sum) {
  Affine p = {.factor = factor, .x = x, .out = sum};
  pool_range(accumulate_piece, &p, n, PIECE);
}

static void affine_piece(void *args, long from, long to) {
  Affine *p = args;
  const float *x = p->x;
  float *restrict out = p->out, factor = p->factor, offset = p->offset;
  if (offset == 0) ALL(factor * x[i]);
  else if (factor == 1) ALL(x[i] + offset);
  else ALL(factor * x[i] + offset);
}

// factor * x + offset
void tg_affine(long n, float factor, float offset, const float *x, float *out) {
  Affine p = {factor, offset, x, out};
  pool_range(affine_piece, &p, n, PIECE);
}

static void tanh_piece(void *args, long from, long to) {
  Affine *p = args;
  long i = from;
  for (; i + VL <= to; i += VL) vstore(p->out + i, vtanh(vload(p->x + i)));
  if (i < to) vstore_part(p->out + i, vtanh(vload_part(p->x + i, to - i)), to - i);
}

void tg_tanh(long n, const float *x, float *out) {
  Affine p = {.x = x, .out = out};
  pool_range(tanh_piece, &p, n, PIECE);
}

static void relu_squared_piece(void *args, long from, long to) {
  Binary *p = args;
  float x[SPAN], y[SPAN];
  EACH_SPAN(i, n, from, to) {
    relu_squared_row(n, read_cells(p->a, i, n, x), write_cells(p->out, i, y));
    wrote_cells(p->out, i, n, y);
  }
}

// y* = max(x, 0)^2 of x*
void tg_relu_squared(int bf16_mask, long n, const void *x, void *y) {
  Binary p = {.a = CELLS(x, bf16_mask, 0), .out = CELLS(y, bf16_mask, 1)};
  pool_range(relu_squared_piece, &p, n, PIECE);
}

static void relu_squared_grad_piece(void *args, long from, long to) {
  Binary *p = args;
  float y[SPAN], dy[SPAN], dx[SPAN];
  EACH_SPAN(i, n, from, to) {
    relu_squared_grad_row(n, read_cells(p->a, i, n, y), read_cells(p->b, i, n, dy), write_cells(p->out, i, dx));
    wrote_cells(p->out, i, n, dx);
  }
}

// dx* = 2 sqrt(y) dy of y* and dy*
void tg_relu_squared_grad(int bf16_mask, long n, const void *y, const void *dy, void *dx) {
  Binary p = {0, CELLS(y, bf16_mask, 0), CELLS(dy, bf16_mask, 1), CELLS(dx, bf16_mask, 2)};
  pool_range(relu_squared_grad_piece, &p, n, PIECE);
}

typedef struct {
  float a, b;
  const float *x, *x0, *dy;
  float *y, *dx, *dx0;
  double *sums;
} Mix;

static void mix_piece(void *args, long from, long to) {
  Mix *p = args;
  residual_mix_row(to - from, p->a, p->b, p->x + from, p->x0 + from, p->y + from);
}

// y = resid[layer] x + first[layer] x0
void tg_residual_mix(long n, long layer, const float *x, const float *x0, const float *resid, const float *first,
                     float *y) {
  Mix p = {.a = resid[layer], .b = first[layer], .x = x, .x0 = x0, .y = y};
  pool_range(mix_piece, &p, n, PIECE);
}

static void mix_grad_piece(void *args, long from, long to) {
  Mix *p = args;
  residual_mix_grad_row(to - from, p->a, p->b, p->x + from, p->x0 + from, p->dy + from, p->dx + from, p->dx0 + from,
                        p->sums + from / PIECE * 2);
}

// dresid and dfirst, [L], are zero but at `layer`. False without memory.
int tg_residual_mix_grad(long n, long L, long layer, const float *x, const float *x0, const float *resid,
                         const float *first, const float *dy, float *dx, float *dx0, float *dresid, float *dfirst) {
  long pieces = (n + PIECE - 1) / PIECE;
  Mix p = {.a = resid[layer], .b = first[layer], .x = x, .x0 = x0, .dy = dy, .dx = dx, .dx0 = dx0};
  p.sums = (double *)pool_scratch(1, 4 * pieces);
  if (!p.sums) return 0;
  pool_range(mix_grad_piece, &p, n, PIECE);
  memset(dresid, 0, sizeof(float) * (size_t)L);
  memset(dfirst, 0, sizeof(float) * (size_t)L);
  double da = 0, db = 0;
  for (long i = 0; i < pieces; i++) {
    da += p.sums[2 * i];
    db += p.sums[2 * i + 1];
  }
  dresid[layer] = (float)da;
  dfirst[layer] = (float)db;
  return 1;
}
