// Sum, mean and largest of x [outer, terms, inner] over its terms, in double precision; not-a-number passes through.
#include "pool.h"
#include "vector.h"

// Floats of a piece of terms, which is reduced on its own; pieces are put together in order.
#define PIECE 16384
#define LANES 16

enum { SUM, MEAN, TOP };

typedef struct {
  int op;
  long outer, terms, inner, depth, pieces;
  const float *x;
  // [outer, pieces, inner]
  double *parts;
} Reduce;

INLINE double larger(double a, double b) { return a > b || a != a ? a : b; }

// n neighbors.
static double reduce_run(int op, const float *x, long n) {
  double lanes[LANES];
  for (long j = 0; j < LANES; j++) lanes[j] = op == TOP ? -INFINITY : 0;
  long i = 0;
  if (op == TOP) {
    for (; i + LANES <= n; i += LANES)
      for (long j = 0; j < LANES; j++) lanes[j] = larger(lanes[j], x[i + j]);
    for (; i < n; i++) lanes[0] = larger(lanes[0], x[i]);
  } else {
    for (; i + LANES <= n; i += LANES)
      for (long j = 0; j < LANES; j++) lanes[j] += x[i + j];
    for (; i < n; i++) lanes[0] += x[i];
  }
  for (long j = 1; j < LANES; j++) lanes[0] = op == TOP ? larger(lanes[0], lanes[j]) : lanes[0] + lanes[j];
  return lanes[0];
}

// n rows of `inner` numbers into one.
static void reduce_rows(int op, const float *x, long n, long inner, double *restrict out) {
  for (long j = 0; j < inner; j++) out[j] = op == TOP ? -INFINITY : 0;
  for (long i = 0; i < n; i++, x += inner)
    if (op == TOP)
      for (long j = 0; j < inner; j++) out[j] = larger(out[j], x[j]);
    else
      for (long j = 0; j < inner; j++) out[j] += x[j];
}

static void reduce_pieces(void *args, long from, long to) {
  Reduce *p = args;
  for (long i = from; i < to; i++) {
    long start = i % p->pieces * p->depth, n = MIN(p->depth, p->terms - start);
    const float *x = p->x + (i / p->pieces * p->terms + start) * p->inner;
    if (p->inner == 1)
      p->parts[i] = reduce_run(p->op, x, n);
    else
      reduce_rows(p->op, x, n, p->inner, p->parts + i * p->inner);
  }
}

// op 0 to 2: sum, mean, largest; y [outer, inner]. Of no terms: 0, not-a-number, -infinity. False without memory.
int tg_reduce(int op, long outer, long terms, long inner, const float *x, float *y) {
  Reduce p = {.op = op, .outer = outer, .terms = terms, .inner = inner, .x = x};
  p.depth = MAX(1, PIECE / MAX(inner, 1));
  p.pieces = MAX(1, (terms + p.depth - 1) / p.depth);
  if (outer * inner == 0) return 1;
  p.parts = (double *)pool_scratch(1, 2 * outer * p.pieces * inner);
  if (!p.parts) return 0;
  pool_range(reduce_pieces, &p, outer * p.pieces, MAX(1, PIECE / MAX(MIN(p.depth, terms) * inner, 1)));
  for (long i = 0; i < outer; i++)
    for (long j = 0; j < inner; j++) {
      const double *parts = p.parts + i * p.pieces * inner + j;
      double sum = parts[0];
      for (long k = 1; k < p.pieces; k++) sum = op == TOP ? larger(sum, parts[k * inner]) : sum + parts[k * inner];
      y[i * inner + j] = (float)(op == MEAN ? sum / (double)terms : sum);
    }
  return 1;
}
