// Sums, maxima and minima of x [outer, terms, inner] -> y [outer, inner], and the softmax of rows. Launched by
// src/backend/cuda/kernels.

#include "elements.h"

struct Sum {
  static __device__ float start() { return 0; }
  static __device__ float join(float a, float b) { return a + b; }
};
struct Max {
  static __device__ float start() { return -INFINITE; }
  static __device__ float join(float a, float b) { return a > b || a != a ? a : b; }
};
struct Min {
  static __device__ float start() { return INFINITE; }
  static __device__ float join(float a, float b) { return a < b || a != a ? a : b; }
};

// Over a block of up to 1024 threads, a power of two. Every thread gets the total.
template <typename Operation> static __device__ float over_block(float value) {
  __shared__ float partial[1024];
  partial[threadIdx.x] = value;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] = Operation::join(partial[threadIdx.x], partial[threadIdx.x + half]);
    __syncthreads();
  }
  float total = partial[0];
  __syncthreads();
  return total;
}

// inner = 1: a block a row.
template <typename Operation> static __device__ void rows(int outer, int terms, float scale, const float *x, float *y) {
  for (unsigned row = blockIdx.x; row < outer; row += gridDim.x) {
    float value = Operation::start();
    for (unsigned i = threadIdx.x; i < terms; i += blockDim.x) value = Operation::join(value, x[row * terms + i]);
    value = over_block<Operation>(value);
    if (threadIdx.x == 0) y[row] = scale * value;
  }
}

// A thread a result.
template <typename Operation> static __device__ void columns(int outer, int terms, int inner, float scale, const float *x, float *y) {
  FOR_EACH(i, outer * inner) {
    const float *from = x + i / inner * terms * inner + i % inner;
    float value = Operation::start();
    for (unsigned t = 0; t < terms; t++) value = Operation::join(value, from[t * inner]);
    y[i] = scale * value;
  }
}

extern "C" __global__ void __launch_bounds__(1024)
sum_rows(int outer, int terms, float scale, const float *x, float *y) {
  rows<Sum>(outer, terms, scale, x, y);
}
extern "C" __global__ void __launch_bounds__(1024)
max_rows(int outer, int terms, float scale, const float *x, float *y) {
  rows<Max>(outer, terms, scale, x, y);
}
extern "C" __global__ void __launch_bounds__(1024)
min_rows(int outer, int terms, float scale, const float *x, float *y) {
  rows<Min>(outer, terms, scale, x, y);
}
extern "C" __global__ void max_columns(int outer, int terms, int inner, float scale, const float *x, float *y) {
  columns<Max>(outer, terms, inner, scale, x, y);
}
extern "C" __global__ void min_columns(int outer, int terms, int inner, float scale, const float *x, float *y) {
  columns<Min>(outer, terms, inner, scale, x, y);
}

// One thread adds all terms, so it carries the rounding error along (Kahan 1965).
extern "C" __global__ void sum_columns(int outer, int terms, int inner, float scale, const float *x, float *y) {
  FOR_EACH(i, outer * inner) {
    const float *from = x + i / inner * terms * inner + i % inner;
    float sum = 0, lost = 0;
    for (unsigned t = 0; t < terms; t++) {
      float next = from[t * inner] - lost, total = sum + next;
      lost = total - sum - next;
      sum = total;
    }
    // The correction of an infinite sum is not-a-number.
    if (lost != lost) {
      sum = 0;
      for (unsigned t = 0; t < terms; t++) sum += from[t * inner];
    }
    y[i] = scale * sum;
  }
}

// A block a row: e^(x - max) / sum.
extern "C" __global__ void __launch_bounds__(1024)
softmax(int count, int width, const float *x, float *y) {
  for (unsigned row = blockIdx.x; row < count; row += gridDim.x) {
    const float *from = x + row * width;
    float *to = y + row * width;
    float largest = Max::start();
    for (unsigned i = threadIdx.x; i < width; i += blockDim.x) largest = Max::join(largest, from[i]);
    largest = over_block<Max>(largest);
    float sum = 0;
    for (unsigned i = threadIdx.x; i < width; i += blockDim.x) sum += expf(from[i] - largest);
    sum = over_block<Sum>(sum);
    for (unsigned i = threadIdx.x; i < width; i += blockDim.x) to[i] = expf(from[i] - largest) / sum;
  }
}
