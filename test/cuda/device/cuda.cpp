// A stand-in for libcuda.so.1: the part of the CUDA driver API that the project calls, on the CPU. Memory is the host's,
// with guard bytes around every allocation; kernels are libraries made by the stand-in for libnvrtc (nvrtc.cpp) and run
// by blocks.h. Work on a stream is queued as on a real device and done only when something waits for it, so a missing
// wait shows as old bytes: page-locked host memory is read and written when the queue runs, other host memory at once.
// Waiting events order streams; nothing else does.
//
// With FAKE_DRY in the environment nothing is computed: any image is a module, memory has addresses but no pages, copies to the
// host give ones. So the kernels of any configuration can be compiled by NVIDIA's NVRTC for a GPU that is not here, whose
// FAKE_DEVICE is "name;major;minor;multiprocessors;shared bytes of a block;bytes of memory".
//
// Tests steer it by FAKE_LOSE in the environment (below) and by the functions at the end: fake_log, fake_reset, fake_fail, fake_set_memory, fake_set_device,
// fake_set_order, fake_set_eager, fake_set_tight, fake_set_late_events, fake_set_algorithms,
// fake_errors, fake_allocated.
#include "blocks.h"
#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <deque>
#include <dlfcn.h>
#include <elf.h>
#include <functional>
#include <map>
#include <mutex>
#include <pthread.h>
#include <unistd.h>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
typedef int CUresult;
typedef unsigned long long CUdeviceptr;
typedef int CUdevice;

// As in cuda.h.
enum {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
  INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600,
  ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719, STREAM_CAPTURE_UNSUPPORTED = 900, UNKNOWN = 999
};

namespace {

typedef std::function<CUresult()> Operation;
struct Event;
struct Graph { std::vector<Operation> operations; std::vector<Event *> events; };
struct Stream { std::deque<Operation> queue; Graph *capture = nullptr; };
struct Event { Stream *stream; uint64_t recorded, done; double time; };
struct Library { void *handle; std::string path; };
struct Function { long (*call)(const char *, void **, char *); Library *library; std::string name; char *shared; size_t shared_bytes, dynamic_limit; };
struct Allocation { char *mapping; size_t mapped, bytes; };
struct Failure { long calls; int code; };

const size_t GUARD = 256, BEYOND = 64 << 10, OPT_IN_RESERVED = 1024;
const unsigned char PATTERN = 0xa5, UNSET = 0xff;

std::recursive_mutex mutex;
std::string log_text, errors;
std::map<std::string, Failure> failures;
std::map<char *, Allocation> allocations;
std::map<char *, size_t> pinned;
Stream null_stream;
bool initialized, eager, tight, late_events;
thread_local bool current_context;
pthread_t main_thread;
CUresult sticky;
const bool dry = getenv("FAKE_DRY");
struct Device {
  int devices = 1, major = 8, minor = 0, multiprocessors = 4, opt_in = 166912;
  size_t memory = 1ull << 30;
  std::string name = "Emulated device";
  Device() {
    const char *given = getenv("FAKE_DEVICE"), *rest = given ? strchr(given, ';') : nullptr;
    if (rest && sscanf(rest, ";%d;%d;%d;%d;%zu", &major, &minor, &multiprocessors, &opt_in, &memory) == 5)
      name = std::string(given, rest);
    // FAKE_GPUS cards, of which CUDA_VISIBLE_DEVICES names those that this process may see.
    if (const char *cards = getenv("FAKE_GPUS")) devices = atoi(cards);
    if (const char *list = getenv("CUDA_VISIBLE_DEVICES"); list && getenv("FAKE_GPUS")) {
      for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') visible.push_back(atoi(at));
      devices = (int)visible.size();
    }
  }
  std::vector<int> visible;
} device;
size_t in_use;

// Milliseconds that cuBLASLt's stand-in says it took, and how many algorithms it offers.
double passed;
int algorithms = 1;

double now() { return passed + std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void note(const char *format, ...) {
  if (dry) return;
  char line[400];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  log_text += line;
  log_text += '\n';
}

// FAKE_LOSE=CALL:N:CODE in the environment: the Nth call of CALL, and every one of any call after it, returns CODE.
CUresult lost(const char *name) {
  static const char *wish = getenv("FAKE_LOSE");
  static long left = wish && strchr(wish, ':') ? atol(strchr(wish, ':') + 1) : 0;
  if (left > 0 && !strncmp(wish, name, strlen(name)) && wish[strlen(name)] == ':' && --left == 0) sticky = atoi(strrchr(wish, ':') + 1);
  return sticky;
}

// The failure asked for, the sticky error of an earlier kernel, or 0.
CUresult forced(const char *name) {
  if (CUresult code = lost(name)) return code;
  auto at = failures.find(name);
  if (at != failures.end() && --at->second.calls == 0) {
    int code = at->second.code;
    failures.erase(at);
    return code;
  }
  return sticky;
}

// Begins every call: takes the lock, logs, and returns what tests asked for.
#define BEGIN(name, format, ...)                    \
  std::lock_guard<std::recursive_mutex> lock(mutex); \
  note(name " " format, ##__VA_ARGS__);              \
  if (CUresult code = forced(name)) return code;

Stream *stream_of(void *handle) { return handle ? (Stream *)handle : &null_stream; }

CUresult step(Stream *stream) {
  Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (sticky) return sticky;
  CUresult code = operation();
  if (code) sticky = code;
  return code;
}
CUresult flush(Stream *stream) {
  CUresult first = sticky;
  while (!stream->queue.empty())
    if (CUresult code = step(stream)) first = first ? first : code;
  return first;
}
CUresult flush_until(Event *event, uint64_t recording) {
  while (event->done < recording && !event->stream->queue.empty()) step(event->stream);
  return sticky;
}
CUresult enqueue(Stream *stream, Operation operation) {
  if (dry) return SUCCESS;
  if (stream->capture) return stream->capture->operations.push_back(std::move(operation)), SUCCESS;
  stream->queue.push_back(std::move(operation));
  return eager ? flush(stream) : SUCCESS;
}
std::vector<Stream *> streams;
void flush_all() {
  flush(&null_stream);
  for (Stream *stream : streams) flush(stream);
}

// The allocation that holds [p, p + bytes), or null.
const Allocation *holder(const void *p, size_t bytes) {
  auto at = allocations.upper_bound((char *)p);
  if (at == allocations.begin()) return nullptr;
  --at;
  if ((char *)p + bytes > at->first + at->second.bytes) return nullptr;
  return &at->second;
}
bool is_pinned(const void *p) {
  auto at = pinned.upper_bound((char *)p);
  return at != pinned.begin() && (char *)p < (--at)->first + at->second;
}

// Guard bytes are from the mapping's start to the data, and from the data to the unmapped bytes.
void check_guards(char *start, const Allocation &a, const char *when) {
  if (dry) return;
  const char *end = a.mapping + a.mapped - BEYOND;
  auto bad = [&](const char *from, const char *to) {
    for (const char *p = from; p < to; p++)
      if (*p != (char)PATTERN) return p;
    return (const char *)nullptr;
  };
  const char *at = bad(a.mapping, start);
  if (!at) at = bad(start + a.bytes, end);
  if (!at) return;
  errors += std::string(when) + ": a write " + std::to_string((long)(at - start)) + " bytes from the start of an allocation of " +
            std::to_string(a.bytes) + " bytes\n";
  for (char *p = a.mapping; p < start; p++) *p = (char)PATTERN;
  for (char *p = start + a.bytes; p < end; p++) *p = (char)PATTERN;
}
void check_all(const char *when) {
  for (auto &[start, a] : allocations) check_guards(start, a, when);
}

}  // namespace

// For the stand-in for cuBLASLt.
API int fake_algorithms() { return algorithms; }
API void fake_pass(double ms) { passed += ms; }
API CUresult fake_enqueue(void *stream, const Operation *operation) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return enqueue(stream_of(stream), *operation);
}
API bool fake_is_device_memory(const void *p, size_t bytes) { return holder(p, bytes) != nullptr; }
API CUresult fake_begin(const char *name, const char *arguments) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  note("%s %s", name, arguments);
  return forced(name);
}

// Internal tables of the driver, for NVIDIA's own libraries: NVRTC 13 asks for them, and does without.
API CUresult cuGetExportTable(const void **table, const void *id) {
  BEGIN("cuGetExportTable", "%p", id)
  *table = nullptr;
  return NOT_FOUND;
}
API CUresult cuInit(unsigned flags) {
  BEGIN("cuInit", "%u", flags)
  if (device.devices == 0) return NO_DEVICE;
  initialized = true;
  main_thread = pthread_self();
  return SUCCESS;
}
API CUresult cuDriverGetVersion(int *version) {
  BEGIN("cuDriverGetVersion", "")
  *version = dry ? 13000 : 12090;
  return SUCCESS;
}
API CUresult cuDeviceGetCount(int *count) {
  BEGIN("cuDeviceGetCount", "")
  *count = device.devices;
  return initialized ? SUCCESS : NOT_INITIALIZED;
}
API CUresult cuDeviceGet(CUdevice *handle, int ordinal) {
  BEGIN("cuDeviceGet", "%d", ordinal)
  *handle = ordinal;
  return !initialized ? NOT_INITIALIZED : ordinal >= 0 && ordinal < device.devices ? SUCCESS : INVALID_DEVICE;
}
API CUresult cuDeviceGetName(char *name, int length, CUdevice handle) {
  BEGIN("cuDeviceGetName", "%d", handle)
  int card = device.visible.empty() ? handle : device.visible.at((size_t)handle);
  snprintf(name, (size_t)length, "%s %d", device.name.c_str(), card);
  if (device.name != "Emulated device") snprintf(name, (size_t)length, "%s", device.name.c_str());
  return SUCCESS;
}
API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice handle) {
  BEGIN("cuDeviceGetAttribute", "%d %d", attribute, handle)
  switch (attribute) {
    case 1: *value = 1024; break;                      // MAX_THREADS_PER_BLOCK
    case 8: *value = 48 << 10; break;                  // MAX_SHARED_MEMORY_PER_BLOCK
    case 10: *value = 32; break;                       // WARP_SIZE
    case 13: *value = 1500000; break;                  // CLOCK_RATE, kHz
    case 16: *value = device.multiprocessors; break;   // MULTIPROCESSOR_COUNT
    case 18: *value = 0; break;                        // INTEGRATED
    case 33: *value = 1; break;                        // PCI_BUS_ID
    case 36: *value = 1000000; break;                  // MEMORY_CLOCK_RATE, kHz
    case 37: *value = 256; break;                      // GLOBAL_MEMORY_BUS_WIDTH
    case 38: *value = 4 << 20; break;                  // L2_CACHE_SIZE
    case 75: *value = device.major; break;             // COMPUTE_CAPABILITY_MAJOR
    case 76: *value = device.minor; break;             // COMPUTE_CAPABILITY_MINOR
    case 81: *value = device.opt_in + (int)OPT_IN_RESERVED; break;  // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    case 97: *value = device.opt_in; break;            // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    default: return INVALID_VALUE;
  }
  return SUCCESS;
}
API CUresult cuDeviceGetUuid_v2(unsigned char *uuid, CUdevice handle) {
  BEGIN("cuDeviceGetUuid_v2", "%d", handle)
  for (int i = 0; i < 16; i++) uuid[i] = (unsigned char)(handle * 16 + i);
  return SUCCESS;
}
API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice handle) {
  BEGIN("cuDeviceTotalMem_v2", "%d", handle)
  *bytes = device.memory;
  return SUCCESS;
}
API CUresult cuDevicePrimaryCtxRetain(void **context, CUdevice handle) {
  BEGIN("cuDevicePrimaryCtxRetain", "%d", handle)
  *context = &device;
  return SUCCESS;
}
API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice handle) {
  BEGIN("cuDevicePrimaryCtxRelease_v2", "%d", handle)
  return SUCCESS;
}
API CUresult cuCtxSetCurrent(void *context) {
  BEGIN("cuCtxSetCurrent", "%p", context)
  current_context = context != nullptr;
  return SUCCESS;
}
API CUresult cuCtxSynchronize() {
  BEGIN("cuCtxSynchronize", "")
  flush_all();
  check_all("cuCtxSynchronize");
  return sticky;
}

API CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes) {
  BEGIN("cuMemAlloc_v2", "%zu", bytes)
  if (!current_context) return INVALID_CONTEXT;
  if (bytes == 0) return INVALID_VALUE;
  if (in_use + bytes > device.memory) return OUT_OF_MEMORY;
  // As on the device, at a multiple of 256; `tight` puts the end there instead, for reads beyond it to show.
  size_t space = (GUARD + (bytes + 255) / 256 * 256 + (tight ? 0 : GUARD) + 4095) / 4096 * 4096;
  char *mapping = (char *)mmap(nullptr, space + BEYOND, dry ? PROT_NONE : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return OUT_OF_MEMORY;
  if (dry) {
    allocations[mapping + GUARD] = {mapping, space + BEYOND, bytes};
    in_use += bytes;
    *out = (CUdeviceptr)(mapping + GUARD);
    return SUCCESS;
  }
  mprotect(mapping + space, BEYOND, PROT_NONE);
  char *start = tight ? mapping + space - (bytes + 15) / 16 * 16 : mapping + GUARD;
  memset(mapping, PATTERN, (size_t)(start - mapping));
  // Not-a-number, so that what is read before it is written shows; large arrays only at their start.
  memset(start, UNSET, bytes < (64 << 20) ? bytes : 1 << 20);
  memset(start + bytes, PATTERN, (size_t)(mapping + space - start) - bytes);
  allocations[start] = {mapping, space + BEYOND, bytes};
  in_use += bytes;
  *out = (CUdeviceptr)start;
  return SUCCESS;
}
API CUresult cuMemFree_v2(CUdeviceptr p) {
  BEGIN("cuMemFree_v2", "%llx", p)
  auto at = allocations.find((char *)p);
  if (at == allocations.end()) return INVALID_VALUE;
  flush_all();
  check_guards(at->first, at->second, "cuMemFree_v2");
  in_use -= at->second.bytes;
  munmap(at->second.mapping, at->second.mapped);
  allocations.erase(at);
  return SUCCESS;
}
API CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  BEGIN("cuMemGetInfo_v2", "")
  *available = device.memory - in_use;
  *total = device.memory;
  return SUCCESS;
}
API CUresult cuMemAllocHost_v2(void **out, size_t bytes) {
  BEGIN("cuMemAllocHost_v2", "%zu", bytes)
  *out = malloc(bytes);
  pinned[(char *)*out] = bytes;
  return SUCCESS;
}
API CUresult cuMemFreeHost(void *p) {
  BEGIN("cuMemFreeHost", "%p", p)
  if (!pinned.count((char *)p)) return INVALID_VALUE;
  flush_all();
  pinned.erase((char *)p);
  free(p);
  return SUCCESS;
}

API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, void *stream) {
  BEGIN("cuMemcpyHtoDAsync_v2", "%zu", bytes)
  if (!holder((void *)to, bytes)) return INVALID_VALUE;
  if (is_pinned(from)) return enqueue(stream_of(stream), [=] { memcpy((void *)to, from, bytes); return SUCCESS; });
  if (dry) return SUCCESS;
  std::string copy((const char *)from, bytes);
  return enqueue(stream_of(stream), [=] { memcpy((void *)to, copy.data(), bytes); return SUCCESS; });
}
API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, void *stream) {
  BEGIN("cuMemcpyDtoHAsync_v2", "%zu", bytes)
  if (!holder((void *)from, bytes)) return INVALID_VALUE;
  if (dry) std::fill((float *)to, (float *)to + bytes / 4, 1.0f);
  CUresult code = enqueue(stream_of(stream), [=] { memcpy(to, (void *)from, bytes); return SUCCESS; });
  return code || is_pinned(to) ? code : flush(stream_of(stream));
}
API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, void *stream) {
  BEGIN("cuMemcpyDtoDAsync_v2", "%zu", bytes)
  if (!holder((void *)from, bytes) || !holder((void *)to, bytes)) return INVALID_VALUE;
  return enqueue(stream_of(stream), [=] { memmove((void *)to, (void *)from, bytes); return SUCCESS; });
}
API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, void *stream) {
  BEGIN("cuMemsetD8Async", "%u %zu", value, count)
  if (!holder((void *)to, count)) return INVALID_VALUE;
  return enqueue(stream_of(stream), [=] { memset((void *)to, value, count); return SUCCESS; });
}
API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, void *stream) {
  BEGIN("cuMemsetD32Async", "%u %zu", value, count)
  if (!holder((void *)to, count * 4) || to % 4) return INVALID_VALUE;
  return enqueue(stream_of(stream), [=] { std::fill((unsigned *)to, (unsigned *)to + count, value); return SUCCESS; });
}

API CUresult cuStreamCreate(void **out, unsigned flags) {
  BEGIN("cuStreamCreate", "%u", flags)
  if (!current_context) return INVALID_CONTEXT;
  Stream *stream = new Stream;
  streams.push_back(stream);
  *out = stream;
  return SUCCESS;
}
// Capture: what is enqueued becomes a graph and is not done; waiting for the stream is an error.
API CUresult cuStreamBeginCapture_v2(void *stream, int mode) {
  BEGIN("cuStreamBeginCapture_v2", "%d", mode)
  if (stream_of(stream)->capture) return STREAM_CAPTURE_UNSUPPORTED;
  stream_of(stream)->capture = new Graph;
  return SUCCESS;
}
API CUresult cuStreamEndCapture(void *stream, void **graph) {
  BEGIN("cuStreamEndCapture", "")
  if (!stream_of(stream)->capture) return INVALID_VALUE;
  *graph = stream_of(stream)->capture;
  stream_of(stream)->capture = nullptr;
  return SUCCESS;
}
API CUresult cuGraphInstantiateWithFlags(void **out, void *graph, unsigned long long flags) {
  BEGIN("cuGraphInstantiateWithFlags", "%llu", flags)
  *out = new Graph(*(Graph *)graph);
  return SUCCESS;
}
API CUresult cuGraphLaunch(void *graph, void *stream) {
  BEGIN("cuGraphLaunch", "%zu", ((Graph *)graph)->operations.size())
  // Whether a wait that comes before the graph's record of the event waits for it is not documented: both are tried.
  if (!late_events)
    for (Event *event : ((Graph *)graph)->events) event->stream = stream_of(stream), event->recorded++;
  for (const Operation &operation : ((Graph *)graph)->operations) enqueue(stream_of(stream), operation);
  return SUCCESS;
}
API CUresult cuGraphExecDestroy(void *graph) {
  BEGIN("cuGraphExecDestroy", "")
  delete (Graph *)graph;
  return SUCCESS;
}
API CUresult cuGraphDestroy(void *graph) {
  BEGIN("cuGraphDestroy", "")
  delete (Graph *)graph;
  return SUCCESS;
}

API CUresult cuStreamSynchronize(void *stream) {
  BEGIN("cuStreamSynchronize", "")
  if (stream_of(stream)->capture) return STREAM_CAPTURE_UNSUPPORTED;
  flush(stream_of(stream));
  check_all("cuStreamSynchronize");
  return sticky;
}
API CUresult cuStreamQuery(void *handle) {
  BEGIN("cuStreamQuery", "")
  Stream *stream = stream_of(handle);
  if (stream->queue.empty()) return SUCCESS;
  CUresult code = step(stream);
  return code ? code : NOT_READY;
}
API CUresult cuStreamWaitEvent(void *stream, void *handle, unsigned) {
  BEGIN("cuStreamWaitEvent", "")
  Event *event = (Event *)handle;
  uint64_t recording = event->recorded;
  return enqueue(stream_of(stream), [=] { return recording ? flush_until(event, recording) : SUCCESS; });
}
API CUresult cuStreamDestroy_v2(void *stream) {
  BEGIN("cuStreamDestroy_v2", "")
  flush((Stream *)stream);
  streams.erase(std::find(streams.begin(), streams.end(), (Stream *)stream));
  delete (Stream *)stream;
  return SUCCESS;
}
API CUresult cuEventCreate(void **out, unsigned flags) {
  BEGIN("cuEventCreate", "%u", flags)
  *out = new Event{&null_stream, 0, 0, 0};
  return SUCCESS;
}
API CUresult cuEventRecord(void *handle, void *stream) {
  BEGIN("cuEventRecord", "")
  Event *event = (Event *)handle;
  event->stream = stream_of(stream);
  if (event->stream->capture) return STREAM_CAPTURE_UNSUPPORTED;
  uint64_t recording = ++event->recorded;
  if (dry) event->done = recording, event->time = now();
  return enqueue(event->stream, [=] { event->done = recording; event->time = now(); return SUCCESS; });
}
API CUresult cuEventRecordWithFlags(void *handle, void *stream, unsigned flags) {
  if (flags == 0) return cuEventRecord(handle, stream);
  BEGIN("cuEventRecordWithFlags", "%u", flags)
  // External: only in work that is captured, which records the event each time it runs.
  Graph *graph = stream_of(stream)->capture;
  if (!graph || flags != 1) return INVALID_VALUE;
  Event *event = (Event *)handle;
  graph->events.push_back(event);
  return enqueue(stream_of(stream), [=] {
    if (late_events) event->recorded++;
    event->done = event->recorded;
    event->time = now();
    return SUCCESS;
  });
}
API CUresult cuEventQuery(void *handle) {
  BEGIN("cuEventQuery", "")
  Event *event = (Event *)handle;
  if (event->done == event->recorded) return SUCCESS;
  // Polling makes progress, one operation a time.
  CUresult code = event->stream->queue.empty() ? SUCCESS : step(event->stream);
  return code ? code : NOT_READY;
}
API CUresult cuEventSynchronize(void *handle) {
  BEGIN("cuEventSynchronize", "%s", pthread_equal(pthread_self(), main_thread) ? "" : "aside")
  if (!current_context) return INVALID_CONTEXT;
  return flush_until((Event *)handle, ((Event *)handle)->recorded);
}
API CUresult cuEventElapsedTime(float *ms, void *from, void *to) {
  BEGIN("cuEventElapsedTime", "")
  Event *a = (Event *)from, *b = (Event *)to;
  if (!a->recorded || !b->recorded) return INVALID_HANDLE;
  if (a->done != a->recorded || b->done != b->recorded) return NOT_READY;
  *ms = (float)(b->time - a->time);
  return SUCCESS;
}
API CUresult cuEventDestroy_v2(void *event) {
  BEGIN("cuEventDestroy_v2", "")
  flush_until((Event *)event, ((Event *)event)->recorded);
  delete (Event *)event;
  return SUCCESS;
}

API CUresult cuModuleLoadData(void **out, const void *image) {
  BEGIN("cuModuleLoadData", "")
  if (dry) return *out = new Library{nullptr, ""}, SUCCESS;
  // The image is a shared library; its size stands in its header.
  if (memcmp(image, ELFMAG, SELFMAG)) return INVALID_IMAGE;
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
  size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
  const char *folder = getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/emulated-kernels-XXXXXX";
  int file = mkstemp(path.data());
  if (file < 0) return UNKNOWN;
  for (size_t done = 0; done < bytes;) {
    ssize_t wrote = write(file, (const char *)image + done, bytes - done);
    if (wrote <= 0) break;
    done += (size_t)wrote;
  }
  close(file);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(path.c_str());
  if (!handle) {
    errors += std::string("dlopen: ") + dlerror() + "\n";
    return INVALID_IMAGE;
  }
  const int *arch = (const int *)dlsym(handle, "emu_arch");
  if (!arch || *arch > device.major * 10 + device.minor || *arch / 10 != device.major) {
    dlclose(handle);
    return NO_BINARY_FOR_GPU;
  }
  ((void (*)(const EmuApi *))dlsym(handle, "emu_bind"))(&blocks::api);
  *out = new Library{handle, path};
  return SUCCESS;
}
API CUresult cuModuleUnload(void *module) {
  BEGIN("cuModuleUnload", "")
  flush_all();
  dlclose(((Library *)module)->handle);
  delete (Library *)module;
  return SUCCESS;
}
API CUresult cuModuleGetFunction(void **out, void *module, const char *name) {
  BEGIN("cuModuleGetFunction", "%s", name)
  Library *library = (Library *)module;
  if (dry) return *out = new Function{nullptr, library, name, nullptr, 0, 48 << 10}, SUCCESS;
  auto call = (long (*)(const char *, void **, char *))dlsym(library->handle, (std::string("emu_call_") + name).c_str());
  if (!call) return NOT_FOUND;
  char *shared = nullptr;
  size_t bytes = 0;
  ((void (*)(char **, size_t *))dlsym(library->handle, "emu_shared_memory"))(&shared, &bytes);
  *out = new Function{call, library, name, shared, bytes, 48 << 10};
  return SUCCESS;
}
API CUresult cuFuncSetAttribute(void *handle, int attribute, int value) {
  BEGIN("cuFuncSetAttribute", "%s %d %d", ((Function *)handle)->name.c_str(), attribute, value)
  if (attribute == 8) {  // MAX_DYNAMIC_SHARED_SIZE_BYTES
    if (value < 0 || value > device.opt_in) return INVALID_VALUE;
    ((Function *)handle)->dynamic_limit = (size_t)value;
  }
  return SUCCESS;
}
API CUresult cuFuncGetAttribute(int *value, int attribute, void *handle) {
  BEGIN("cuFuncGetAttribute", "%d %s", attribute, ((Function *)handle)->name.c_str())
  Function *function = (Function *)handle;
  switch (attribute) {
    case 0: *value = 1024; break;                          // MAX_THREADS_PER_BLOCK
    case 1: *value = (int)function->shared_bytes; break;   // SHARED_SIZE_BYTES
    case 3: *value = 0; break;                             // LOCAL_SIZE_BYTES
    case 4: *value = 32; break;                            // NUM_REGS
    case 8: *value = (int)function->dynamic_limit; break;  // MAX_DYNAMIC_SHARED_SIZE_BYTES
    default: return INVALID_VALUE;
  }
  return SUCCESS;
}

API CUresult cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                            unsigned shared, void *stream, void **parameters, void **extra) {
  Function *function = (Function *)handle;
  BEGIN("cuLaunchKernel", "%s grid %u %u %u block %u %u %u shared %u", function->name.c_str(), gx, gy, gz, bx, by, bz, shared)
  if (!gx || !gy || !gz || !bx || !by || !bz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 || bz > 64) return INVALID_VALUE;
  if ((size_t)bx * by * bz > 1024 || shared > function->dynamic_limit) return INVALID_VALUE;
  if (dry) return SUCCESS;
  std::string packed((size_t)function->call(nullptr, nullptr, nullptr), 0);
  if (parameters && extra) return INVALID_VALUE;
  if (extra) {
    // Pairs of a name and a value; a null name ends them.
    const char *buffer = nullptr;
    size_t bytes = 0;
    for (void **pair = extra; pair[0]; pair += 2) {
      if ((size_t)pair[0] == 1) buffer = (const char *)pair[1];
      else if ((size_t)pair[0] == 2) bytes = *(size_t *)pair[1];
      else return INVALID_VALUE;
    }
    if ((!buffer && packed.size()) || bytes < packed.size() || bytes > (packed.size() + 7) / 8 * 8) {
      errors += function->name + ": got " + std::to_string(bytes) + " bytes of arguments, needs " + std::to_string(packed.size()) + "\n";
      return INVALID_VALUE;
    }
    if (packed.size()) memcpy(packed.data(), buffer, packed.size());
  } else if (packed.size()) {
    if (!parameters) return INVALID_VALUE;
    function->call(nullptr, parameters, packed.data());
  }
  return enqueue(stream_of(stream), [=] {
    std::string failure = blocks::run(function->call, packed, {gx, gy, gz}, {bx, by, bz}, function->shared, function->shared_bytes, shared);
    check_all(function->name.c_str());
    if (failure.empty()) return (CUresult)SUCCESS;
    errors += function->name + ": " + failure + "\n";
    auto starts = [&](const char *text) { return failure.rfind(text, 0) == 0; };
    return (CUresult)(starts("Access") ? ILLEGAL_ADDRESS : starts("Misaligned") ? MISALIGNED_ADDRESS : LAUNCH_FAILED);
  });
}

static const std::map<int, std::pair<const char *, const char *>> NAMES = {
    {SUCCESS, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {INVALID_IMAGE, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {NO_BINARY_FOR_GPU, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
    {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {NOT_READY, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {ILLEGAL_ADDRESS, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
    {LAUNCH_OUT_OF_RESOURCES, {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"}},
    {MISALIGNED_ADDRESS, {"CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"}},
    {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
    {UNKNOWN, {"CUDA_ERROR_UNKNOWN", "unknown error"}},
};
API CUresult cuGetErrorName(CUresult code, const char **text) {
  auto at = NAMES.find(code);
  *text = at == NAMES.end() ? nullptr : at->second.first;
  return *text ? SUCCESS : INVALID_VALUE;
}
API CUresult cuGetErrorString(CUresult code, const char **text) {
  auto at = NAMES.find(code);
  *text = at == NAMES.end() ? nullptr : at->second.second;
  return *text ? SUCCESS : INVALID_VALUE;
}

// One line a call: its name and arguments, oldest first.
API const char *fake_log() { return log_text.c_str(); }
// What kernels did wrong, one line each.
API const char *fake_errors() { return errors.c_str(); }
// Empties log and errors, forgets the failures asked for and the sticky error; memory stays allocated.
API void fake_reset() {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  log_text.clear();
  errors.clear();
  failures.clear();
  sticky = SUCCESS;
}
// The nth call of `name` from now on returns `code` and does nothing.
API void fake_fail(const char *name, long nth, int code) { failures[name] = {nth, code}; }
// Bytes of device memory.
API void fake_set_memory(double bytes) { device.memory = (size_t)bytes; }
API void fake_set_device(int devices, int major, int minor, int multiprocessors, int shared_opt_in) {
  device.devices = devices;
  device.major = major;
  device.minor = minor;
  device.multiprocessors = multiprocessors;
  device.opt_in = shared_opt_in;
}
// The order of blocks and threads: 0 counts up, 1 down, others shuffle.
API void fake_set_order(double seed) { blocks::seed = (uint64_t)seed; }
// True: work is done when it is asked for, not when it is waited for.
API void fake_set_eager(int on) { eager = on; }
// True: allocations end at unmapped memory, so that reads beyond them show; they start at multiples of 16 only.
API void fake_set_tight(int on) { tight = on; }
// Algorithms that cuBLASLt offers for a product; 1 unless set.
API void fake_set_algorithms(int n) { algorithms = n; }
// True: a graph's record of an event does not show before the graph gets there.
API void fake_set_late_events(int on) { late_events = on; }
// Bytes of device memory in use.
API double fake_allocated() { return (double)in_use; }
