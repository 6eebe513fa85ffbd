// Copies between strided layouts, gathers, one-hot rows, sums by segment, fills. Launched by src/backend/cuda/kernels.

#include "elements.h"

// y[sum of index * y stride] = x[sum of index * x stride] over a box [.., n1, n2, n3, n4].
template <typename T>
static __device__ void copy_strided(int n, int n1, int n2, int n3, int n4, const T *x, int x0, int x1, int x2, int x3, int x4,
                                    T *y, int y0, int y1, int y2, int y3, int y4) {
  FOR_EACH(i, n) {
    unsigned rest = i, i4 = rest % n4;
    rest /= n4;
    unsigned i3 = rest % n3;
    rest /= n3;
    unsigned i2 = rest % n2;
    rest /= n2;
    unsigned i1 = rest % n1, i0 = rest / n1;
    y[i0 * y0 + i1 * y1 + i2 * y2 + i3 * y3 + i4 * y4] = x[i0 * x0 + i1 * x1 + i2 * x2 + i3 * x3 + i4 * x4];
  }
}

extern "C" __global__ void copy_words(int n, int n1, int n2, int n3, int n4, const unsigned *x, int x0, int x1, int x2, int x3,
                                      int x4, unsigned *y, int y0, int y1, int y2, int y3, int y4) {
  copy_strided(n, n1, n2, n3, n4, x, x0, x1, x2, x3, x4, y, y0, y1, y2, y3, y4);
}
extern "C" __global__ void copy_bytes(int n, int n1, int n2, int n3, int n4, const byte *x, int x0, int x1, int x2, int x3, int x4,
                                      byte *y, int y0, int y1, int y2, int y3, int y4) {
  copy_strided(n, n1, n2, n3, n4, x, x0, x1, x2, x3, x4, y, y0, y1, y2, y3, y4);
}

// y [outer, count, inner] = x [outer, rows, inner] at the ids. An id out of range reads not-a-number: a device cannot
// throw.
extern "C" __global__ void gather(int n, int rows, int count, int inner, const int *ids, const float *x, float *y) {
  FOR_EACH(i, n) {
    unsigned at = i / inner;
    int id = ids[at % count];
    y[i] = id >= 0 && id < rows ? x[(at / count * rows + id) * inner + i % inner] : NOT_A_NUMBER;
  }
}

// y [count, depth]: `on` where the column is the id.
extern "C" __global__ void one_hot(int n, int depth, float on, float off, const int *ids, float *y) {
  FOR_EACH(i, n) y[i] = ids[i / depth] == (int)(i % depth) ? on : off;
}

// y [segments, width]: sums of the rows of x [rows, width] by id, in the order of the rows.
extern "C" __global__ void segment_sum(int n, int rows, int width, const int *ids, const float *x, float *y) {
  FOR_EACH(i, n) {
    float sum = 0;
    for (unsigned row = 0; row < rows; row++)
      if (ids[row] == (int)(i / width)) sum += x[row * width + i % width];
    y[i] = sum;
  }
}

// condition ? a : b
extern "C" __global__ void choose(int n, const byte *condition, const float *a, const float *b, float *y) {
  FOR_EACH(i, n) y[i] = condition[i] ? a[i] : b[i];
}
