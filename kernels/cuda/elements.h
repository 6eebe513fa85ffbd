// Shared by tfjs's own kernels (unary.cu, binary.cu, reduce.cu, moves.cu). The fused kernels of the model are in
// separate files. Every kernel strides over its elements, so that any grid is correct; indices are 32-bit: a tensor
// has fewer than 2^31 elements.
#pragma once

typedef unsigned char byte;

#define FOR_EACH(i, n) \
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)(n); i += gridDim.x * blockDim.x)

#define NOT_A_NUMBER __int_as_float(0x7fffffff)
#define INFINITE __int_as_float(0x7f800000)
