// Squared ReLU, the mix of the residual stream with the first embedding, sums of gradients (rows/elementwise.h). A row is a piece of PIECE
// numbers of a tensor; a team of a whole block (TEAM > 32) works on it.
#include "elementwise.h"

#define PIECE 4096

#define EACH_PIECE(from, count, n)                                                          \
  for (long from = (long)blockIdx.x * PIECE; from < (n); from += (long)gridDim.x * PIECE) \
    for (long count = (n) - from < PIECE ? (n) - from : PIECE, once = 1; once; once = 0)

KERNEL relu_squared(long n, const act *x, act *y) {
  EACH_PIECE(i, count, n) relu_squared_row(count, x + i, y + i);
}

// dx = 2 sqrt(y) dy
KERNEL relu_squared_grad(long n, const act *y, const act *dy, act *dx) {
  EACH_PIECE(i, count, n) relu_squared_grad_row(count, y + i, dy + i, dx + i);
}

// y = resid[layer] x + first[layer] x0
KERNEL residual_mix(long n, int layer, const float *x, const float *x0, const float *resid, const float *first, float *y) {
  EACH_PIECE(i, count, n) residual_mix_row(count, resid[layer], first[layer], x + i, x0 + i, y + i);
}

// dx, with its copy `rounded` in bfloat16 where that is not null; dx0, to which sum0 is added where that is not null, and which
// may be sum0. sums [pieces,2], pieces = ceil(n / 4096).
KERNEL residual_mix_grad(long n, int layer, const float *x, const float *x0, const float *resid, const float *first,
                         const float *dy, const float *sum0, float *dx, bf16 *rounded, float *dx0, double *sums) {
  float_out out = {dx, rounded, 0}, out0 = {dx0, 0, sum0};
  EACH_PIECE(i, count, n)
  residual_mix_grad_row(count, resid[layer], first[layer], x + i, x0 + i, dy + i, out + i, out0 + i, sums + i / PIECE * 2);
}

// a + b, of which b or both may be bfloat16 (-DACT_BF16): the result is `act` where both are.
KERNEL add_activations(long n, const act *a, const act *b, act *y) {
  EACH_PIECE(i, count, n) EACH(j, count, put(y + i, j, get(a + i, j) + get(b + i, j)));
}
KERNEL add_activation(long n, const float *a, const act *b, float *y) {
  EACH_PIECE(i, count, n) EACH(j, count, put(y + i, j, get(a + i, j) + get(b + i, j)));
}

// out = (sum + x) factor; out may be sum.
KERNEL accumulate(long n, float factor, const float *sum, const float *x, float *out) {
  EACH_PIECE(i, count, n) EACH(j, count, put(out + i, j, (get(sum + i, j) + get(x + i, j)) * factor));
}

// Rounded to the nearest bfloat16, ties to even; not-a-number stays one. And back.
KERNEL to_bf16(long n, const float *x, bf16 *y) { EACH_PIECE(i, count, n) EACH(j, count, put(y + i, j, get(x + i, j))); }
KERNEL from_bf16(long n, const bf16 *x, float *y) { EACH_PIECE(i, count, n) EACH(j, count, put(y + i, j, get(x + i, j))); }

// One block: dresid and dfirst [L], zero but at `layer`.
KERNEL residual_mix_sums(int pieces, int L, int layer, const double *sums, float *dresid,
                                             float *dfirst) {
  double a = 0, b = 0;
  for (int i = threadIdx.x; i < pieces; i += TEAM) {
    a += sums[2 * i];
    b += sums[2 * i + 1];
  }
  a = over_team<Plus>(a);
  b = over_team<Plus>(b);
  for (int i = threadIdx.x; i < L; i += TEAM) {
    dresid[i] = i == layer ? (float)a : 0;
    dfirst[i] = i == layer ? (float)b : 0;
  }
}
