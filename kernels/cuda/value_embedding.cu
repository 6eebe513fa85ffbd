// Gated value embeddings (rows/value_embedding.h). N tokens, C width, G kv heads of D numbers, K gate channels.
// The gradient takes four launches: gated_grad, gate_dx, gate_dw, gate_dw_sums. The gradient of v is dy.
#include "value_embedding.h"
#include "table.h"

// Tokens whose share of dw is summed by one block.
#define PIECE 256

// A team a token's head. v, ve, y [N,G*D], rows of v and y `stride` apart, and y may be v; rows of ve may be those of a table
// by id (table.h); x [N,C]; w [G,K]; gate [N,G]
KERNEL value_embedding(int N, int C, int G, int D, int K, int stride, const act *v, const act *ve, const int *ids, int V,
                       const act *x, const float *w, act *y, float *gate) {
  EACH_ROW(r, (long)N * G) {
    long n = (unsigned)r / G;
    long g = r - n * G, own = n * stride + g * D;
    gated_row(D, K, v + own, ve + (row_of(ids, V, n) * G + g) * D, x + n * C, w + g * K, y + own, gate + r);
    if (!is_known(ids, V, n)) EACH(d, D, put(y + own, d, vset(NOT_A_NUMBER)));
  }
}

// A team a token's head. dz [N,G], the gradient of the gate's logit; rows of dy are `stride` apart; ve as above.
KERNEL gated_grad(int N, int G, int D, int stride, const act *ve, const int *ids, int V, const float *gate, const act *dy,
                  act *dve, float *dz) {
  EACH_ROW(r, (long)N * G) {
    long n = (unsigned)r / G, g = r - n * G;
    float sum = gated_grad_row(D, ve + (row_of(ids, V, n) * G + g) * D, gate[r], dy + n * stride + g * D, dve + r * D);
    ONCE(dz[r] = sum);
  }
}

// A team a token. dx [N,C]
KERNEL gate_dx(int N, int C, int G, int K, const float *dz, const float *w, act *dx) {
  EACH_ROW(n, N) gate_dx_row(C, G, K, dz + n * G, w, dx + n * C);
}

// The same, added to dx.
KERNEL gate_dx_add(int N, int C, int G, int K, const float *dz, const float *w, act *dx) {
  EACH_ROW(n, N) gate_dx_add_row(G, K, dz + n * G, w, dx + n * C);
}

// A block of any size a piece of tokens: parts [pieces,G*K], pieces = ceil(N / 256).
KERNEL gate_dw(int N, int C, int G, int K, const float *dz, const act *x, float *parts) {
  long from = (long)blockIdx.x * PIECE, to = from + PIECE < N ? from + PIECE : N;
  for (int j = threadIdx.x; j < G * K; j += blockDim.x) {
    float sum = 0;
    for (long n = from; n < to; n++) sum += dz[n * G + j / K] * number(x + n * C, j % K);
    parts[(long)blockIdx.x * G * K + j] = sum;
  }
}

// A thread an element of dw [G*K].
KERNEL gate_dw_sums(int pieces, int GK, const float *parts, float *dw) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= GK) return;
  float sum = 0;
  for (int i = 0; i < pieces; i++) sum += parts[(long)i * GK + j];
  dw[j] = sum;
}
