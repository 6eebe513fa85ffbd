// Gated value embeddings: y = v + gate ve, gate = 2 sigmoid(x[:, :K] w^T), one gate per token and kv head
// (rows/value_embedding.h). N tokens, C width of x, G kv heads of D floats, K gate channels; w [G, K].
#include "../rows/value_embedding.h"
#include "cells.h"
#include "pool.h"

// Tokens whose share of dw is summed on its own.
#define PIECE 256

typedef struct {
  long C, G, D, K;
  Cells v, x, y;
  const float *ve, *w, *gate, *dy;
  float *out_gate, *dve, *dx, *sums;
} Gated;

static void gated_rows(void *args, long from, long to) {
  Gated p = *(Gated *)args;
  long G = p.G, D = p.D;
  float v_room[p.v.is_bf16 ? G * D : 1], x_room[p.x.is_bf16 ? p.K : 1], y_room[p.y.is_bf16 ? G * D : 1];
  for (long n = from; n < to; n++) {
    const float *v = read_cells(p.v, n * G * D, G * D, v_room), *x = read_cells(p.x, n * p.C, p.K, x_room);
    float *y = write_cells(p.y, n * G * D, y_room);
    for (long g = 0; g < G; g++)
      gated_row(D, p.K, v + g * D, p.ve + (n * G + g) * D, x, p.w + g * p.K, y + g * D, p.out_gate + n * G + g);
    wrote_cells(p.y, n * G * D, G * D, y_room);
  }
}

// v*, x*, y*
void tg_value_embedding(int bf16_mask, long N, long C, long G, long D, long K, const void *v, const float *ve,
                        const void *x, const float *w, void *y, float *gate) {
  Gated p = {.C = C, .G = G, .D = D, .K = K, .ve = ve, .w = w, .out_gate = gate};
  p.v = CELLS(v, bf16_mask, 0);
  p.x = CELLS(x, bf16_mask, 1);
  p.y = CELLS(y, bf16_mask, 2);
  pool_range(gated_rows, &p, N, grain_rows(G * D));
}

static void gated_grad_rows(void *args, long from, long to) {
  Gated p = *(Gated *)args;
  long C = p.C, G = p.G, D = p.D, K = p.K;
  float *restrict dw = p.sums + from / PIECE * G * (K + 1);
  memset(dw, 0, sizeof(float) * (size_t)(G * K));
  float *dz = dw + G * K, x_room[p.x.is_bf16 ? K : 1];
  for (long n = from; n < to; n++) {
    for (long g = 0; g < G; g++) {
      long r = n * G + g;
      dz[g] = gated_grad_row(D, p.ve + r * D, p.gate[r], p.dy + r * D, p.dve + r * D);
    }
    gate_dx_row(C, G, K, dz, p.w, p.dx + n * C);
    const float *x = read_cells(p.x, n * C, K, x_room);
    for (long g = 0; g < G; g++)
      for (long k = 0; k < K; k++) dw[g * K + k] += dz[g] * x[k];
  }
}

// The gradient of v is dy; x*. False without memory.
int tg_value_embedding_grad(int bf16_mask, long N, long C, long G, long D, long K, const float *ve, const void *x,
                            const float *w, const float *gate, const float *dy, float *dve, float *dx, float *dw) {
  long pieces = (N + PIECE - 1) / PIECE;
  Gated p = {.C = C, .G = G, .D = D, .K = K, .ve = ve, .x = CELLS(x, bf16_mask, 0), .w = w, .gate = gate, .dy = dy, .dve = dve, .dx = dx};
  // Of each piece its share of dw [G,K], and room for a token's dz [G].
  p.sums = pool_scratch(1, pieces * G * (K + 1));
  if (!p.sums) return 0;
  pool_range(gated_grad_rows, &p, N, PIECE);
  memset(dw, 0, sizeof(float) * (size_t)(G * K));
  for (long i = 0; i < pieces; i++)
    for (long j = 0; j < G * K; j++) dw[j] += p.sums[i * G * (K + 1) + j];
  return 1;
}
