// CUDA's device language for a C++ compiler, so that a kernel's source runs on the CPU, thread by thread. The stand-in
// for libnvrtc puts this file before the source and compiles both to a shared library; the stand-in for libcuda loads it
// and runs its kernels (blocks.h). Only what the project's kernels use is here.
//
// Shared memory is static (one block runs at a time) and starts as not-a-number in every block. Dynamic shared memory is
// named with `DYNAMIC_SHARED(type, name)`, which a source defines for CUDA itself:
//   #define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
// Inline PTX has no meaning here: sources hide it in functions with a second version under `#ifdef EMULATED`, which may
// use emu_cp_async, emu_mma_bf16 and emu_ldmatrix below.
#pragma once
#define EMULATED 1

// No headers: sources see what NVRTC gives them, and compile quickly.
typedef decltype(sizeof(0)) size_t;
extern "C" {
void *memcpy(void *, const void *, size_t);
void *memset(void *, int, size_t);
float expf(float), exp2f(float), logf(float), log1pf(float), log2f(float), sqrtf(float), tanhf(float), powf(float, float), fabsf(float), floorf(float),
    ceilf(float), rintf(float), fmaf(float, float, float), fmaxf(float, float), fminf(float, float), sinf(float), cosf(float),
    fmodf(float, float), copysignf(float, float), truncf(float);
double sqrt(double), fabs(double);
}

struct uint3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };

// A thread of the block, as blocks.h sees it.
struct EmuThread {
  uint3 index;
  unsigned lane, warp;
  int parity;                   // which of the two registers of exchange is written next
  unsigned long long slots[2][6];
  struct { void *to; const void *from; int bytes, group; } copies[64];  // of cp.async, not yet made
  int copy_count, group;
};

// What the emulator gives to a kernel library.
struct EmuApi {
  EmuThread **current;          // the thread that runs
  uint3 *block, *block_size, *grid_size;
  char **dynamic_shared;
  void (*block_barrier)(int line);
  void (*warp_barrier)(unsigned mask, int line);
  EmuThread *(*lane)(unsigned lane);  // of the current warp
  void (*fail)(const char *message);
  bool *early_copies;           // cp.async copies when it is called, the soonest it may; else the latest
};
static const EmuApi *emu;
extern "C" __attribute__((visibility("default"))) void emu_bind(const EmuApi *api) { emu = api; }

// What the compiler's checks call (-fsanitize): an access that the device would refuse, an index outside of an array, a
// whole number that overflows. Each is reported with its place in the source.
struct EmuSource { const char *file; unsigned line, column; };
static void emu_number(char *&to, unsigned n) {
  if (n >= 10) emu_number(to, n / 10);
  *to++ = (char)('0' + n % 10);
}
static void emu_fault(const char *what, const EmuSource *at) {
  char text[64], *to = text;
  while (*what) *to++ = *what++;
  for (const char *p = " at line "; *p;) *to++ = *p++;
  emu_number(to, at->line);
  *to = 0;
  emu->fail(text);
}
#define EMU_CHECK(name, what, ...) \
  extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_##name(const EmuSource *at, ##__VA_ARGS__) { emu_fault(what, at); }
EMU_CHECK(type_mismatch_v1, "Misaligned address", void *)
EMU_CHECK(out_of_bounds, "Index out of bounds", void *)
EMU_CHECK(shift_out_of_bounds, "Shift out of bounds", void *, void *)
EMU_CHECK(divrem_overflow, "Division by zero", void *, void *)
EMU_CHECK(add_overflow, "Overflow", void *, void *)
EMU_CHECK(sub_overflow, "Overflow", void *, void *)
EMU_CHECK(mul_overflow, "Overflow", void *, void *)
EMU_CHECK(negate_overflow, "Overflow", void *)

#define EMU_UNCHECKED __attribute__((no_sanitize("undefined")))

#define threadIdx ((*emu->current)->index)
#define blockIdx (*emu->block)
#define blockDim (*emu->block_size)
#define gridDim (*emu->grid_size)
#define warpSize 32

// __global__ marks a kernel for the stand-in for nvrtc, which takes the mark away.
#define __global__ EMU_KERNEL
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __constant__ static const
#define __align__(n) alignas(n)
#define __shared__ static __attribute__((section("emu_shared"), used))
#define DYNAMIC_SHARED(type, name) type *const name = (type *)*emu->dynamic_shared

#define __syncthreads() emu->block_barrier(__LINE__)
struct EmuSyncwarp {
  int line;
  void operator()(unsigned mask = 0xffffffffu) const { emu->warp_barrier(mask, line); }
};
#define __syncwarp EmuSyncwarp{__LINE__}
#define __threadfence()
#define __threadfence_block()

// Writes a value to where the warp's other lanes read it, and waits for them.
template <typename T> static inline int emu_publish(const T &value, unsigned mask, int line, int slot = 0) {
  static_assert(sizeof(T) <= 8, "a value of at most 8 bytes");
  EmuThread *me = *emu->current;
  int at = me->parity;
  memcpy(&me->slots[at][slot], &value, sizeof(T));
  me->parity = 1 - at;
  emu->warp_barrier(mask, line);
  return at;
}
template <typename T> static inline T emu_peek(unsigned lane, int at, int slot = 0) {
  T value;
  memcpy(&value, &emu->lane(lane)->slots[at][slot], sizeof(T));
  return value;
}
template <typename T> static inline T emu_shuffle(unsigned mask, T value, int from, int line) {
  int at = emu_publish(value, mask, line);
  if (from < 0 || from > 31) return value;
  if (!(mask >> from & 1) || !emu->lane((unsigned)from)) {
    emu->fail("A shuffle reads a lane that its mask does not name");
    return value;
  }
  return emu_peek<T>((unsigned)from, at);
}
#define EMU_LANE ((int)(*emu->current)->lane)
#define __shfl_sync(mask, value, from) emu_shuffle(mask, value, (from) & 31, __LINE__)
#define __shfl_xor_sync(mask, value, bits) emu_shuffle(mask, value, EMU_LANE ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, by) emu_shuffle(mask, value, EMU_LANE + (int)(by), __LINE__)
#define __shfl_up_sync(mask, value, by) emu_shuffle(mask, value, EMU_LANE - (int)(by), __LINE__)
static inline unsigned emu_ballot(unsigned mask, int condition, int line) {
  int at = emu_publish(condition ? 1 : 0, mask, line);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; lane++)
    if ((mask >> lane & 1) && emu->lane(lane) && emu_peek<int>(lane, at)) bits |= 1u << lane;
  return bits;
}
#define __ballot_sync(mask, condition) emu_ballot(mask, condition, __LINE__)
#define __any_sync(mask, condition) (emu_ballot(mask, condition, __LINE__) != 0)

// Threads run one at a time, so a plain update is atomic.
template <typename T> static inline T atomicAdd(T *p, T value) { T old = *p; *p = old + value; return old; }
template <typename T> static inline T atomicMax(T *p, T value) { T old = *p; *p = old > value ? old : value; return old; }
template <typename T> static inline T __ldg(const T *p) { return *p; }

static inline float __uint_as_float(unsigned x) { float f; memcpy(&f, &x, 4); return f; }
static inline unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static inline float __int_as_float(int x) { return __uint_as_float((unsigned)x); }
static inline int __float_as_int(float x) { return (int)__float_as_uint(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
#define __expf expf
#define __logf logf
static inline float __fdividef(float a, float b) { return a / b; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
template <typename T> static inline T min(T a, T b) { return b < a ? b : a; }
template <typename T> static inline T max(T a, T b) { return a < b ? b : a; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// cp.async: the copy is made when its group is waited for, so that a read that does not wait sees old bytes, or, in other
// orders of the threads, at once, so that a copy over what is still read shows. Without a source it fills with zeros.
static inline void emu_copy(void *to, const void *from, int bytes) {
  if (from) memcpy(to, from, (size_t)bytes);
  else memset(to, 0, (size_t)bytes);
}
static inline void emu_cp_async(void *to, const void *from, int bytes) {
  EmuThread *me = *emu->current;
  if (*emu->early_copies) emu_copy(to, from, bytes);
  else if (me->copy_count == 64) emu->fail("more than 64 cp.async in flight");
  else me->copies[me->copy_count++] = {to, from, bytes, me->group};
}
static inline void emu_cp_commit() { (*emu->current)->group++; }
// All but the latest `left` groups.
static inline void emu_cp_wait(int left) {
  EmuThread *me = *emu->current;
  int kept = 0;
  for (int i = 0; i < me->copy_count; i++) {
    auto &copy = me->copies[i];
    if (copy.group < me->group - left) emu_copy(copy.to, copy.from, copy.bytes);
    else me->copies[kept++] = copy;
  }
  me->copy_count = kept;
}

static inline float emu_bf16(unsigned pair, int upper) { return __uint_as_float(upper ? pair & 0xffff0000u : pair << 16); }

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: d = a b + c. Element (r, k) of a is in lane r % 8 * 4 + k % 8 / 2,
// (k, n) of b in lane n * 4 + k % 8 / 2 (PTX ISA, "Matrix Fragments for mma.m16n8k16").
EMU_UNCHECKED static inline void emu_mma_bf16(float d[4], const unsigned a[4], const unsigned b[2], const float c[4]) {
  EmuThread *me = *emu->current;
  int at = me->parity;
  for (int i = 0; i < 4; i++) me->slots[at][i] = a[i];
  for (int i = 0; i < 2; i++) me->slots[at][4 + i] = b[i];
  me->parity = 1 - at;
  emu->warp_barrier(0xffffffffu, __LINE__);
  int row = EMU_LANE / 4, column = EMU_LANE % 4 * 2;
  for (int i = 0; i < 4; i++) {
    int r = row + (i >= 2 ? 8 : 0), n = column + (i & 1);
    float sum = c[i];
    for (int k = 0; k < 16; k++) {
      unsigned pair_a = (unsigned)emu->lane((unsigned)(r % 8 * 4 + k % 8 / 2))->slots[at][(r >= 8) + 2 * (k >= 8)];
      unsigned pair_b = (unsigned)emu->lane((unsigned)(n * 4 + k % 8 / 2))->slots[at][4 + (k >= 8)];
      sum += emu_bf16(pair_a, k & 1) * emu_bf16(pair_b, k & 1);
    }
    d[i] = sum;
  }
}

// ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16: lane l gives the address of row l % 8 of matrix l / 8.
EMU_UNCHECKED static inline void emu_ldmatrix(unsigned out[4], const void *row, bool transposed) {
  int at = emu_publish((unsigned long long)row, 0xffffffffu, __LINE__);
  if ((unsigned long long)row % 16) emu->fail("ldmatrix: a row's address is not a multiple of 16");
  for (int i = 0; i < 4; i++) {
    unsigned short pair[2];
    for (int j = 0; j < 2; j++) {
      int r = transposed ? EMU_LANE % 4 * 2 + j : EMU_LANE / 4, c = transposed ? EMU_LANE / 4 : EMU_LANE % 4 * 2 + j;
      pair[j] = ((const unsigned short *)emu_peek<unsigned long long>((unsigned)(i * 8 + r), at))[c];
    }
    out[i] = pair[0] | (unsigned)pair[1] << 16;
  }
  // Nobody overwrites a row that another lane still reads: the instruction is one step of the whole warp.
  emu->warp_barrier(0xffffffffu, __LINE__);
}

// What a launch calls: unpacks the arguments and runs the kernel for one thread. Offsets follow CUDA's rule: each
// parameter at the next multiple of its own alignment. A null buffer asks for the buffer's size.
template <typename... A> struct EmuOffsets {
  size_t at[sizeof...(A) + 1], size = 0;
  EmuOffsets() {
    size_t i = 0;
    ((size = (size + alignof(A) - 1) / alignof(A) * alignof(A), at[i++] = size, size += sizeof(A)), ...);
  }
};
template <size_t... I> struct EmuIndices {};
template <size_t N, size_t... I> struct EmuCount : EmuCount<N - 1, N - 1, I...> {};
template <size_t... I> struct EmuCount<0, I...> { typedef EmuIndices<I...> type; };
template <typename T> static inline T emu_argument(const char *p) { T value; memcpy(&value, p, sizeof value); return value; }
template <typename... A, size_t... I>
static inline void emu_apply(void (*kernel)(A...), const char *buffer, const EmuOffsets<A...> &offsets, EmuIndices<I...>) {
  kernel(emu_argument<A>(buffer + offsets.at[I])...);
}
// Copies the values that `pointers` point to (kernelParams of a launch) into `packed`, when given; then runs `buffer`.
template <typename... A> static long emu_call(void (*kernel)(A...), const char *buffer, void **pointers, char *packed) {
  static const EmuOffsets<A...> offsets;
  if (pointers) {
    size_t sizes[] = {sizeof(A)..., 0};
    for (size_t i = 0; i < sizeof...(A); i++) memcpy(packed + offsets.at[i], pointers[i], sizes[i]);
  }
  if (buffer) emu_apply(kernel, buffer, offsets, typename EmuCount<sizeof...(A)>::type());
  return (long)offsets.size;
}
