// y = EXPRESSION of v, elementwise; TYPE and RESULT are the types of v and y. Launched by src/backend/cuda/kernels.

#include "elements.h"

#ifndef EXPRESSION  // so that the file compiles alone
#define TYPE float
#define RESULT float
#define EXPRESSION -v
#endif

extern "C" __global__ void unary(int n, const TYPE *x, RESULT *y) {
  FOR_EACH(i, n) {
    TYPE v = x[i];
    y[i] = (EXPRESSION);
  }
}
