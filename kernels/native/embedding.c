// Rows of a table by id, and the scatter of their gradients. V rows of W floats, N ids.
#include "../rows/elementwise.h"
#include "pool.h"

// Columns of the table that one task scatters; it takes the ids in order, so sums do not depend on the threads.
#define COLUMNS 64

typedef struct {
  long N, V, W;
  const float *values;
  const int32_t *ids;
  float *out;
} Rows;

static void take_rows(void *args, long from, long to) {
  Rows *p = args;
  for (long n = from; n < to; n++)
    copy_row(p->W, p->values + p->ids[n] * p->W, p->out + n * p->W);
}

// Returns the first n whose id is not in [0, V), or -1 when all are.
long tg_embedding(long N, long V, long W, const float *table, const int32_t *ids, float *y) {
  for (long n = 0; n < N; n++)
    if (ids[n] < 0 || ids[n] >= V) return n;
  Rows p = {N, V, W, table, ids, y};
  pool_range(take_rows, &p, N, grain_rows(W));
  return -1;
}

static void add_columns(void *args, long from, long to) {
  Rows *p = args;
  long W = p->W, count = to - from;
  for (long v = 0; v < p->V; v++) memset(p->out + v * W + from, 0, sizeof(float) * (size_t)count);
  for (long n = 0; n < p->N; n++) {
    int32_t id = p->ids[n];
    if (id < 0 || id >= p->V) continue;
    const float *from_row = p->values + n * W + from;
    float *restrict to_row = p->out + id * W + from;
    for (long c = 0; c < count; c++) to_row[c] += from_row[c];
  }
}

// dtable [V,W] = sum over n of dy[n] at row ids[n]; other ids are dropped.
void tg_embedding_grad(long N, long V, long W, const int32_t *ids, const float *dy, float *dtable) {
  Rows p = {N, V, W, dy, ids, dtable};
  pool_range(add_columns, &p, W, COLUMNS);
}
