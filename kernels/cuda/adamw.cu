// One AdamW step of many tensors in one launch (rows/adamw.h). A block updates a piece of PIECE numbers of one
// tensor; a table says which. Settings are in device memory, so that a recorded graph of launches need not change
// with them.
#include "adamw.h"

#define PIECE 4096

struct Tensor {
  float *param, *m, *v;
  const float *grad;
  // The copy of param in bfloat16 that products read, or null.
  bf16 *rounded;
  long n;
  // Index of its settings.
  long settings;
};
struct Piece { int tensor, index; };

// Grid: the number of pieces, the sum over tensors of ceil(n / PIECE).
KERNEL adamw(const Tensor *tensors, const Piece *pieces, const AdamW *settings) {
  Piece piece = pieces[blockIdx.x];
  Tensor t = tensors[piece.tensor];
  AdamW s = settings[t.settings];
  long from = (long)piece.index * PIECE, count = t.n - from < PIECE ? t.n - from : PIECE, whole = count / VL * VL;
  adamw_row(whole, s, float_out{t.param, t.rounded} + from, t.m + from, t.v + from, t.grad + from);
  // Fewer than VL are left.
  long i = from + whole + threadIdx.x;
  if (i >= from + count) return;
  float g = t.grad[i], m = t.m[i] + (1 - s.beta1) * (g - t.m[i]), v = t.v[i] + (1 - s.beta2) * (g * g - t.v[i]);
  t.m[i] = m;
  t.v[i] = v;
  float param = s.keep * t.param[i] - s.rate * m / (sqrtf(v * s.correction) + s.eps);
  t.param[i] = param;
  if (t.rounded) t.rounded[i] = bf16_of(param);
}
