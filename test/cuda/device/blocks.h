// Thread blocks on the CPU: each CUDA thread is a fiber; a block's fibers run one at a time, from barrier to barrier,
// in an order that a seed decides. What is found wrong:
// - threads of a block or warp that wait at different barriers, or exit while others wait;
// - a missing barrier: results differ between seeds (run twice, compare bits), or read the not-a-number that shared
//   memory starts as;
// - an access to unmapped memory (a signal while a kernel runs); misaligned addresses, indices out of bounds and overflow
//   are reported by the compiler's checks (emulation.h).
#pragma once
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <vector>
// Switching by hand is many times faster than ucontext, which makes a system call each time.
#if defined(__x86_64__) && !defined(EMULATE_WITH_UCONTEXT)
#define SWITCH_BY_HAND 1
#else
#include <ucontext.h>
#endif

struct uint3 { unsigned x, y, z; };
// As in emulation.h, which cannot be included next to the standard headers.
struct EmuThread {
  uint3 index;
  unsigned lane, warp;
  int parity;
  unsigned long long slots[2][6];
  struct { void *to; const void *from; int bytes, group; } copies[64];
  int copy_count, group;
};
struct EmuApi {
  EmuThread **current;
  uint3 *block, *block_size, *grid_size;
  char **dynamic_shared;
  void (*block_barrier)(int line);
  void (*warp_barrier)(unsigned mask, int line);
  EmuThread *(*lane)(unsigned lane);
  void (*fail)(const char *message);
  bool *early_copies;
};

namespace blocks {

const size_t STACK = 128 << 10;
enum State { READY, AT_BLOCK, AT_WARP, DONE };

struct Fiber {
  EmuThread thread;  // first: a pointer to it is a pointer to the fiber
  State state;
  int line;
  unsigned mask;
  char *stack;
#ifdef SWITCH_BY_HAND
  void *sp;
#else
  ucontext_t context;
#endif
};

inline EmuThread *current;
inline uint3 block, block_size, grid_size;
inline char *dynamic_shared;
inline std::vector<Fiber *> fibers;
inline std::string failure;
inline uint64_t seed;
inline long (*entry)(const char *, void **, char *);
inline const char *arguments;
inline sigjmp_buf escape;
inline volatile sig_atomic_t running;
inline bool early_copies;

inline Fiber *me() { return (Fiber *)current; }

// Saves where it is and goes on elsewhere.
#ifdef SWITCH_BY_HAND
inline void *scheduler_sp;
extern "C" void emu_switch(void **save, void *to);
__asm__(
    ".text\n.globl emu_switch\n.hidden emu_switch\nemu_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
inline void leave() { emu_switch(&me()->sp, scheduler_sp); }
inline void enter(Fiber *fiber) { emu_switch(&scheduler_sp, fiber->sp); }
#else
inline ucontext_t scheduler_context;
inline void leave() { swapcontext(&me()->context, &scheduler_context); }
inline void enter(Fiber *fiber) { swapcontext(&scheduler_context, &fiber->context); }
#endif

inline void body() {
  entry(arguments, nullptr, nullptr);
  me()->state = DONE;
  leave();
  abort();
}

inline void prepare(Fiber *fiber) {
  if (!fiber->stack) {
    fiber->stack = (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // An overflow of a stack hits its guard page.
    mprotect(fiber->stack, 4096, PROT_NONE);
  }
  fiber->state = READY;
  fiber->thread.parity = fiber->thread.copy_count = fiber->thread.group = 0;
#ifdef SWITCH_BY_HAND
  void **top = (void **)(fiber->stack + STACK) - 2;
  *top = (void *)body;  // emu_switch returns into it, with the stack aligned as after a call
  for (int i = 1; i <= 6; i++) top[-i] = nullptr;
  fiber->sp = top - 6;
#else
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = STACK;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, body, 0);
#endif
}

inline std::string where(const Fiber *f) {
  char text[160];
  const char *state = f->state == READY ? "runs" : f->state == DONE ? "exited" : f->state == AT_BLOCK ? "waits for its block" : "waits for its warp";
  snprintf(text, sizeof text, "thread (%u,%u,%u) of block (%u,%u,%u) %s", f->thread.index.x, f->thread.index.y,
           f->thread.index.z, block.x, block.y, block.z, state);
  return f->state == READY || f->state == DONE ? text : std::string(text) + " at line " + std::to_string(f->line);
}
inline void fail(const char *message) {
  if (failure.empty()) failure = std::string(message) + ": " + where(me());
}
inline void block_barrier(int line) {
  me()->state = AT_BLOCK;
  me()->line = line;
  leave();
  // Lanes may have exchanged unequal numbers of values so far, and all have been read.
  current->parity = 0;
}
// Lanes that wait with the same mask go on together; those of another mask neither wait for them nor hold them up.
inline void warp_barrier(unsigned mask, int line) {
  me()->line = line;
  if (!(mask >> current->lane & 1)) return fail(("A barrier of a warp at line " + std::to_string(line) + " whose mask does not name its own lane").c_str());
  me()->state = AT_WARP;
  me()->mask = mask;
  leave();
}
inline EmuThread *lane(unsigned i) {
  size_t at = current->warp * 32 + i, count = (size_t)block_size.x * block_size.y * block_size.z;
  return at < count ? &fibers[at]->thread : nullptr;
}
inline const EmuApi api = {&current, &block, &block_size, &grid_size, &dynamic_shared, block_barrier, warp_barrier,
                           lane,     fail,   &early_copies};

// Orders: seed 0 counts up, 1 counts down, others shuffle.
inline void order(std::vector<unsigned> &list, size_t n, uint64_t &state) {
  list.resize(n);
  for (size_t i = 0; i < n; i++) list[i] = (unsigned)(seed == 1 ? n - 1 - i : i);
  if (seed < 2) return;
  for (size_t i = n; i > 1; i--) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    std::swap(list[i - 1], list[(state >> 33) % i]);
  }
}

// Runs the fibers of one warp until each waits for the block or is done. False on divergence.
inline bool run_warp(size_t first, size_t end, const std::vector<unsigned> &lanes) {
  for (;;) {
    for (unsigned i : lanes) {
      if (first + i >= end || fibers[first + i]->state != READY) continue;
      current = &fibers[first + i]->thread;
      enter(fibers[first + i]);
      if (!failure.empty()) return false;
    }
    Fiber *waiting = nullptr;
    for (unsigned i : lanes)
      if (!waiting && first + i < end && fibers[first + i]->state == AT_WARP) waiting = fibers[first + i];
    if (!waiting) return true;
    for (size_t i = first; i < end; i++) {
      Fiber *f = fibers[i];
      if (!(waiting->mask >> (i - first) & 1)) continue;
      if (f->state != AT_WARP || f->mask != waiting->mask || f->line != waiting->line) {
        failure = "Divergence within a warp: " + where(waiting) + ", " + where(f);
        return false;
      }
    }
    for (size_t i = first; i < end; i++)
      if (waiting->mask >> (i - first) & 1) fibers[i]->state = READY;
  }
}

inline bool run_block(size_t threads, uint64_t &random) {
  static std::vector<unsigned> warps, lanes;
  for (size_t i = 0; i < threads; i++) {
    Fiber *f = fibers[i];
    f->thread.index = {(unsigned)(i % block_size.x), (unsigned)(i / block_size.x % block_size.y),
                       (unsigned)(i / block_size.x / block_size.y)};
    f->thread.lane = (unsigned)(i % 32);
    f->thread.warp = (unsigned)(i / 32);
    prepare(f);
  }
  for (;;) {
    order(warps, (threads + 31) / 32, random);
    order(lanes, 32, random);
    for (unsigned w : warps)
      if (!run_warp(w * 32, w * 32 + 32 < threads ? w * 32 + 32 : threads, lanes)) return false;
    Fiber *waiting = nullptr, *other = nullptr;
    for (size_t i = 0; i < threads; i++)
      if (fibers[i]->state == AT_BLOCK) waiting = fibers[i];
    if (!waiting) return true;
    for (size_t i = 0; i < threads && !other; i++)
      if (fibers[i]->state != AT_BLOCK || fibers[i]->line != waiting->line) other = fibers[i];
    if (other) {
      failure = "Divergence within a block: " + where(waiting) + ", " + where(other);
      return false;
    }
    for (size_t i = 0; i < threads; i++) fibers[i]->state = READY;
  }
}

inline void on_signal(int number, siginfo_t *info, void *) {
  if (!running) {
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  char text[120];
  snprintf(text, sizeof text, "Access to unmapped memory at %p", info->si_addr);
  // A misaligned access that has been reported may also fault.
  if (failure.empty()) failure = std::string(text) + ": " + where(me());
  siglongjmp(escape, 1);
}

// Runs a grid. `shared` is the library's static shared memory, `dynamic` bytes of it are asked for at the launch.
// Returns what went wrong, empty when nothing did.
inline std::string run(long (*kernel)(const char *, void **, char *), const std::string &packed, uint3 grid, uint3 size,
                       char *shared, size_t shared_bytes, size_t dynamic) {
  const size_t GUARD = 256;
  size_t threads = (size_t)size.x * size.y * size.z;
  while (fibers.size() < threads) fibers.push_back((Fiber *)calloc(1, sizeof(Fiber)));
  // Dynamic shared memory ends at a guard page, as exactly as an alignment of 16 allows.
  size_t pages = (dynamic + GUARD + 4095) / 4096 * 4096;
  char *memory = (char *)mmap(nullptr, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory + pages, 4096, PROT_NONE);
  dynamic_shared = memory + pages - (dynamic + 15) / 16 * 16;
  block_size = size;
  grid_size = grid;
  entry = kernel;
  arguments = packed.data();
  failure.clear();
  early_copies = seed % 2 == 1;

  static char *signal_stack = (char *)malloc(64 << 10);
  stack_t stack = {}, old_stack;
  stack.ss_sp = signal_stack;
  stack.ss_size = 64 << 10;
  sigaltstack(&stack, &old_stack);
  struct sigaction action = {}, old_segv, old_bus;
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  running = 1;
  if (!sigsetjmp(escape, 1)) {
    uint64_t random = seed * 2654435761u + 1;
    std::vector<unsigned> list;
    order(list, (size_t)grid.x * grid.y * grid.z, random);
    for (unsigned i : list) {
      block = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
      memset(shared, 0xff, shared_bytes);
      memset(memory, 0xff, pages);
      if (!run_block(threads, random)) break;
      for (char *p = memory; p < dynamic_shared; p++)
        if (*p != (char)0xff) {
          failure = "A write before dynamic shared memory: block " + std::to_string(block.x);
          break;
        }
      if (!failure.empty()) break;
    }
  }
  running = 0;
  sigaction(SIGSEGV, &old_segv, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
  sigaltstack(&old_stack, nullptr);
  munmap(memory, pages + 4096);
  return failure;
}

}  // namespace blocks
