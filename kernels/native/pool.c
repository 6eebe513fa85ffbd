// The thread pool of pool.h. One per process; Node's worker threads that share the library take turns with it;
// everything else that is kept here between calls belongs to one worker.
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "pool.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define MAX_THREADS 256
// How long a thread spins for work before it sleeps: longer than the gap between two kernels of a training step, as on a
// busy machine a thread that slept waits for another process's time slice to end.
#define SPIN_NANOSECONDS 1000000

static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static int threads = 1, started = 1, sleeping = 0, open_for_work = 0;
static atomic_long epoch = 0;
static atomic_int active = 0;
// The tasks that a thread takes first, a cache line each; `workers` of them are in use.
static struct { atomic_long next; long end; char rest[48]; } shares[MAX_THREADS] __attribute__((aligned(64)));
static int workers = 0;
static Task task;
static void *task_args;
static int task_mode;
__thread int pool_mode = 0;
static __thread struct { float *at; long size; } scratch[SCRATCH_SLOTS];

int pool_threads(void) { return threads; }

float *pool_scratch(int slot, long floats) {
  if (scratch[slot].size < floats || !scratch[slot].at) {
    free(scratch[slot].at);
    scratch[slot].size = 0;
    if (posix_memalign((void **)&scratch[slot].at, 64, sizeof(float) * (size_t)(floats + 16))) {
      scratch[slot].at = NULL;
      return NULL;
    }
    scratch[slot].size = floats;
  }
  return scratch[slot].at;
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static long nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

// Waits a little for a condition.
#define SPIN_WHILE(condition)                                                      \
  for (long start = 0, spin = 0; (condition); spin++) {                             \
    relax();                                                                        \
    if (spin % 32) continue;                                                        \
    if (!start) start = nanoseconds();                                              \
    else if (nanoseconds() - start > SPIN_NANOSECONDS) break;                       \
  }

// Its own share, then steals from others.
static void draw(int self) {
  for (int k = 0; k < workers; k++) {
    int owner = (self + k) % workers;
    long i;
    while (atomic_load(&shares[owner].next) < shares[owner].end)
      if ((i = atomic_fetch_add(&shares[owner].next, 1)) < shares[owner].end) task(task_args, i);
  }
}

static void *worker(void *number) {
  int self = (int)(long)number;
  long seen = 0;
  for (;;) {
    SPIN_WHILE(atomic_load(&epoch) == seen)
    pthread_mutex_lock(&lock);
    while (atomic_load(&epoch) == seen) {
      sleeping++;
      pthread_cond_wait(&wake, &lock);
      sleeping--;
    }
    seen = atomic_load(&epoch);
    int joins = open_for_work && self < threads;
    if (joins) atomic_fetch_add(&active, 1);
    pthread_mutex_unlock(&lock);
    if (!joins) continue;
    pool_mode = task_mode;
    draw(self);
    pthread_mutex_lock(&lock);
    if (atomic_fetch_sub(&active, 1) == 1) pthread_cond_signal(&done);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

// The threads sleep in this library's code: it must stay when a caller unloads it.
static void stay_loaded(void) {
  static int held = 0;
  Dl_info info;
  if (!held && dladdr((void *)&worker, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_NOW);
  held = 1;
}

// Sets the number of threads; returns how many there are (fewer when the system refuses).
int tg_set_threads(int wanted) {
  pthread_mutex_lock(&run_lock);
  if (wanted < 1) wanted = 1;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  stay_loaded();
  while (started < wanted) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 21);
    int failed = pthread_create(&thread, &attributes, worker, (void *)(long)started);
    pthread_attr_destroy(&attributes);
    if (failed) break;
    started++;
  }
  pthread_mutex_lock(&lock);
  threads = wanted < started ? wanted : started;
  int now = threads;
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&run_lock);
  return now;
}

void pool_run(Task work, void *args, long count) {
  if (count <= 1 || threads == 1) {
    for (long i = 0; i < count; i++) work(args, i);
    return;
  }
  pthread_mutex_lock(&run_lock);
  pthread_mutex_lock(&lock);
  task = work;
  task_args = args;
  task_mode = pool_mode;
  workers = threads;
  for (int t = 0; t < workers; t++) {
    atomic_store(&shares[t].next, count * t / workers);
    shares[t].end = count * (t + 1) / workers;
  }
  open_for_work = 1;
  atomic_fetch_add(&epoch, 1);
  int sleepers = sleeping;
  pthread_mutex_unlock(&lock);
  if (sleepers) pthread_cond_broadcast(&wake);
  draw(0);
  SPIN_WHILE(atomic_load(&active) > 0)
  pthread_mutex_lock(&lock);
  open_for_work = 0;
  while (atomic_load(&active) > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&run_lock);
}

typedef struct {
  RangeTask task;
  void *args;
  long count, grain;
} Range;

static void range_piece(void *args, long index) {
  Range *r = args;
  long from = index * r->grain, to = from + r->grain;
  r->task(r->args, from, to < r->count ? to : r->count);
}

void pool_range(RangeTask work, void *args, long count, long grain) {
  Range r = {work, args, count, grain};
  pool_run(range_piece, &r, (count + grain - 1) / grain);
}
