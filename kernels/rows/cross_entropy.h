// A row of logits z [V] before the soft cap: the loss of softmax(cap tanh(z / cap)) against a target, and in the same
// passes its gradient.
#pragma once
#include "rows.h"

// A second tanh costs the GPU less than keeping the first in memory, the CPU more.
#ifdef __CUDACC__
#define TANH_KEPT 0
#else
#define TANH_KEPT 1
#endif

// A loss below this is computed a second time, in a way that keeps its digits.
#define NEARLY_CERTAIN 0.01f

// log(1 + x) for x >= 0, small x in particular: 2 atanh(x / (2 + x)) by its series, whose next term is below 1e-12 of the first.
ROW float log_one_plus(float x) {
  if (x > 0.1f) return logf(1 + x);
  float s = x / (2 + x), q = s * s;
  return 2 * s * (1 + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7))));
}

// The loss of a nearly certain target, of whose difference from the others' nothing but rounding error would be left, and which
// might come out negative: log(1 + sum over the other ids of exp(cap (u - t))), t the target's tanh. With `holds_tanh` z has those.
ROW float nearly_certain_loss(long V, float cap, int target, float t, const act *z, int holds_tanh) {
  float inverse = 1 / cap;
  vf others = vset(0);
  EACH(j, V, {
    vf u = holds_tanh ? get(z, j) : vtanh(get(z, j) * inverse), e = vwithout(vexp((u - t) * cap), target - j);
    PART(e, j, V, 0);
    others = others + e;
  });
  return log_one_plus(row_sum(others));
}

// Returns the loss, at least 0; with weight != 0, z becomes weight (p - onehot) (1 - tanh^2), the gradient (else it is
// scratch). A target below 0 is ignored: its loss and gradient are 0.
ROW float cross_entropy_row(long V, float cap, float weight, int target, act *z) {
  if (target < 0) {
    if (weight != 0) EACH(j, V, put(z, j, vset(0)));
    return 0;
  }
  // The cap bounds the exponents, so no maximum is needed: exp(cap t - cap) is in [exp(-2 cap), 1]. For huge caps it is.
  float inverse = 1 / cap, shift = cap;
  if (cap > 30) {
    vf tops = vset(-1e30f);
    EACH(j, V, {
      vf v = get(z, j);
      PART(v, j, V, -1e30f);
      tops = vmax(v, tops);
    });
    shift = cap * tanhf(row_top(tops) * inverse);
  }
  vf sums = vset(0);
  EACH(j, V, {
    vf t = vtanh(get(z, j) * inverse), e = vexp(t * cap - shift);
    if (TANH_KEPT) put(z, j, t);
    PART(e, j, V, 0);
    sums = sums + e;
  });
  float sum = row_sum(sums), t = number(z, target);
  if (!TANH_KEPT) t = tanhf(t * inverse);
  float loss = shift - cap * t + logf(sum);
  if (loss < NEARLY_CERTAIN) loss = nearly_certain_loss(V, cap, target, t, z, TANH_KEPT);
  TEAM_SYNC();
  if (weight != 0) {
    float share = weight / sum;
    EACH(j, V, {
      vf u = TANH_KEPT ? get(z, j) : vtanh(get(z, j) * inverse);
      put(z, j, vexp(u * cap - shift) * (1.0f - u * u) * share);
    });
    TEAM_SYNC();
    // Not added to what was stored, which may be rounded.
    ONCE(set_number(z, target, (expf(t * cap - shift) * share - weight) * (1 - t * t)));
  }
  return loss;
}
