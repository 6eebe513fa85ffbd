// Rows of a matrix that are rows of a table by id: row n is row ids[n] of a table of V rows, or without ids row n itself. A row
// whose id is not in [0, V) is not known, and reads as not-a-number.
#pragma once

#define NOT_A_NUMBER __int_as_float(0x7fffffff)

static __device__ __forceinline__ bool is_known(const int *ids, int V, long n) { return !ids || (unsigned)ids[n] < (unsigned)V; }

// One that can be read in any case.
static __device__ __forceinline__ long row_of(const int *ids, int V, long n) {
  return !ids ? n : is_known(ids, V, n) ? ids[n] : 0;
}
