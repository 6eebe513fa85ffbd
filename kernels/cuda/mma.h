// Products of bfloat16 tiles on tensor cores (compute capability 8.0 and up; PTX ISA, "Matrix Fragments for
// mma.m16n8k16"), and copies from global to shared memory. A tile in shared memory is rows of bfloat16, `stride` apart:
// an odd multiple of 16 bytes, so that the eight rows that ldmatrix reads at once are in different banks.
//
// A warp's fragments: an accumulator of 16 x 8 holds rows lane / 4 and that + 8, columns lane % 4 * 2 and the next:
// c[0], c[1] of the first row, c[2], c[3] of the second.
#pragma once
#include "device.h"

#define MMA static __device__ __forceinline__

// d += a b for a [16,16] and b [16,8].
MMA void mma(float d[4], const unsigned a[4], unsigned b0, unsigned b1) {
#ifdef EMULATED
  unsigned b[2] = {b0, b1};
  emu_mma_bf16(d, a, b, d);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

#ifndef EMULATED
MMA unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }
#endif

// Four 8 x 8 matrices; lane l gives row l % 8 of matrix l / 8.
MMA void load_matrices(unsigned out[4], const bf16 *row) {
#ifdef EMULATED
  emu_ldmatrix(out, row, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}
MMA void load_matrices_transposed(unsigned out[4], const bf16 *row) {
#ifdef EMULATED
  emu_ldmatrix(out, row, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// Operand a from rows row .. row + 15 of a tile, columns k .. k + 15.
MMA void load_a(unsigned a[4], const bf16 *tile, int stride, int row, int k) {
  int lane = threadIdx.x % 32;
  load_matrices(a, tile + (row + lane % 16) * stride + k + lane / 16 * 8);
}
// The same where the tile holds its columns as rows: row .. row + 15 along the tile's columns, k .. k + 15 along its rows.
MMA void load_a_columns(unsigned a[4], const bf16 *tile, int stride, int row, int k) {
  int lane = threadIdx.x % 32;
  load_matrices_transposed(a, tile + (k + lane / 16 * 8 + lane % 8) * stride + row + lane / 8 % 2 * 8);
}
// Operands b of two products side by side, where the tile holds b's columns as rows: b[0], b[1] for its rows n .. n + 7,
// b[2], b[3] for n + 8 .. n + 15; k .. k + 15 along the tile's columns.
MMA void load_b_columns(unsigned b[4], const bf16 *tile, int stride, int n, int k) {
  int lane = threadIdx.x % 32;
  load_matrices(b, tile + (n + lane / 16 * 8 + lane % 8) * stride + k + lane / 8 % 2 * 8);
}
// The same where the tile holds b as it is: k .. k + 15 along its rows, columns n .. n + 15.
MMA void load_b_rows(unsigned b[4], const bf16 *tile, int stride, int k, int n) {
  int lane = threadIdx.x % 32;
  load_matrices_transposed(b, tile + (k + lane % 16) * stride + n + lane / 16 * 8);
}
// Accumulators of two products side by side, as the operand a of the next one.
MMA void as_a(unsigned a[4], const float left[4], const float right[4]) {
  a[0] = bf16_pair(left[0], left[1]);
  a[1] = bf16_pair(left[2], left[3]);
  a[2] = bf16_pair(right[0], right[1]);
  a[3] = bf16_pair(right[2], right[3]);
}

// Eight numbers to shared memory, zeros where not `present`. bfloat16 arrives after copy_wait and a barrier, float32 with
// the barrier.
MMA void copy_eight(bf16 *to, const bf16 *from, bool present) {
#ifdef EMULATED
  emu_cp_async(to, present ? from : (const bf16 *)0, 16);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(present ? 16 : 0)
               : "memory");
#endif
}
MMA void copy_eight(bf16 *to, const float *from, bool present) {
  uint4 out = {0, 0, 0, 0};
  if (present) {
    float4 a = *(const float4 *)from, b = *(const float4 *)(from + 4);
    out = {bf16_pair(a.x, a.y), bf16_pair(a.z, a.w), bf16_pair(b.x, b.y), bf16_pair(b.z, b.w)};
  }
  *(uint4 *)to = out;
}
// Ends a group of copies.
MMA void copy_commit() {
#ifdef EMULATED
  emu_cp_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits for all groups but the last LEFT.
template <int LEFT> static __device__ __forceinline__ void copy_wait() {
#ifdef EMULATED
  emu_cp_wait(LEFT);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}

// 2^x to 2 ulp, results below 2^-126 being 0; a single instruction, of which softmax has one a score.
MMA float power_of_two(float x) {
#ifdef EMULATED
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// Two neighbors of a row in global memory.
MMA void store_two(float *to, float a, float b) { *(float2 *)to = make_float2(a, b); }
MMA void store_two(bf16 *to, float a, float b) { *(unsigned *)to = bf16_pair(a, b); }
