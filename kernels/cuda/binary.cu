// y = EXPRESSION of u and v, elementwise; TYPE is the type of both operands, RESULT that of y. Launched by
// src/backend/cuda/kernels.

#include "elements.h"

#ifndef EXPRESSION  // so that the file compiles alone
#define TYPE float
#define RESULT float
#define EXPRESSION u + v
#endif

// Operands of the result's shape (step 1), or one number: in memory (step 0), or given with the launch (null).
extern "C" __global__ void binary(int n, const TYPE *a, int a_step, TYPE a_value, const TYPE *b, int b_step, TYPE b_value,
                                  RESULT *y) {
  FOR_EACH(i, n) {
    TYPE u = a ? a[i * a_step] : a_value, v = b ? b[i * b_step] : b_value;
    y[i] = (EXPRESSION);
  }
}

// Operands with strides over a box [.., n1, n2, n3]; 0 repeats.
extern "C" __global__ void broadcast(int n, int n1, int n2, int n3, const TYPE *a, int a0, int a1, int a2, int a3,
                                     const TYPE *b, int b0, int b1, int b2, int b3, RESULT *y) {
  FOR_EACH(i, n) {
    unsigned rest = i, i3 = rest % n3;
    rest /= n3;
    unsigned i2 = rest % n2;
    rest /= n2;
    unsigned i1 = rest % n1, i0 = rest / n1;
    TYPE u = a[i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3], v = b[i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3];
    y[i] = (EXPRESSION);
  }
}
