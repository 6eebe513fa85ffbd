// A stand-in for libnvrtc.so.12: "compiles" CUDA C++ with the machine's C++ compiler (emulation.h put before it) to a
// shared library, whose bytes it hands out as the cubin and the PTX; the stand-in for libcuda loads and runs them.
// Options -D, -I (also --define-macro=, --include-path=) and the architecture take part, others are accepted as NVRTC accepts them and change nothing.
// EMULATION_H and CXX are given when this file is compiled.
//
// Images are kept beside this library by a hash of the preprocessed text, so that test files and runs share them.
//
// Tests read fake_nvrtc_compilations(). In the environment, FAKE_NVRTC_SIGNALS makes it treat signals as NVRTC does,
// FAKE_NVRTC_STACK=BYTES use so much stack, FAKE_NVRTC_BUILTINS=NAME need a library that the loader must find by its name.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
typedef int nvrtcResult;
// As in nvrtc.h.
enum { SUCCESS = 0, OUT_OF_MEMORY = 1, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6, BUILTIN_OPERATION_FAILURE = 7, INTERNAL = 11 };

namespace {
struct Program { std::string source, name, log, binary; std::vector<std::pair<std::string, std::string>> headers; };
const int ARCHITECTURES[] = {75, 80, 86, 87, 89, 90, 100, 120};
std::mutex mutex;
std::map<std::string, std::string> made;  // by preprocessed text
long compilations;

std::string read(const std::string &path) {
  std::string text;
  FILE *file = fopen(path.c_str(), "rb");
  char part[1 << 16];
  for (size_t n; file && (n = fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
  if (file) fclose(file);
  return text;
}
void write(const std::string &path, const std::string &text) {
  FILE *file = fopen(path.c_str(), "wb");
  if (!file) return;
  fwrite(text.data(), 1, text.size(), file);
  fclose(file);
}

// Where the image of a preprocessed text is kept: two FNV-1a hashes of 64 bits.
std::string image_file(const std::string &key) {
  Dl_info self;
  if (!dladdr((void *)&image_file, &self)) return "";
  unsigned long long a = 0xcbf29ce484222325ull, b = 0x9ae16a3b2f90404full;
  for (unsigned char c : key) {
    a = (a ^ c) * 0x100000001b3ull;
    b = (b ^ c) * 0x100000001b3ull;
    b ^= b >> 29;
  }
  char name[64];
  snprintf(name, sizeof name, "/image-%016llx%016llx", a, b);
  std::string library = self.dli_fname;
  return library.substr(0, library.rfind('/')) + name;
}

// Runs the compiler with these arguments (through a response file); its messages are added to the log.
bool compile(const std::string &folder, const std::vector<std::string> &arguments, std::string &log) {
  std::string lines;
  for (const std::string &argument : arguments) {
    lines += '"';
    for (char c : argument) {
      if (c == '"' || c == '\\') lines += '\\';
      lines += c;
    }
    lines += "\"\n";
  }
  const std::string &at = folder;
  write(at + "/arguments", lines);
  int status = std::system(("'" CXX "' '@" + at + "/arguments' > '" + at + "/messages' 2>&1").c_str());
  log += read(at + "/messages");
  return status == 0;
}

// Takes the marks of kernels away and adds what cuda.cpp calls.
std::string with_entries(const std::string &text, int arch) {
  const std::string mark = "EMU_KERNEL";
  std::set<std::string> names;
  std::string out;
  size_t from = 0;
  for (size_t at; (at = text.find(mark, from)) != std::string::npos; from = at + mark.size()) {
    out.append(text, from, at - from);
    // extern "C" EMU_KERNEL void name(
    size_t end = text.find('(', at), begin = end;
    while (end > at && isspace((unsigned char)text[end - 1])) end--;
    for (begin = end; begin > at && (isalnum((unsigned char)text[begin - 1]) || text[begin - 1] == '_');) begin--;
    if (end != std::string::npos && begin < end) names.insert(text.substr(begin, end - begin));
  }
  out.append(text, from);
  out += "\nextern \"C\" {\n__attribute__((visibility(\"default\"))) int emu_arch = " + std::to_string(arch) + ";\n";
  out += "extern char __start_emu_shared[] __attribute__((weak)), __stop_emu_shared[] __attribute__((weak));\n";
  out += "__attribute__((visibility(\"default\"))) void emu_shared_memory(char **from, size_t *bytes) {\n"
         "  *from = __start_emu_shared; *bytes = __start_emu_shared ? (size_t)(__stop_emu_shared - __start_emu_shared) : 0; }\n";
  for (const std::string &name : names)
    out += "__attribute__((visibility(\"default\"))) long emu_call_" + name +
           "(const char *buffer, void **pointers, char *packed) { return emu_call(&" + name + ", buffer, pointers, packed); }\n";
  return out + "}\n";
}

nvrtcResult build(Program *program, int count, const char *const *options) {
  int arch = 52;
  std::vector<std::string> arguments = {"-std=c++17", "-w"};
  for (int i = 0; i < count; i++) {
    std::string option = options[i];
    auto value = [&](const char *a) { return option.rfind(a, 0) == 0 ? option.substr(strlen(a)) : std::string(); };
    std::string target = value("--gpu-architecture=") + value("-arch=");
    if (!target.empty()) {
      size_t digits = target.find('_');
      arch = digits == std::string::npos ? 0 : atoi(target.c_str() + digits + 1);
      bool known = false;
      for (int each : ARCHITECTURES) known |= each == arch;
      if (!known) {
        program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
        return INVALID_OPTION;
      }
    } else if (option.rfind("-D", 0) == 0 || option.rfind("-I", 0) == 0)
      arguments.push_back(option);
    else if (!value("--define-macro=").empty())
      arguments.push_back("-D" + value("--define-macro="));
    else if (!value("--include-path=").empty())
      arguments.push_back("-I" + value("--include-path="));
    else if (option.empty() || option[0] != '-') {
      program->log = "nvrtc: error: unrecognized option " + option + "\n";
      return INVALID_OPTION;
    }
  }
  const char *temporary = getenv("TMPDIR");
  std::string path = std::string(temporary ? temporary : "/tmp") + "/emulated-nvrtc-XXXXXX";
  if (!mkdtemp(path.data())) return INTERNAL;
  struct Remove {
    const std::string &path;
    ~Remove() { (void)!std::system(("rm -rf '" + path + "'").c_str()); }
  } remove{path};

  write(path + "/source.cu", program->source);
  mkdir((path + "/headers").c_str(), 0700);
  for (auto &[name, text] : program->headers) write(path + "/headers/" + name, text);
  std::vector<std::string> first = arguments;
  std::string macro = "-D__CUDA_ARCH__=" + std::to_string(arch * 10);
  for (const std::string &each : {macro, std::string("-D__CUDACC_RTC__=1"), std::string("-D__CUDACC__=1"), std::string("-include"),
                                  std::string(EMULATION_H), "-I" + path + "/headers", std::string("-E"), std::string("-x"),
                                  std::string("c++"), path + "/source.cu", std::string("-o"), path + "/source.ii"})
    first.push_back(each);
  if (!compile(path, first, program->log)) return COMPILATION;
  std::string text = read(path + "/source.ii");
  // The temporary folder's name is no part of the program.
  for (size_t at; (at = text.find(path)) != std::string::npos;) text.replace(at, path.size(), ".");
  std::string key = std::to_string(arch) + text;
  {
    std::lock_guard<std::mutex> lock(mutex);
    compilations++;
    auto known = made.find(key);
    if (known != made.end()) {
      program->binary = known->second;
      return SUCCESS;
    }
  }
  std::string kept = image_file(key);
  program->binary = read(kept);
  if (!program->binary.empty()) {
    std::lock_guard<std::mutex> lock(mutex);
    made[key] = program->binary;
    return SUCCESS;
  }
  write(path + "/source.ii", with_entries(text, arch));
  // The checks call functions of emulation.h, so linking must not bring a library of its own for them.
  arguments.insert(arguments.end(), {"-O1", "-fPIC", "-fvisibility=hidden", "-fpreprocessed", "-x", "c++", "-c",
                                     "-fsanitize=alignment,bounds,shift,integer-divide-by-zero,signed-integer-overflow",
                                     path + "/source.ii", "-o", path + "/kernels.o"});
  if (!compile(path, arguments, program->log)) return COMPILATION;
  if (!compile(path, {"-shared", path + "/kernels.o", "-o", path + "/kernels.so"}, program->log)) return COMPILATION;
  program->binary = read(path + "/kernels.so");
  // Renamed when it is whole: processes share the folder.
  std::string part = kept + "." + std::to_string(getpid()) + path.substr(path.size() - 6);
  write(part, program->binary);
  if (rename(part.c_str(), kept.c_str())) unlink(part.c_str());
  std::lock_guard<std::mutex> lock(mutex);
  made[key] = program->binary;
  return SUCCESS;
}
}  // namespace

// Tells this library from NVIDIA's.
API int nvrtcStandIn() { return 1; }

API nvrtcResult nvrtcVersion(int *major, int *minor) {
  *major = 12;
  *minor = 9;
  return SUCCESS;
}
API nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  *count = sizeof ARCHITECTURES / sizeof *ARCHITECTURES;
  return SUCCESS;
}
API nvrtcResult nvrtcGetSupportedArchs(int *list) {
  memcpy(list, ARCHITECTURES, sizeof ARCHITECTURES);
  return SUCCESS;
}
API nvrtcResult nvrtcCreateProgram(void **out, const char *source, const char *name, int count, const char *const *headers,
                                   const char *const *names) {
  if (!source || !out) return INVALID_INPUT;
  Program *program = new Program{source, name ? name : "default_program", "", "", {}};
  for (int i = 0; i < count; i++) program->headers.push_back({names[i], headers[i]});
  *out = program;
  return SUCCESS;
}
API nvrtcResult nvrtcCompileProgram(void *program, int count, const char *const *options) {
  if (!program) return INVALID_PROGRAM;
  ((Program *)program)->log.clear();
  if (const char *bytes = getenv("FAKE_NVRTC_STACK")) {
    volatile char *stack = (volatile char *)__builtin_alloca((size_t)atol(bytes));
    for (long i = atol(bytes) - 1; i >= 0; i -= 1024) stack[i] = 1;
  }
  if (const char *name = getenv("FAKE_NVRTC_BUILTINS"))
    if (!dlopen(name, RTLD_NOW)) return BUILTIN_OPERATION_FAILURE;
  if (!getenv("FAKE_NVRTC_SIGNALS")) return build((Program *)program, count, options);
  // As NVRTC 12.9 does: handlers are put back without their flags.
  void (*interrupt)(int) = signal(SIGINT, SIG_DFL), (*terminate)(int) = signal(SIGTERM, SIG_DFL);
  nvrtcResult result = build((Program *)program, count, options);
  signal(SIGINT, interrupt);
  signal(SIGTERM, terminate);
  return result;
}
API nvrtcResult nvrtcGetCUBINSize(void *program, size_t *bytes) {
  *bytes = ((Program *)program)->binary.size();
  return *bytes ? SUCCESS : INVALID_PROGRAM;
}
API nvrtcResult nvrtcGetCUBIN(void *program, char *to) {
  memcpy(to, ((Program *)program)->binary.data(), ((Program *)program)->binary.size());
  return SUCCESS;
}
API nvrtcResult nvrtcGetPTXSize(void *program, size_t *bytes) { return nvrtcGetCUBINSize(program, bytes); }
API nvrtcResult nvrtcGetPTX(void *program, char *to) { return nvrtcGetCUBIN(program, to); }
API nvrtcResult nvrtcGetProgramLogSize(void *program, size_t *bytes) {
  *bytes = ((Program *)program)->log.size() + 1;
  return SUCCESS;
}
API nvrtcResult nvrtcGetProgramLog(void *program, char *to) {
  memcpy(to, ((Program *)program)->log.c_str(), ((Program *)program)->log.size() + 1);
  return SUCCESS;
}
API nvrtcResult nvrtcDestroyProgram(void **program) {
  delete (Program *)*program;
  *program = nullptr;
  return SUCCESS;
}
API const char *nvrtcGetErrorString(nvrtcResult code) {
  switch (code) {
    case SUCCESS: return "NVRTC_SUCCESS";
    case OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case INTERNAL: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
  }
}
// Compilations so far, failed ones not counted.
API long fake_nvrtc_compilations() { return compilations; }
