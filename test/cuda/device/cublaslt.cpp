// A stand-in for libcublasLt.so.12: matrix products in plain loops on the memory of the stand-in for libcuda, queued on
// its streams. Operands are float32 or bfloat16 (C and D too), sums float32, in column or row order, transposed or not,
// batched, with the epilogues RELU, BIAS and RELU_BIAS. What the real library would refuse (operands that differ in
// type, shapes that do not fit, addresses that are no device memory or not aligned to their type) is refused.
// Enum values are cublasLt.h's.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
typedef int cublasStatus_t;
enum { SUCCESS = 0, NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7, ARCH_MISMATCH = 8, EXECUTION_FAILED = 13, INTERNAL_ERROR = 14, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_16BF = 14 };
enum { ORDER_COL = 0, ORDER_ROW = 1 };
enum { COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69, COMPUTE_32F_FAST_16BF = 75, COMPUTE_32F_FAST_TF32 = 77 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_RELU = 2, EPILOGUE_BIAS = 4, EPILOGUE_RELU_BIAS = 6 };

// In cuda.cpp.
extern "C" int fake_enqueue(void *stream, const std::function<int()> *operation);
extern "C" bool fake_is_device_memory(const void *p, size_t bytes);
extern "C" int fake_begin(const char *name, const char *arguments);
// Absent from other stand-ins for libcuda.
extern "C" __attribute__((weak)) int fake_algorithms();
extern "C" __attribute__((weak)) void fake_pass(double ms);

namespace {
struct Desc { int compute, scale, pointer_mode = 0, ta = 0, tb = 0, tc = 0, epilogue = EPILOGUE_DEFAULT; const void *bias = nullptr; int bias_type = -1; };
struct Layout { int type; uint64_t rows, cols; int64_t ld; int order = ORDER_COL; int batch = 1; int64_t stride = 0; };
struct Preference { uint64_t workspace = 0; };
struct Heuristic { uint64_t algo[8]; size_t workspace; int state; float waves; int reserved[4]; };
static_assert(sizeof(Heuristic) == 96, "cublasLtMatmulHeuristicResult_t");

float load(const void *p, int64_t i, int type) {
  if (type == R_32F) return ((const float *)p)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)p)[i] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
void store(void *p, int64_t i, int type, float x) {
  if (type == R_32F) {
    ((float *)p)[i] = x;
    return;
  }
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = x != x ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
  ((uint16_t *)p)[i] = (uint16_t)(bits >> 16);
}
int64_t place(const Layout &l, uint64_t row, uint64_t column, int64_t b) {
  return b * l.stride + (l.order == ORDER_COL ? (int64_t)row + (int64_t)column * l.ld : (int64_t)row * l.ld + (int64_t)column);
}
size_t width(int type) { return type == R_32F ? 4 : 2; }
size_t extent(const Layout &l) { return (size_t)(place(l, l.rows - 1, l.cols - 1, l.batch - 1) + 1) * width(l.type); }

template <typename T> cublasStatus_t take(T &field, const void *value, size_t bytes) {
  if (bytes != sizeof(T)) return INVALID_VALUE;
  memcpy(&field, value, bytes);
  return SUCCESS;
}

// SUCCESS, or why a product cannot be: with logical sizes M, N, K of op(A) op(B).
cublasStatus_t fits(const Desc &d, const Layout &a, const Layout &b, const Layout &c, const Layout &o, uint64_t &K) {
  uint64_t M = d.ta ? a.cols : a.rows, N = d.tb ? b.rows : b.cols;
  K = d.ta ? a.rows : a.cols;
  if ((d.tb ? b.cols : b.rows) != K || o.rows != M || o.cols != N || c.rows != M || c.cols != N) return INVALID_VALUE;
  for (const Layout *l : {&a, &b, &c, &o}) {
    if (l->type != R_32F && l->type != R_16BF) return NOT_SUPPORTED;
    if (l->ld < (int64_t)(l->order == ORDER_COL ? l->rows : l->cols) || l->batch != o.batch) return INVALID_VALUE;
  }
  bool compute = d.compute == COMPUTE_32F || d.compute == COMPUTE_32F_PEDANTIC || d.compute == COMPUTE_32F_FAST_16BF || d.compute == COMPUTE_32F_FAST_TF32;
  if (!compute || d.scale != R_32F || a.type != b.type || c.type != o.type || d.tc) return NOT_SUPPORTED;
  if (a.type == R_32F && o.type != R_32F) return NOT_SUPPORTED;
  return d.epilogue == EPILOGUE_DEFAULT || (d.epilogue & ~EPILOGUE_RELU_BIAS) == 0 ? SUCCESS : NOT_SUPPORTED;
}
}  // namespace

API size_t cublasLtGetVersion() { return 120900; }
API const char *cublasLtGetStatusName(cublasStatus_t code) {
  switch (code) {
    case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}
API const char *cublasLtGetStatusString(cublasStatus_t code) { return cublasLtGetStatusName(code); }

API cublasStatus_t cublasLtCreate(void **out) {
  if (int code = fake_begin("cublasLtCreate", "")) return code;
  *out = new int(1);
  return SUCCESS;
}
API cublasStatus_t cublasLtDestroy(void *handle) {
  delete (int *)handle;
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulDescCreate(void **out, int compute, int scale) {
  *out = new Desc{compute, scale};
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulDescDestroy(void *desc) {
  delete (Desc *)desc;
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
  Desc *desc = (Desc *)handle;
  switch (attribute) {
    case 0: return take(desc->compute, value, bytes);
    case 1: return take(desc->scale, value, bytes);
    case 2: return take(desc->pointer_mode, value, bytes);
    case 3: return take(desc->ta, value, bytes);
    case 4: return take(desc->tb, value, bytes);
    case 5: return take(desc->tc, value, bytes);
    case 7: return take(desc->epilogue, value, bytes);
    case 8: return take(desc->bias, value, bytes);
    case 26: return take(desc->bias_type, value, bytes);
    default: return INVALID_VALUE;
  }
}
API cublasStatus_t cublasLtMatrixLayoutCreate(void **out, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  if (rows == 0 || cols == 0) return INVALID_VALUE;
  *out = new Layout{type, rows, cols, ld};
  return SUCCESS;
}
API cublasStatus_t cublasLtMatrixLayoutDestroy(void *layout) {
  delete (Layout *)layout;
  return SUCCESS;
}
API cublasStatus_t cublasLtMatrixLayoutSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
  Layout *layout = (Layout *)handle;
  switch (attribute) {
    case 0: return take(layout->type, value, bytes);
    case 1: return take(layout->order, value, bytes);
    case 2: return take(layout->rows, value, bytes);
    case 3: return take(layout->cols, value, bytes);
    case 4: return take(layout->ld, value, bytes);
    case 5: return take(layout->batch, value, bytes);
    case 6: return take(layout->stride, value, bytes);
    default: return INVALID_VALUE;
  }
}
API cublasStatus_t cublasLtMatmulPreferenceCreate(void **out) {
  *out = new Preference;
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulPreferenceDestroy(void *preference) {
  delete (Preference *)preference;
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) {
  if (attribute == 1) return take(((Preference *)preference)->workspace, value, bytes);
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(void *, void *desc, void *a, void *b, void *c, void *d, void *preference,
                                                  int requested, Heuristic *results, int *count) {
  uint64_t K;
  *count = 0;
  if (int code = fake_begin("cublasLtMatmulAlgoGetHeuristic", "")) return code;
  if (int code = fits(*(Desc *)desc, *(Layout *)a, *(Layout *)b, *(Layout *)c, *(Layout *)d, K)) return code;
  if (requested < 1) return INVALID_VALUE;
  // The first result cannot run, as its state says; then 1, 3, 4 ...
  *count = std::min(requested, 1 + (fake_algorithms ? fake_algorithms() : 1));
  for (int i = 0; i < *count; i++) {
    memset(&results[i], 0, sizeof *results);
    results[i].algo[0] = i == 0 ? 2 : i == 1 ? 1 : i + 1;
    results[i].state = i == 0 ? NOT_SUPPORTED : SUCCESS;
    results[i].workspace = ((Preference *)preference)->workspace < 1024 ? 0 : 1024;
    results[i].waves = 1;
  }
  return SUCCESS;
}
API cublasStatus_t cublasLtMatmul(void *, void *desc, const void *alpha, const void *A, void *a, const void *B, void *b, const void *beta,
                                  const void *C, void *c, void *D, void *d, const uint64_t *algo, void *workspace, size_t workspace_bytes,
                                  void *stream) {
  Desc op = *(Desc *)desc;
  Layout la = *(Layout *)a, lb = *(Layout *)b, lc = *(Layout *)c, ld = *(Layout *)d;
  char text[120];
  uint64_t K;
  int failed = fits(op, la, lb, lc, ld, K);
  snprintf(text, sizeof text, "%llu %llu %llu batch %d type %d algorithm %d", (unsigned long long)ld.rows, (unsigned long long)ld.cols, (unsigned long long)K, ld.batch, la.type, algo ? (int)algo[0] : 0);
  if (int code = fake_begin("cublasLtMatmul", text)) return code;
  if (failed) return failed;
  // 4 is offered, and fails.
  if (algo && (algo[0] == 2 || algo[0] == 4)) return NOT_SUPPORTED;
  float x = 1, y = 0;
  if (op.pointer_mode == 0) memcpy(&x, alpha, 4), memcpy(&y, beta, 4);
  const float *alpha_at = op.pointer_mode == 0 ? nullptr : (const float *)alpha, *beta_at = op.pointer_mode == 0 ? nullptr : (const float *)beta;
  bool given = fake_is_device_memory(A, extent(la)) && fake_is_device_memory(B, extent(lb)) && fake_is_device_memory(D, extent(ld));
  if (y != 0 || beta_at) given = given && fake_is_device_memory(C, extent(lc));
  if (workspace_bytes) given = given && fake_is_device_memory(workspace, workspace_bytes) && (uintptr_t)workspace % 16 == 0;
  for (auto [p, type] : {std::pair{A, la.type}, {B, lb.type}, {(const void *)D, ld.type}}) given = given && (uintptr_t)p % width(type) == 0;
  if (!given) return INVALID_VALUE;
  uint64_t algorithm = algo ? algo[0] : 1;
  std::function<int()> run = [=] {
    // By the device's clock: 1 takes long, 3 is the fastest and sums backwards.
    if (fake_pass) fake_pass(algorithm == 1 ? 3000 : algorithm == 3 ? 1000 : 2000);
    float factor = alpha_at ? *alpha_at : x, add = beta_at ? *beta_at : y;
    if (workspace_bytes) memset(workspace, 0x5a, workspace_bytes);
    for (int64_t i = 0; i < ld.batch; i++)
      for (uint64_t m = 0; m < ld.rows; m++)
        for (uint64_t n = 0; n < ld.cols; n++) {
          float sum = 0;
          for (uint64_t i0 = 0; i0 < K; i0++) {
            uint64_t k = algorithm == 3 ? K - 1 - i0 : i0;
            sum += load(A, op.ta ? place(la, k, m, i) : place(la, m, k, i), la.type) * load(B, op.tb ? place(lb, n, k, i) : place(lb, k, n, i), lb.type);
          }
          float out = factor * sum;
          if (add != 0) out += add * load(C, place(lc, m, n, i), lc.type);
          if (op.epilogue & EPILOGUE_BIAS) out += load(op.bias, (int64_t)m, op.bias_type < 0 ? ld.type : op.bias_type);
          if ((op.epilogue & EPILOGUE_RELU) && out < 0) out = 0;
          store(D, place(ld, m, n, i), ld.type, out);
        }
    return 0;
  };
  return fake_enqueue(stream, &run) ? EXECUTION_FAILED : SUCCESS;
}
