// A small thread pool: each thread, the caller included, takes an even share of the tasks in order, then steals work
// from others; waiting threads spin briefly, then sleep, and nobody waits for one that wakes too late. So the same
// rows tend to be processed by the same thread, whose caches hold them. How work is split into tasks never changes a
// result: a sum across tasks is kept per task and added up in order.
#pragma once

typedef void (*Task)(void *args, long index);
typedef void (*RangeTask)(void *args, long from, long to);

// Runs task(args, 0 .. count-1) and returns when all are done. Not from within a task.
void pool_run(Task task, void *args, long count);
// Runs task over [0, count) in pieces of `grain`: piece i is [i * grain, ...).
void pool_range(RangeTask task, void *args, long count, long grain);
// Number of threads, the caller included.
int pool_threads(void);
// A number of each thread's own, 0 at first; tasks find that of the thread that hands them out.
extern __thread int pool_mode;

// Scratch floats of the current thread, aligned to 64 bytes, kept and grown as needed; NULL without memory.
// Slot 0 is the matrix products'.
#define SCRATCH_SLOTS 8
float *pool_scratch(int slot, long floats);

// Rows of `width` floats that make a piece worth a thread's while.
static inline long grain_rows(long width) { return width >= 16384 ? 1 : 16384 / (width > 0 ? width : 1); }
