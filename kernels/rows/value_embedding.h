// Gated value embeddings: y = v + gate ve, gate = 2 sigmoid(x[:K] . w), one gate per token and kv head. Rows are a token's
// kv head of D numbers, but for gate_dx_row, whose row is a token's C.
#pragma once
#include "rows.h"

ROW void gated_row(long D, long K, const act *v, const act *ve, const act *x, const float *w, act *y, float *gate) {
  float open = 2 / (1 + expf(-row_dot(x, w, K)));
  EACH(d, D, put(y, d, get(v, d) + open * get(ve, d)));
  ONCE(*gate = open);
}

// dve = gate dy; returns the gradient of the gate's logit. gate = 2 s and ds/dz = s (1 - s).
ROW float gated_grad_row(long D, const act *ve, float gate, const act *dy, act *dve) {
  EACH(d, D, put(dve, d, gate * get(dy, d)));
  return row_dot(dy, ve, D) * gate * (1 - gate / 2);
}

// dx = sum over the G heads of dz[g] w[g], and zero beyond the K channels that the gates see; w [G,K].
ROW void gate_dx_row(long C, long G, long K, const float *dz, const float *w, act *dx) {
  EACH(k, K, {
    vf sum = dz[0] * get(w, k);
    for (long g = 1; g < G; g++) sum = sum + dz[g] * get(w + g * K, k);
    put(dx, k, sum);
  });
  EACH(c, C - K, put(dx + K, c, vset(0)));
}

// The same, added to dx.
ROW void gate_dx_add_row(long G, long K, const float *dz, const float *w, act *dx) {
  EACH(k, K, {
    vf sum = get(dx, k);
    for (long g = 0; g < G; g++) sum = sum + dz[g] * get(w + g * K, k);
    put(dx, k, sum);
  });
}
