// Language-model head: logits z = x w^T, capped as s tanh(z / s), their cross-entropy, and both gradients in the same
// pass. Rows are taken in chunks, so that one chunk's logits are all that is held. N tokens, C width, V vocabulary.
#include "gemm.h"
#include "pool.h"

// Floats of logits in a chunk, when that is at least MIN_ROWS rows.
#define CHUNK (1L << 19)
#define MIN_ROWS 256

enum { LOGITS = 1, LOSSES };

typedef struct {
  long V;
  float cap;
  // Of d loss / d logits; 0: no gradient is wanted.
  float weight;
  const int32_t *targets;
  float *z, *losses;
} Head;

// z -> the loss, and where a gradient is wanted z -> d loss / d z = weight (p - onehot) (1 - tanh^2).
static void head_rows(void *args, long from, long to) {
  Head *p = args;
  long V = p->V, whole = V / VL * VL, rest = V - whole;
  float cap = p->cap;
  for (long n = from; n < to; n++) {
    float *z = p->z + n * V;
    int32_t target = p->targets[n];
    if (target < 0) {
      p->losses[n] = 0;
      if (p->weight != 0) memset(z, 0, sizeof(float) * (size_t)V);
      continue;
    }
    // The caps bound the exponents, so no maximum is needed: exp(s t - s) is in [exp(-2 s), 1]. For huge caps it is.
    vf sums = {0};
    float shift = cap;
    if (cap > 30) {
      float top = -INFINITY;
      for (long j = 0; j < V; j++) top = z[j] > top ? z[j] : top;
      shift = cap * tanhf(top / cap);
    }
    for (long j = 0; j < whole; j += VL) {
      vf t = vtanh(vload(z + j) * vset(1 / cap));
      vstore(z + j, t);
      sums += vexp(t * vset(cap) - vset(shift));
    }
    float sum = vsum(sums);
    if (rest) {
      float e[VL];
      vf t = vtanh(vload_part(z + whole, rest) * vset(1 / cap));
      vstore_part(z + whole, t, rest);
      vstore(e, vexp(t * vset(cap) - vset(shift)));
      for (long j = 0; j < rest; j++) sum += e[j];
    }
    float t = z[target];
    p->losses[n] = shift - cap * t + logf(sum);
    if (p->weight == 0) continue;
    float share = p->weight / sum;
    for (long j = 0; j < whole; j += VL) {
      vf t = vload(z + j);
      vstore(z + j, vexp(t * vset(cap) - vset(shift)) * (1 - t * t) * vset(share));
    }
    if (rest) {
      vf t = vload_part(z + whole, rest);
      vstore_part(z + whole, vexp(t * vset(cap) - vset(shift)) * (1 - t * t) * vset(share), rest);
    }
    z[target] -= p->weight * (1 - t * t);
  }
}

// reduction 0: losses [N]; 1: their mean over targets that are not -1 (0 without any); 2: their sum. dx [N,C] and dw
// [V,C], or both NULL. Returns 0, -1 without memory, or 1 + the first n whose target is not in [-1, V).
long tg_lm_head(long N, long C, long V, float cap, int reduction, const float *x, const float *w,
                const int32_t *targets, float *loss, float *dx, float *dw) {
  long counted = 0;
  for (long n = 0; n < N; n++) {
    if (targets[n] < -1 || targets[n] >= V) return 1 + n;
    counted += targets[n] >= 0;
  }
  float weight = reduction == 1 ? 1 / (float)MAX(counted, 1) : 1;
  long rows = MIN(MAX(N, 1), MAX(MIN_ROWS, CHUNK / MAX(V, 1)));
  float *z = pool_scratch(LOGITS, rows * V), *losses = reduction == 0 ? loss : pool_scratch(LOSSES, N);
  if (!z || !losses) return -1;
  if (dw && N == 0) memset(dw, 0, sizeof(float) * (size_t)(V * C));
  for (long n = 0; n < N; n += rows) {
    long m = MIN(rows, N - n);
    if (!gemm(0, 1, m, V, C, x + n * C, C, w, C, 0, z, V)) return -1;
    Head head = {V, cap, dx ? weight : 0, targets + n, z, losses + n};
    pool_range(head_rows, &head, m, grain_rows(4 * V));
    if (!dx) continue;
    if (!gemm(0, 0, m, C, V, z, V, w, C, 0, dx + n * C, C)) return -1;
    if (!gemm(1, 0, V, C, m, z, V, x + n * C, C, n > 0, dw, C)) return -1;
  }
  if (reduction == 0) return 0;
  double sum = 0;
  for (long n = 0; n < N; n++) sum += losses[n];
  *loss = (float)(reduction == 1 ? sum / (double)MAX(counted, 1) : sum);
  return 0;
}
