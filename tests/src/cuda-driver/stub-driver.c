/*
 * A stand-in for the NVIDIA driver, for tests of what calls it. Handles, addresses and sizes are checked, misuse is remembered as
 * text; any call can be made to fail. An image is the path of a library of kernels for the CPU: launches run those. Or it is PTX, whose
 * entries are looked up in a library that was named before.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONTEXT, STREAM, EVENT, MODULE, GRAPH, EXECUTABLE, MEMORY, KINDS };
static const char *kind_names[] = {"context", "stream", "event", "module", "graph", "executable graph", "memory"};

typedef struct command {
  int launch, blocks, parameters;
  int (*function)(int, void *const *, void *);
  uint64_t arguments[128];
  uint64_t to, from;
  size_t bytes;
  int (*work)(void *);
  void *data;
  struct command *next;
} command;

typedef struct object {
  int kind, recorded, queries;
  size_t bytes;
  void *library, *memory;
  char *ptx;
  command *commands;
  double time;
  struct object *next;
} object;

typedef struct function {
  int (*run)(int, void *const *, void *);
  int threads, parameters;
  object *module;
  struct function *next;
} function;

static object *objects;
static function *functions;
static object *current, *capturing;
static command **tail;
static int calls, fail_at, fail_code, version = 12040, devices = 1, launches, graph_launches, queries_before_done;
static char misuse[512], failed_call[64], ptx_library[512];

static void complain(const char *call, const char *what) {
  if (!misuse[0]) snprintf(misuse, sizeof misuse, "%s: %s", call, what);
}

void stub_reset(void) {
  calls = fail_at = fail_code = launches = graph_launches = queries_before_done = 0;
  version = 12040;
  devices = 1;
  misuse[0] = failed_call[0] = 0;
}
void stub_fail(int at, int code) { calls = 0; fail_at = at; fail_code = code; failed_call[0] = 0; }
void stub_set(int driver_version, int device_count, int queries) { version = driver_version; devices = device_count; queries_before_done = queries; }
/* The library that holds what the entries of PTX are to do. */
void stub_ptx(const char *path) { snprintf(ptx_library, sizeof ptx_library, "%s", path); }
int stub_calls(void) { return calls; }
int stub_launches(void) { return launches; }
int stub_graph_launches(void) { return graph_launches; }
const char *stub_misuse(void) { return misuse; }
const char *stub_failed(void) { return failed_call; }
/* How many handles of all kinds are alive; the first is named. */
int stub_live(char *name) {
  int count = 0;
  for (object *o = objects; o; o = o->next)
    if (count++ == 0) strcpy(name, kind_names[o->kind]);
  return count;
}

static int enter(const char *call) {
  if (++calls != fail_at) return 0;
  snprintf(failed_call, sizeof failed_call, "%s", call);
  return fail_code;
}
#define ENTER() do { int stub_code = enter(__func__); if (stub_code) return stub_code; } while (0)
/* What frees does so even where it reports an error, as the driver reports errors of earlier work. */
#define ENTER_FREEING() const int stub_code = enter(__func__)
#define CHECK(condition, what) do { if (!(condition)) { complain(__func__, what); return 1; } } while (0)

static object *make(int kind) {
  object *o = calloc(1, sizeof *o);
  o->kind = kind;
  o->next = objects;
  objects = o;
  return o;
}
static int valid(const void *handle, int kind) {
  for (object *o = objects; o; o = o->next)
    if (o == handle) return o->kind == kind;
  return 0;
}
static void forget(object *gone) {
  for (object **at = &objects; *at; at = &(*at)->next)
    if (*at == gone) { *at = gone->next; break; }
  free(gone->memory);
  free(gone->ptx);
  free(gone);
}
static int inside(uint64_t address, size_t bytes) {
  for (object *o = objects; o; o = o->next)
    if (o->kind == MEMORY && address >= (uint64_t)o->memory && address + bytes <= (uint64_t)o->memory + o->bytes) return 1;
  return 0;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}
static int execute(const command *c) {
  if (c->work) return c->work(c->data);
  if (!c->launch) {
    if (!inside(c->to, c->bytes) || !inside(c->from, c->bytes)) { complain("copy", "outside live memory"); return 700; }
    memmove((void *)c->to, (void *)c->from, c->bytes);
    return 0;
  }
  void *pointers[128];
  int fault[3];
  for (int i = 0; i < c->parameters; i++) {
    if (!inside(c->arguments[i], 4)) { complain("launch", "an argument is not in live memory"); return 700; }
    pointers[i] = (void *)&c->arguments[i];
  }
  launches++;
  return c->function(c->blocks, pointers, fault) ? 700 : 0;
}

int cuInit(unsigned flags) { ENTER(); CHECK(flags == 0, "flags"); return devices > 0 ? 0 : 100; }
int cuDriverGetVersion(int *found) { ENTER(); *found = version; return 0; }
int cuDeviceGetCount(int *count) { ENTER(); *count = devices; return 0; }
int cuDeviceGet(int *device, int ordinal) { ENTER(); CHECK(ordinal >= 0 && ordinal < devices, "ordinal"); *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { ENTER(); CHECK(length > 8 && device == 0, "arguments"); strcpy(name, "Stub"); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  ENTER();
  CHECK(device == 0, "device");
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 13 ? 1980000 : 132;
  return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { ENTER(); CHECK(device == 0, "device"); *bytes = (size_t)80 << 30; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { ENTER(); CHECK(device == 0, "device"); *context = make(CONTEXT); return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER_FREEING();
  CHECK(device == 0, "device");
  for (object *o = objects; o; o = o->next)
    if (o->kind == CONTEXT) { if (current == o) current = 0; forget(o); return stub_code; }
  CHECK(0, "it was not retained");
}
int cuCtxSetCurrent(void *context) { ENTER(); CHECK(!context || valid(context, CONTEXT), "context"); current = context; return 0; }

#define IN_CONTEXT() CHECK(current, "no context is current")
int cuStreamCreate(void **stream, unsigned flags) { ENTER(); IN_CONTEXT(); CHECK(flags <= 1, "flags"); *stream = make(STREAM); return 0; }
int cuStreamSynchronize(void *stream) { ENTER(); CHECK(valid(stream, STREAM), "stream"); CHECK(!capturing, "the stream captures"); return 0; }
int cuStreamDestroy_v2(void *stream) { ENTER_FREEING(); CHECK(valid(stream, STREAM), "stream"); forget(stream); return stub_code; }
int cuStreamBeginCapture_v2(void *stream, int mode) {
  ENTER();
  CHECK(valid(stream, STREAM) && mode >= 0 && mode <= 2, "arguments");
  CHECK(!capturing, "it captures already");
  capturing = make(GRAPH);
  tail = &capturing->commands;
  return 0;
}
int cuStreamEndCapture(void *stream, void **graph) {
  ENTER_FREEING();
  CHECK(valid(stream, STREAM) && capturing, "no capture");
  *graph = stub_code ? 0 : capturing;
  if (stub_code) forget(capturing);
  capturing = 0;
  return stub_code;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
  ENTER();
  CHECK(valid(graph, GRAPH) && flags == 0, "arguments");
  object *made = make(EXECUTABLE);
  made->commands = ((object *)graph)->commands;
  *executable = made;
  return 0;
}
int cuGraphLaunch(void *executable, void *stream) {
  ENTER();
  IN_CONTEXT();
  CHECK(valid(executable, EXECUTABLE) && valid(stream, STREAM), "arguments");
  CHECK(!capturing, "the stream captures");
  graph_launches++;
  for (const command *c = ((object *)executable)->commands; c; c = c->next) {
    int code = execute(c);
    if (code) return code;
  }
  return 0;
}
int cuGraphDestroy(void *graph) { ENTER_FREEING(); CHECK(valid(graph, GRAPH), "graph"); forget(graph); return stub_code; }
int cuGraphExecDestroy(void *executable) { ENTER_FREEING(); CHECK(valid(executable, EXECUTABLE), "executable"); forget(executable); return stub_code; }

int cuEventCreate(void **event, unsigned flags) { ENTER(); IN_CONTEXT(); CHECK(flags == 0, "flags"); *event = make(EVENT); return 0; }
int cuEventRecord(void *event, void *stream) {
  ENTER();
  CHECK(valid(event, EVENT) && valid(stream, STREAM), "arguments");
  object *o = event;
  o->recorded = 1;
  o->queries = queries_before_done;
  o->time = now();
  return 0;
}
int cuEventQuery(void *event) {
  ENTER();
  CHECK(valid(event, EVENT) && ((object *)event)->recorded, "the event was not recorded");
  return ((object *)event)->queries-- > 0 ? 600 : 0;
}
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  ENTER();
  CHECK(valid(start, EVENT) && valid(end, EVENT) && ((object *)start)->recorded && ((object *)end)->recorded, "events");
  *milliseconds = ((object *)end)->time - ((object *)start)->time;
  return 0;
}
int cuEventDestroy_v2(void *event) { ENTER_FREEING(); CHECK(valid(event, EVENT), "event"); forget(event); return stub_code; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  ENTER();
  IN_CONTEXT();
  CHECK(bytes > 0, "no bytes");
  object *o = make(MEMORY);
  o->bytes = bytes;
  o->memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(o->memory, 0xff, bytes);
  *address = (uint64_t)o->memory;
  return 0;
}
int cuMemFree_v2(uint64_t address) {
  ENTER_FREEING();
  for (object *o = objects; o; o = o->next)
    if (o->kind == MEMORY && (uint64_t)o->memory == address) { forget(o); return stub_code; }
  CHECK(0, "not an allocation");
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  ENTER();
  CHECK(valid(stream, STREAM) && from && inside(to, bytes), "arguments");
  memcpy((void *)to, from, bytes);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  ENTER();
  CHECK(valid(stream, STREAM) && to && inside(from, bytes), "arguments");
  memcpy(to, (void *)from, bytes);
  return 0;
}
static int issue(command c) {
  if (!capturing) return execute(&c);
  *tail = malloc(sizeof c);
  **tail = c;
  tail = &(*tail)->next;
  return 0;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  ENTER();
  CHECK(valid(stream, STREAM) && inside(to, bytes) && inside(from, bytes), "arguments");
  command c = {.to = to, .from = from, .bytes = bytes};
  return issue(c);
}

/* For stand-ins of libraries above the driver: calls counted with its own, and work in the order of a stream. */
int stub_enter(const char *call) { return enter(call); }
void stub_complain(const char *call, const char *what) { complain(call, what); }
int stub_inside(uint64_t address, size_t bytes) { return inside(address, bytes); }
int stub_is_stream(const void *handle) { return valid(handle, STREAM); }
int stub_has_context(void) { return current != 0; }
int stub_submit(int (*work)(void *), void *data) {
  command c = {.work = work, .data = data};
  return issue(c);
}

int cuModuleLoadData(void **module, const void *image) {
  ENTER();
  IN_CONTEXT();
  const int is_ptx = !strncmp(image, "//", 2);
  void *library = dlopen(is_ptx ? ptx_library : image, RTLD_NOW);
  if (!library) return 200;
  object *o = make(MODULE);
  o->library = library;
  o->ptx = is_ptx ? strdup(image) : 0;
  *module = o;
  return 0;
}
int cuModuleGetFunction(void **found, void *module, const char *name) {
  ENTER();
  CHECK(valid(module, MODULE), "module");
  char symbol[256];
  void *library = ((object *)module)->library;
  function *f = calloc(1, sizeof *f);
  *(void **)&f->run = dlsym(library, name);
  snprintf(symbol, sizeof symbol, "%s_threads", name);
  const int *threads = dlsym(library, symbol);
  snprintf(symbol, sizeof symbol, "%s_parameters", name);
  const int *parameters = dlsym(library, symbol);
  if (!f->run || !threads || !parameters) return 500;
  if (((object *)module)->ptx) {
    snprintf(symbol, sizeof symbol, ".entry %s(", name);
    const char *entry = strstr(((object *)module)->ptx, symbol);
    if (!entry) return 500;
    int count = 0;
    const char *end = strchr(entry, ')');
    for (const char *at = entry; (at = strstr(at, ".param .u64")) && at < end; at++) count++;
    CHECK(count == *parameters, "the entry has other parameters than the kernel");
  }
  f->threads = *threads;
  f->parameters = *parameters;
  f->module = module;
  f->next = functions;
  functions = f;
  *found = f;
  return 0;
}
int cuModuleUnload(void *module) {
  ENTER_FREEING();
  CHECK(valid(module, MODULE), "module");
  for (function **at = &functions; *at;)
    if ((*at)->module == module) *at = (*at)->next;
    else at = &(*at)->next;
  forget(module);
  return stub_code;
}
int cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                   void **parameters, void **extra) {
  ENTER();
  function *f = functions;
  while (f && f != handle) f = f->next;
  CHECK(f, "function");
  CHECK(valid(stream, STREAM), "stream");
  CHECK(gx > 0 && gx <= 0x7fffffff && gy == 1 && gz == 1, "grid");
  CHECK((int)bx == f->threads && bx <= 1024 && by == 1 && bz == 1, "block");
  CHECK(shared == 0 && !extra && f->parameters <= 128, "arguments");
  command c = {.launch = 1, .blocks = (int)gx, .parameters = f->parameters, .function = f->run};
  for (int i = 0; i < f->parameters; i++) c.arguments[i] = *(uint64_t *)parameters[i];
  return issue(c);
}

int cuGetErrorName(int code, const char **text) { *text = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : code == 100 ? "CUDA_ERROR_NO_DEVICE" : 0; return *text ? 0 : 1; }
int cuGetErrorString(int code, const char **text) { *text = code == 2 ? "out of memory" : code == 700 ? "an illegal memory access was encountered" : code == 100 ? "no CUDA-capable device is detected" : 0; return *text ? 0 : 1; }
