// Gated value embeddings: y = v + gate ve, gate = 2 sigmoid(x[:, :K] w^T), one gate a token and kv head.
// N tokens, C width of x, G kv heads of D floats, K gate channels; w [G, K].
#include "pool.h"
#include "vector.h"

// Tokens whose share of dw is summed on its own.
#define PIECE 256

typedef struct {
  long C, G, D, K;
  const float *v, *ve, *x, *w, *gate, *dy;
  float *y, *out_gate, *dve, *dx, *sums;
} Gated;

static void gated_rows(void *args, long from, long to) {
  Gated *p = args;
  long G = p->G, D = p->D;
  for (long n = from; n < to; n++)
    for (long g = 0; g < G; g++) {
      float gate = 2 / (1 + expf(-vdot(p->x + n * p->C, p->w + g * p->K, p->K)));
      const float *v = p->v + (n * G + g) * D, *ve = p->ve + (n * G + g) * D;
      float *restrict y = p->y + (n * G + g) * D;
      for (long d = 0; d < D; d++) y[d] = v[d] + gate * ve[d];
      p->out_gate[n * G + g] = gate;
    }
}

void tg_value_embedding(long N, long C, long G, long D, long K, const float *v, const float *ve, const float *x,
                        const float *w, float *y, float *gate) {
  Gated p = {.C = C, .G = G, .D = D, .K = K, .v = v, .ve = ve, .x = x, .w = w, .y = y, .out_gate = gate};
  pool_range(gated_rows, &p, N, grain_rows(G * D));
}

static void gated_grad_rows(void *args, long from, long to) {
  Gated *p = args;
  long C = p->C, G = p->G, D = p->D, K = p->K;
  float *restrict dw = p->sums + from / PIECE * G * K;
  memset(dw, 0, sizeof(float) * (size_t)(G * K));
  for (long n = from; n < to; n++) {
    const float *x = p->x + n * C;
    float *restrict dx = p->dx + n * C;
    memset(dx, 0, sizeof(float) * (size_t)C);
    for (long g = 0; g < G; g++) {
      const float *ve = p->ve + (n * G + g) * D, *dy = p->dy + (n * G + g) * D, *w = p->w + g * K;
      float *restrict dve = p->dve + (n * G + g) * D;
      float gate = p->gate[n * G + g];
      for (long d = 0; d < D; d++) dve[d] = gate * dy[d];
      // gate = 2 s and ds/dz = s (1 - s)
      float dz = vdot(dy, ve, D) * gate * (1 - gate / 2);
      for (long k = 0; k < K; k++) {
        dx[k] += dz * w[k];
        dw[g * K + k] += dz * x[k];
      }
    }
  }
}

// The gradient of v is dy. False without memory.
int tg_value_embedding_grad(long N, long C, long G, long D, long K, const float *ve, const float *x, const float *w,
                            const float *gate, const float *dy, float *dve, float *dx, float *dw) {
  long pieces = (N + PIECE - 1) / PIECE;
  Gated p = {.C = C, .G = G, .D = D, .K = K, .ve = ve, .x = x, .w = w, .gate = gate, .dy = dy, .dve = dve, .dx = dx};
  p.sums = pool_scratch(1, pieces * G * K);
  if (!p.sums) return 0;
  pool_range(gated_grad_rows, &p, N, PIECE);
  memset(dw, 0, sizeof(float) * (size_t)(G * K));
  for (long i = 0; i < pieces; i++)
    for (long j = 0; j < G * K; j++) dw[j] += p.sums[i * G * K + j];
  return 1;
}
