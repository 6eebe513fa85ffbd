// Language-model head: logits z = x w^T, capped as s tanh(z / s), their cross-entropy, and both gradients in the same
// pass (rows/cross_entropy.h). Rows are processed in chunks, so that only one chunk's logits are in memory, and
// within a chunk in blocks: a block's logits stay in its core's cache until dx is done. N tokens, C width, V
// vocabulary.
#include "../rows/cross_entropy.h"
#include "gemm.h"
#include "kept.h"
#include "pool.h"

// Floats of logits in a chunk, when that is at least MIN_ROWS rows.
#define CHUNK (1L << 19)
#define MIN_ROWS 256

enum { LOGITS = 1, LOSSES, PACKED_T, PACKED };

typedef struct {
  long C, V, rows, blocks;
  // Floats between rows of z: not whole pages, whose columns would meet in one cache set.
  long stride;
  float cap;
  // Of d loss / d logits; 0: no gradient is wanted.
  float weight;
  const int32_t *targets;
  Matrix x;
  const float *w;
  float *z, *losses, *dx, *packed_t, *packed;
} Head;

// z -> the loss, and where a gradient is wanted z -> d loss / d z.
static void head_rows(Head *p, long from, long to) {
  for (long n = from; n < to; n++)
    p->losses[n] = cross_entropy_row(p->V, p->cap, p->weight, p->targets[n], p->z + n * p->stride);
}

static void head_block(void *args, long index) {
  Head *p = args;
  long C = p->C, V = p->V, from = gemm_rows(p->rows, p->blocks, index), to = gemm_rows(p->rows, p->blocks, index + 1);
  gemm_packed(0, to - from, V, C, matrix_from(p->x, from, 0), p->packed_t, panel_size(C), 0, p->z + from * p->stride, p->stride);
  head_rows(p, from, to);
  if (p->dx)
    gemm_packed(0, to - from, C, V, matrix(p->z + from * p->stride, p->stride), p->packed, panel_size(V), 0, p->dx + from * C, C);
}

// w for the logits.
static void pack_transposed(void *args, long from, long to) {
  Head *p = args;
  long C = p->C, V = p->V;
  for (long i = from, j = i * NR; i < to; i++, j += NR)
    pack_b(1, C, MIN(NR, V - j), matrix(p->w + j * C, C), p->packed_t + i * panel_size(C));
}

// w for dx.
static void pack_straight(void *args, long from, long to) {
  Head *p = args;
  long C = p->C, V = p->V;
  for (long i = from, j = i * NR; i < to; i++, j += NR)
    pack_b(0, V, MIN(NR, C - j), matrix(p->w + j, C), p->packed + i * panel_size(V));
}

// w packed into the scratch space of `slot`, unless that is kept. NULL without memory.
static float *pack_head(Head *p, int tb, int slot, float **packed) {
  long floats = tb ? packed_size(p->C, p->V) : packed_size(p->V, p->C), panels = ((tb ? p->V : p->C) + NR - 1) / NR;
  int ready;
  float *kept = kept_packed(p->w, tb, tb ? p->C : p->V, tb ? p->V : p->C, floats, &ready);
  *packed = kept ? kept : pool_scratch(slot, floats);
  if (*packed && !ready) pool_range(tb ? pack_transposed : pack_straight, p, panels, 1);
  return *packed;
}

// reduction 0: losses [N]; 1: their mean over targets that are not -1 (0 without any); 2: their sum. dx [N,C] and dw
// [V,C], or both NULL; x*. Returns 0, -1 without memory, or 1 + the first n whose target is not in [-1, V).
long tg_lm_head(int bf16_mask, long N, long C, long V, float cap, int reduction, const void *x, const float *w,
                const int32_t *targets, float *loss, float *dx, float *dw) {
  long counted = 0;
  for (long n = 0; n < N; n++) {
    if (targets[n] < -1 || targets[n] >= V) return 1 + n;
    counted += targets[n] >= 0;
  }
  float weight = reduction == 1 ? 1 / (float)MAX(counted, 1) : 1;
  long rows = MIN(MAX(N, 1), MAX(MIN_ROWS, CHUNK / MAX(V, 1)));
  long stride = V % 1024 == 0 ? V + 16 : V;
  float *z = pool_scratch(LOGITS, rows * stride), *losses = reduction == 0 ? loss : pool_scratch(LOSSES, N);
  if (!z || !losses) return -1;
  Head head = {.C = C, .V = V, .stride = stride, .cap = cap, .weight = dx ? weight : 0, .w = w, .z = z};
  if (!pack_head(&head, 1, PACKED_T, &head.packed_t) || (dx && !pack_head(&head, 0, PACKED, &head.packed))) return -1;
  if (dw && N == 0) memset(dw, 0, sizeof(float) * (size_t)(V * C));
  for (long n = 0; n < N; n += rows) {
    long m = MIN(rows, N - n);
    head.rows = m;
    head.blocks = gemm_blocks(m, 1);
    head.targets = targets + n;
    head.losses = losses + n;
    head.x = matrix_from((Matrix){CELLS(x, bf16_mask, 0), C}, n, 0);
    head.dx = dx ? dx + n * C : NULL;
    pool_run(head_block, &head, head.blocks);
    if (dw && !gemm_in_parts(1, 0, V, C, m, matrix(z, stride), head.x, n > 0, matrix(dw, C))) return -1;
  }
  if (reduction == 0) return 0;
  double sum = 0;
  for (long n = 0; n < N; n++) sum += losses[n];
  *loss = (float)(reduction == 1 ? sum / (double)MAX(counted, 1) : sum);
  return 0;
}
