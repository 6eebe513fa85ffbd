// A stand-in for libcudnn.so.9: the part of cuDNN's backend API (cudnn_graph.h) that the project calls. Descriptors are recorded
// and checked as the real library does: unknown attributes, wrong types and counts, what is not finalized or changed later,
// operations whose dims do not fit together, tensors that nothing computes. A plan's execution computes the graph, operation by
// operation in plain loops, on the memory of the stand-in for libcuda, queued on the handle's stream; bfloat16 is rounded where
// a tensor has that type. Pointers must be device memory over the whole of a tensor with its strides, aligned as it says;
// scalars are read from the host at once; the workspace is written all over.
//
// fake_cudnn sets: version, cuda (of the runtime, times 1000), refuse (1: all graphs, 2: those of gradients), wrong (results are
// off by this part), unsteady (every other time), ms (that an execution takes by the device's clock).
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
typedef int Status;
enum { SUCCESS = 0, BAD_PARAM = 2000, BAD_POINTER = 2002, MISALIGNED = 2003, NOT_FINALIZED = 2004, TOO_FEW = 2006, BAD_SHAPE = 2008, BAD_TYPE = 2010, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
enum { T_HANDLE = 0, T_DATA = 1, T_BOOL = 2, T_INT64 = 3, T_POINTER = 6, T_HEUR = 8, T_MODE = 14, T_DESC = 15, T_REDUCE = 18 };
enum { K_POINTWISE = 0, K_CONFIG = 3, K_HEUR = 4, K_PLAN = 5, K_OP_POINTWISE = 13, K_GRAPH = 15, K_PACK = 16, K_TENSOR = 17, K_MATMUL = 18, K_OP_MATMUL = 19, K_REDUCTION = 21, K_OP_REDUCTION = 22, K_OP_RESHAPE = 31 };
enum { FLOAT = 0, INT32 = 4, BF16 = 9, BOOLEAN = 11 };
enum { ADD = 0, MUL = 1, SQRT = 4, DIV = 6, SUB = 9, EXP = 13, LOG = 15, RELU = 100, CMP_GT = 302, CMP_GE = 303, GEN_INDEX = 501, SELECT = 601 };

// In cuda.cpp.
extern "C" int fake_enqueue(void *stream, const std::function<int()> *operation);
extern "C" bool fake_is_device_memory(const void *p, size_t bytes);
extern "C" int fake_begin(const char *name, const char *arguments);
extern "C" __attribute__((weak)) void fake_pass(double ms);

namespace {
std::map<std::string, double> settings;
double setting(const char *name, double otherwise) { return settings.count(name) ? settings[name] : otherwise; }
int runs;

struct Handle { void *stream = nullptr; };
std::set<void *> handles;

struct Attribute { int type; int64_t count; std::vector<char> bytes; };
struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, Attribute> attributes;
  std::map<int, std::vector<std::shared_ptr<Descriptor>>> links;
  bool has(int name) const { return attributes.count(name); }
  template <typename T> T get(int name, int64_t i = 0) const { T value; memcpy(&value, attributes.at(name).bytes.data() + i * sizeof(T), sizeof(T)); return value; }
  const std::shared_ptr<Descriptor> &to(int name, int64_t i = 0) const { return links.at(name)[i]; }
  int64_t count(int name) const { return has(name) ? attributes.at(name).count : 0; }
};
typedef std::shared_ptr<Descriptor> D;
std::map<void *, D> descriptors;  // destroyed ones live on in those that refer to them
D find(void *p) { auto it = descriptors.find(p); return it == descriptors.end() ? nullptr : it->second; }

// Attributes of a kind: type, and the count of elements, 0 for any; needed to finalize?
struct Rule { int type; int64_t count; bool needed; };
const std::map<int, std::map<int, Rule>> RULES = {
    {K_TENSOR, {{900, {T_INT64, 1, true}}, {901, {T_DATA, 1, true}}, {902, {T_INT64, 0, true}}, {903, {T_INT64, 0, true}}, {906, {T_INT64, 1, true}}, {907, {T_BOOL, 1, false}}, {908, {T_BOOL, 1, false}}}},
    {K_POINTWISE, {{0, {T_MODE, 1, true}}, {1, {T_DATA, 1, true}}, {9, {T_INT64, 1, false}}}},
    {K_OP_POINTWISE, {{750, {T_DESC, 1, true}}, {751, {T_DESC, 1, true}}, {752, {T_DESC, 1, false}}, {753, {T_DESC, 1, true}}, {758, {T_DESC, 1, false}}}},
    {K_MATMUL, {{1500, {T_DATA, 1, true}}}},
    {K_OP_MATMUL, {{1520, {T_DESC, 1, true}}, {1521, {T_DESC, 1, true}}, {1522, {T_DESC, 1, true}}, {1523, {T_DESC, 1, true}}}},
    {K_REDUCTION, {{1600, {T_REDUCE, 1, true}}, {1601, {T_DATA, 1, true}}}},
    {K_OP_REDUCTION, {{1610, {T_DESC, 1, true}}, {1611, {T_DESC, 1, true}}, {1612, {T_DESC, 1, true}}}},
    {K_OP_RESHAPE, {{2200, {T_DESC, 1, true}}, {2201, {T_DESC, 1, true}}}},
    {K_GRAPH, {{800, {T_HANDLE, 1, true}}, {801, {T_DESC, 0, true}}}},
    {K_HEUR, {{200, {T_HEUR, 1, true}}, {201, {T_DESC, 1, true}}}},
    {K_CONFIG, {}},
    {K_PLAN, {{400, {T_HANDLE, 1, true}}, {401, {T_DESC, 1, true}}}},
    {K_PACK, {{1000, {T_INT64, 0, true}}, {1001, {T_POINTER, 0, true}}, {1003, {T_POINTER, 1, true}}}},
};
size_t width_of(int type) { return type == T_BOOL ? 1 : type == T_INT64 || type == T_DESC || type == T_HANDLE || type == T_POINTER ? 8 : 4; }

// --- Tensors ---
typedef int64_t Index[4];
int type_of(const D &t) { return t->get<int>(901); }
size_t bytes_of(int type) { return type == BF16 ? 2 : type == BOOLEAN ? 1 : 4; }
// Tensors have three or four axes; the first of four is 1 where there are three.
int64_t axis_of(const D &t, int name, int axis) { int64_t at = axis - 4 + t->count(902); return at < 0 ? 1 : t->get<int64_t>(name, at); }
int64_t dim(const D &t, int axis) { return axis_of(t, 902, axis); }
int64_t stride(const D &t, int axis) { return axis_of(t, 903, axis); }
int64_t uid(const D &t) { return t->get<int64_t>(906); }
bool is_virtual(const D &t) { return t->has(907) && t->get<char>(907); }
bool by_value(const D &t) { return t->has(908) && t->get<char>(908); }
int64_t extent(const D &t) {
  int64_t last = 0;
  for (int axis = 0; axis < 4; axis++) last += (dim(t, axis) - 1) * stride(t, axis);
  return last + 1;
}
float rounded(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = x != x ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000u;
  memcpy(&x, &bits, 4);
  return x;
}

// What a tensor's elements are in: memory of the device, or numbers of our own.
struct Store { char *memory = nullptr; int type = FLOAT; std::vector<float> own; };
typedef std::map<int64_t, std::shared_ptr<Store>> Stores;
// A tensor taken apart.
struct View {
  int64_t dims[4], strides[4];
  int type;
  Store *store;
  View(const Stores &stores, const D &t) : type(type_of(t)), store(stores.at(uid(t)).get()) {
    for (int axis = 0; axis < 4; axis++) dims[axis] = dim(t, axis), strides[axis] = stride(t, axis);
  }
  int64_t place(const Index &i) const {
    int64_t at = 0;
    for (int axis = 0; axis < 4; axis++) at += (dims[axis] == 1 ? 0 : i[axis]) * strides[axis];
    return at;
  }
  float load(const Index &i) const {
    int64_t at = place(i);
    float x;
    if (!store->memory) x = store->own[at];
    else if (store->type == BF16) { uint32_t bits = (uint32_t)((uint16_t *)store->memory)[at] << 16; memcpy(&x, &bits, 4); }
    else x = ((float *)store->memory)[at];
    return type == BF16 ? rounded(x) : x;
  }
  void save(const Index &i, float x) const {
    int64_t at = place(i);
    if (type == BF16) x = rounded(x);
    if (!store->memory) store->own[at] = x;
    else if (store->type == BF16) { uint32_t bits; memcpy(&bits, &x, 4); ((uint16_t *)store->memory)[at] = (uint16_t)(bits >> 16); }
    else ((float *)store->memory)[at] = x;
  }
  template <typename F> void each(F f) const {
    Index i;
    for (i[0] = 0; i[0] < dims[0]; i[0]++) for (i[1] = 0; i[1] < dims[1]; i[1]++)
      for (i[2] = 0; i[2] < dims[2]; i[2]++) for (i[3] = 0; i[3] < dims[3]; i[3]++) f(i);
  }
};

// --- Operations ---
std::vector<D> inputs(const D &op) {
  std::vector<D> found;
  for (int name : {751, 752, 758, 1520, 1521, 1610, 2200}) if (op->has(name)) found.push_back(op->to(name));
  return found;
}
D output(const D &op) {
  for (int name : {753, 1522, 1611, 2201}) if (op->has(name)) return op->to(name);
  return nullptr;
}
bool broadcasts(const D &small, const D &large) {
  for (int axis = 0; axis < 4; axis++) if (dim(small, axis) != 1 && dim(small, axis) != dim(large, axis)) return false;
  return true;
}
Status check_operation(const D &op) {
  if (op->kind == K_OP_POINTWISE) {
    int mode = op->to(750)->get<int>(0);
    bool two = mode != EXP && mode != LOG && mode != SQRT && mode != RELU && mode != GEN_INDEX, three = mode == SELECT;
    if (op->has(752) != two || op->has(758) != three) return BAD_PARAM;
    if (mode == GEN_INDEX && (!op->to(750)->has(9) || type_of(op->to(753)) != INT32)) return BAD_PARAM;
    for (const D &x : inputs(op)) if (!broadcasts(x, op->to(753))) return BAD_SHAPE;
  }
  if (op->kind == K_OP_MATMUL) {
    D a = op->to(1520), b = op->to(1521), c = op->to(1522);
    bool fits = dim(a, 0) == dim(b, 0) && dim(a, 0) == dim(c, 0) && dim(a, 1) == dim(c, 1) && dim(a, 1) % dim(b, 1) == 0 &&
                dim(a, 2) == dim(c, 2) && dim(a, 3) == dim(b, 2) && dim(b, 3) == dim(c, 3);
    if (!fits) return BAD_SHAPE;
  }
  if (op->kind == K_OP_REDUCTION)
    for (int axis = 0; axis < 4; axis++) if (dim(op->to(1610), axis) % dim(op->to(1611), axis) != 0) return BAD_SHAPE;
  if (op->kind == K_OP_RESHAPE && dim(op->to(2200), 2) * dim(op->to(2200), 3) != dim(op->to(2201), 2) * dim(op->to(2201), 3)) return BAD_SHAPE;
  return SUCCESS;
}
void compute(Stores &stores, const D &op) {
  D out = output(op);
  if (op->kind == K_OP_RESHAPE) { stores[uid(out)] = stores.at(uid(op->to(2200))); return; }
  if (is_virtual(out)) { auto store = std::make_shared<Store>(); store->own.resize(extent(out)); stores[uid(out)] = store; }
  View y(stores, out);
  if (op->kind == K_OP_MATMUL) {
    View a(stores, op->to(1520)), b(stores, op->to(1521));
    y.each([&](const Index &i) {
      float sum = 0;
      for (int64_t k = 0; k < a.dims[3]; k++) {
        float x = a.load({i[0], i[1], i[2], k});
        if (x != 0) sum += x * b.load({i[0], i[1] * b.dims[1] / a.dims[1], k, i[3]});
      }
      y.save(i, sum);
    });
  } else if (op->kind == K_OP_REDUCTION) {
    View x(stores, op->to(1610));
    bool most = op->to(1612)->get<int>(1600) == 3;
    const int64_t *n = y.dims;
    std::vector<float> sums(n[0] * n[1] * n[2] * n[3], most ? -INFINITY : 0);
    auto place = [&](const Index &i) { return ((i[0] * n[1] + i[1]) * n[2] + i[2]) * n[3] + i[3]; };
    x.each([&](const Index &i) {
      Index to;
      for (int axis = 0; axis < 4; axis++) to[axis] = i[axis] * n[axis] / x.dims[axis];
      float &sum = sums[place(to)], value = x.load(i);
      sum = most ? fmaxf(sum, value) : sum + value;
    });
    y.each([&](const Index &i) { y.save(i, sums[place(i)]); });
  } else {
    D operation = op->to(750);
    int mode = operation->get<int>(0);
    int64_t axis = mode == GEN_INDEX ? operation->get<int64_t>(9) : 0;
    View given(stores, op->to(751)), second(stores, op->to(op->has(752) ? 752 : 751)), third(stores, op->to(op->has(758) ? 758 : 751));
    y.each([&](const Index &i) {
      float x = given.load(i), b = second.load(i);
      switch (mode) {
        case GEN_INDEX: x = (float)i[axis]; break;
        case ADD: x = x + b; break;
        case MUL: x = x * b; break;
        case DIV: x = x / b; break;
        case SUB: x = x - b; break;
        case EXP: x = expf(x); break;
        case LOG: x = logf(x); break;
        case SQRT: x = sqrtf(x); break;
        case RELU: x = fmaxf(x, 0); break;
        case CMP_GT: x = x > b; break;
        case CMP_GE: x = x >= b; break;
        case SELECT: x = third.load(i) != 0 ? x : b; break;
      }
      y.save(i, x);
    });
  }
}

// --- Graphs ---
int operations_of(const D &graph, int kind, int mode = -1) {
  int found = 0;
  for (int64_t i = 0; i < graph->count(801); i++) {
    D op = graph->to(801, i);
    found += op->kind == kind && (mode < 0 || op->to(750)->get<int>(0) == mode);
  }
  return found;
}
// A matmul with an epilogue, or attention.
bool is_product(const D &graph) { return operations_of(graph, K_OP_MATMUL) == 1; }
bool is_gradient(const D &graph) { return operations_of(graph, K_OP_RESHAPE) || (is_product(graph) && operations_of(graph, K_OP_POINTWISE, SQRT)); }
Status check_graph(const D &graph) {
  std::map<int64_t, D> known;
  std::set<int64_t> computed;
  for (int64_t i = 0; i < graph->count(801); i++) {
    D op = graph->to(801, i), y = output(op);
    for (const D &t : inputs(op)) {
      if (is_virtual(t) && !computed.count(uid(t))) return BAD_PARAM;
      if (known.count(uid(t)) && known[uid(t)] != t) return BAD_PARAM;
      known[uid(t)] = t;
    }
    if (!computed.insert(uid(y)).second || by_value(y)) return BAD_PARAM;
    known[uid(y)] = y;
  }
  return SUCCESS;
}
// As measured with cuDNN 9.28: the gradients of all scores, and of keys and values by query head where they are shared.
int64_t workspace_of(const D &graph) {
  int64_t bytes = 0;
  if (!is_gradient(graph) || is_product(graph)) return bytes;
  for (int64_t i = 0; i < graph->count(801); i++) {
    D op = graph->to(801, i);
    if (op->kind != K_OP_RESHAPE && op->kind != K_OP_REDUCTION) continue;
    D x = op->kind == K_OP_RESHAPE ? op->to(2200) : op->to(1610);
    int64_t side = (dim(x, 2) + 127) / 128 * 128;
    if (op->kind == K_OP_RESHAPE && dim(x, 2) == dim(x, 3) && bytes == 0) bytes = 128 + dim(x, 0) * dim(x, 1) * side * side * 2;
    if (op->kind == K_OP_REDUCTION && dim(op->to(1611), 3) != 1) bytes += dim(x, 0) * dim(x, 1) * dim(x, 2) * dim(x, 3) * 2;
  }
  return bytes;
}
bool supported(const D &graph) {
  int refuse = (int)setting("refuse", 0);
  if (refuse == 1 || (refuse == 2 && is_gradient(graph))) return false;
  D op = graph->to(801, 0), x = op->kind == K_OP_MATMUL ? op->to(1520) : op->to(751);
  // As 9.26 and 9.28: the engines of matmuls with an epilogue take three axes.
  if (is_product(graph)) return x->count(902) == 3 && dim(x, 3) % 8 == 0 && dim(output(op), 3) % 8 == 0;
  return dim(x, 3) % 8 == 0 && (!is_gradient(graph) || dim(x, 3) <= 128);
}
}  // namespace

API void fake_cudnn(const char *name, double value) {
  if (*name) settings[name] = value;
  else settings.clear();
}
API size_t cudnnGetVersion() { return (size_t)setting("version", 92801); }
API size_t cudnnGetCudartVersion() { return (size_t)setting("cuda", 12090); }
API Status cudnnCreate(void **out) {
  if (int code = fake_begin("cudnnCreate", "")) return code;
  handles.insert(*out = new Handle);
  return SUCCESS;
}
API Status cudnnSetStream(void *handle, void *stream) {
  if (!handles.count(handle)) return BAD_PARAM;
  ((Handle *)handle)->stream = stream;
  return SUCCESS;
}
API Status cudnnBackendCreateDescriptor(int kind, void **out) {
  if (!RULES.count(kind)) return NOT_SUPPORTED;
  D descriptor = std::make_shared<Descriptor>();
  descriptor->kind = kind;
  descriptors[*out = descriptor.get()] = descriptor;
  return SUCCESS;
}
API Status cudnnBackendDestroyDescriptor(void *p) { return descriptors.erase(p) ? SUCCESS : BAD_PARAM; }
API Status cudnnBackendSetAttribute(void *p, int name, int type, int64_t count, const void *values) {
  D d = find(p);
  if (!d || d->finalized) return BAD_PARAM;
  auto rule = RULES.at(d->kind).find(name);
  if (rule == RULES.at(d->kind).end()) return BAD_PARAM;
  if (rule->second.type != type) return BAD_TYPE;
  if (!values || count < 1 || (rule->second.count && rule->second.count != count)) return BAD_PARAM;
  const char *from = (const char *)values;
  d->attributes[name] = {type, count, std::vector<char>(from, from + count * width_of(type))};
  if (type != T_DESC) return SUCCESS;
  d->links[name].clear();
  for (int64_t i = 0; i < count; i++) {
    D to = find(((void *const *)values)[i]);
    if (!to || !to->finalized) return NOT_FINALIZED;
    d->links[name].push_back(to);
  }
  return SUCCESS;
}
API Status cudnnBackendFinalize(void *p) {
  D d = find(p);
  if (!d || d->finalized) return BAD_PARAM;
  for (const auto &[name, rule] : RULES.at(d->kind)) if (rule.needed && !d->has(name)) return BAD_PARAM;
  if (d->kind == K_TENSOR) {
    int64_t axes = d->count(902);
    if (axes < 3 || axes > 4 || d->count(903) != axes || d->get<int64_t>(900) % (int64_t)bytes_of(type_of(d)) != 0) return BAD_PARAM;
    for (int axis = 0; axis < 4; axis++) if (dim(d, axis) < 1 || stride(d, axis) < 1) return BAD_PARAM;
  }
  if (Status status = check_operation(d)) return status;
  if (d->has(800) && !handles.count(d->get<void *>(800))) return BAD_PARAM;
  if (d->kind == K_GRAPH) if (Status status = check_graph(d)) return status;
  if (d->kind == K_PLAN) {
    if (!handles.count(d->get<void *>(400))) return BAD_PARAM;
    if (int code = fake_begin("cudnnBackendFinalize plan", "")) return code;
  }
  if (d->kind == K_PACK && d->count(1000) != d->count(1001)) return BAD_PARAM;
  d->finalized = true;
  return SUCCESS;
}
API Status cudnnBackendGetAttribute(void *p, int name, int type, int64_t wanted, int64_t *count, void *values) {
  D d = find(p);
  if (!d || !d->finalized) return NOT_FINALIZED;
  if (d->kind == K_HEUR && name == 202) {
    if (type != T_DESC) return BAD_TYPE;
    bool offered = supported(d->to(201));
    if (wanted == 0) { *count = offered; return SUCCESS; }
    D config = find(((void **)values)[0]);
    if (!config || config->kind != K_CONFIG) return BAD_PARAM;
    *count = offered;
    if (!offered) return SUCCESS;
    config->links[201] = {d->to(201)};
    config->finalized = true;
    return SUCCESS;
  }
  if (d->kind == K_PLAN && name == 402) {
    if (type != T_INT64 || wanted < 1) return BAD_TYPE;
    *(int64_t *)values = workspace_of(d->to(401)->to(201));
    *count = 1;
    return SUCCESS;
  }
  return BAD_PARAM;
}
API Status cudnnBackendExecute(void *handle, void *plan_pointer, void *pack_pointer) {
  D plan = find(plan_pointer), pack = find(pack_pointer);
  if (!handles.count(handle) || !plan || !pack || plan->kind != K_PLAN || pack->kind != K_PACK) return BAD_PARAM;
  if (!plan->finalized || !pack->finalized) return NOT_FINALIZED;
  D graph = plan->to(401)->to(201);
  int64_t bytes = workspace_of(graph);
  char text[100];
  snprintf(text, sizeof text, "%s of %s workspace %lld", is_gradient(graph) ? "backward" : "forward", is_product(graph) ? "MLP" : "attention", (long long)bytes);
  if (int code = fake_begin("cudnnBackendExecute", text)) return code;
  char *workspace = pack->get<char *>(1003);
  if (bytes && !fake_is_device_memory(workspace, bytes)) return BAD_POINTER;
  std::map<int64_t, char *> pointers;
  for (int64_t i = 0; i < pack->count(1000); i++) pointers[pack->get<int64_t>(1000, i)] = pack->get<char *>(1001, i);
  Stores stores;
  std::vector<D> operations;
  for (int64_t i = 0; i < graph->count(801); i++) {
    D op = graph->to(801, i);
    operations.push_back(op);
    std::vector<D> tensors = inputs(op);
    tensors.push_back(output(op));
    for (const D &t : tensors) {
      if (is_virtual(t) || stores.count(uid(t))) continue;
      if (!pointers.count(uid(t))) return TOO_FEW;
      char *at = pointers[uid(t)];
      auto store = std::make_shared<Store>();
      if (by_value(t)) store->own = {*(float *)at};
      else {
        if (!fake_is_device_memory(at, extent(t) * bytes_of(type_of(t)))) return BAD_POINTER;
        if ((uintptr_t)at % t->get<int64_t>(900) != 0) return MISALIGNED;
        store->memory = at;
        store->type = type_of(t);
      }
      stores[uid(t)] = store;
    }
  }
  double ms = setting("ms", 0), error = setting("wrong", 0) + setting("unsteady", 0) * (runs++ % 2);
  std::function<int()> run = [=]() mutable {
    if (fake_pass) fake_pass(ms);
    if (bytes) memset(workspace, 0x5a, bytes);
    for (const D &op : operations) {
      compute(stores, op);
      D y = output(op);
      if (error == 0 || is_virtual(y) || type_of(y) != BF16) continue;
      View view(stores, y);
      view.each([&](const Index &i) { view.save(i, view.load(i) * (1 + (float)error)); });
    }
    return 0;
  };
  return fake_enqueue(((Handle *)handle)->stream, &run) ? EXECUTION_FAILED : SUCCESS;
}
