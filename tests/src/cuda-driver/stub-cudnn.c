/*
 * A stand-in for cuDNN 9, above the stand-in for the driver: descriptors and sizes are checked, convolutions are computed on the CPU in the
 * order of the driver's stream, and calls are counted with the driver's, so that any of them can be made to fail.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int stub_enter(const char *call), stub_inside(uint64_t address, size_t bytes), stub_is_stream(const void *handle), stub_has_context(void);
extern int stub_submit(int (*work)(void *), void *data);
extern void stub_complain(const char *call, const char *what);

enum { HANDLE, TENSOR, FILTER, CONVOLUTION };
static const char *kind_names[] = {"cuDNN handle", "tensor descriptor", "filter descriptor", "convolution descriptor"};
enum { BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
enum { FORWARD, DATA, WEIGHT };

typedef struct object {
  int kind, set, groups, math;
  int sizes[8];
  void *stream;
  struct object *next;
} object;

static object *objects;
static size_t version = 90100, cudart = 12040;
static int refuses, convolutions, last_math;

void stub_cudnn_reset(void) { version = 90100; cudart = 12040; refuses = convolutions = 0; last_math = -1; }
void stub_cudnn_set(int library_version, int cuda_version, int refuse) { version = library_version; cudart = cuda_version; refuses = refuse; }
int stub_cudnn_convolutions(void) { return convolutions; }
int stub_cudnn_math(void) { return last_math; }
int stub_cudnn_live(char *name) {
  int count = 0;
  for (object *o = objects; o; o = o->next)
    if (count++ == 0) strcpy(name, kind_names[o->kind]);
  return count;
}

#define ENTER() do { int code = stub_enter(__func__); if (code) return code; } while (0)
#define CHECK(condition, what) do { if (!(condition)) { stub_complain(__func__, what); return BAD_PARAM; } } while (0)

static int valid(const void *handle, int kind) {
  for (object *o = objects; o; o = o->next)
    if (o == handle) return o->kind == kind;
  return 0;
}
static int make(const char *call, void **made, int kind) {
  int code = stub_enter(call);
  if (code) return code;
  object *o = calloc(1, sizeof *o);
  o->kind = kind;
  o->groups = 1;
  o->next = objects;
  *made = objects = o;
  return 0;
}
static int destroy(const char *call, object *gone, int kind) {
  int code = stub_enter(call);
  if (!valid(gone, kind)) { stub_complain(call, "not a live descriptor"); return BAD_PARAM; }
  for (object **at = &objects; *at; at = &(*at)->next)
    if (*at == gone) { *at = gone->next; break; }
  free(gone);
  return code;
}

size_t cudnnGetVersion(void) { return version; }
size_t cudnnGetCudartVersion(void) { return cudart; }
const char *cudnnGetErrorString(int code) { return code == 4004 ? "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED" : "CUDNN_STATUS_OF_THE_STUB"; }

int cudnnCreate(void **made) {
  CHECK(stub_has_context(), "no context is current");
  return make(__func__, made, HANDLE);
}
int cudnnDestroy(void *handle) { return destroy(__func__, handle, HANDLE); }
int cudnnSetStream(void *handle, void *stream) {
  ENTER();
  CHECK(valid(handle, HANDLE) && stub_is_stream(stream), "arguments");
  ((object *)handle)->stream = stream;
  return 0;
}
int cudnnCreateTensorDescriptor(void **made) { return make(__func__, made, TENSOR); }
int cudnnDestroyTensorDescriptor(void *o) { return destroy(__func__, o, TENSOR); }
int cudnnCreateFilterDescriptor(void **made) { return make(__func__, made, FILTER); }
int cudnnDestroyFilterDescriptor(void *o) { return destroy(__func__, o, FILTER); }
int cudnnCreateConvolutionDescriptor(void **made) { return make(__func__, made, CONVOLUTION); }
int cudnnDestroyConvolutionDescriptor(void *o) { return destroy(__func__, o, CONVOLUTION); }

static int set(object *o, const int *sizes, int count) {
  memcpy(o->sizes, sizes, count * sizeof *sizes);
  o->set = 1;
  return 0;
}
int cudnnSetTensor4dDescriptor(object *o, int format, int type, int n, int c, int h, int w) {
  ENTER();
  CHECK(valid(o, TENSOR) && format == 1 && type == 0 && n > 0 && c > 0 && h > 0 && w > 0, "arguments");
  return set(o, (int[]){n, h, w, c}, 4);
}
int cudnnSetFilter4dDescriptor(object *o, int type, int format, int k, int c, int h, int w) {
  ENTER();
  CHECK(valid(o, FILTER) && format == 1 && type == 0 && k > 0 && c > 0 && h > 0 && w > 0, "arguments");
  return set(o, (int[]){k, h, w, c}, 4);
}
int cudnnSetConvolution2dDescriptor(object *o, int ph, int pw, int sh, int sw, int dh, int dw, int mode, int type) {
  ENTER();
  CHECK(valid(o, CONVOLUTION) && ph >= 0 && pw >= 0 && sh > 0 && sw > 0 && dh > 0 && dw > 0 && mode == 1 && type == 0, "arguments");
  return set(o, (int[]){ph, pw, sh, sw, dh, dw}, 6);
}
int cudnnSetConvolutionGroupCount(object *o, int groups) { ENTER(); CHECK(valid(o, CONVOLUTION) && groups > 0, "arguments"); o->groups = groups; return 0; }
int cudnnSetConvolutionMathType(object *o, int math) { ENTER(); CHECK(valid(o, CONVOLUTION) && math >= 0 && math <= 3 && math != 2, "arguments"); o->math = math; return 0; }

static int size_of(const int *s) { return s[0] * s[1] * s[2] * s[3]; }
/* What the descriptors say must be one convolution. */
static int agree(const object *handle, const object *x, const object *w, const object *y, const object *c) {
  if (!valid(handle, HANDLE) || !handle->stream || !valid(x, TENSOR) || !valid(y, TENSOR) || !valid(w, FILTER) || !valid(c, CONVOLUTION)) return 0;
  if (!x->set || !w->set || !y->set || !c->set) return 0;
  for (int axis = 0; axis < 2; axis++) {
    const int padded = x->sizes[1 + axis] + 2 * c->sizes[axis], span = (w->sizes[1 + axis] - 1) * c->sizes[4 + axis] + 1;
    if ((padded - span) / c->sizes[2 + axis] + 1 != y->sizes[1 + axis]) return 0;
  }
  return x->sizes[0] == y->sizes[0] && w->sizes[0] == y->sizes[3] && w->sizes[3] * c->groups == x->sizes[3] && w->sizes[0] % c->groups == 0;
}
/* Of the one that gives the same bits on every run; ragged, so that it is not a multiple of anything. */
static size_t workspace_of(const object *y) { return 4 * (size_t)size_of(y->sizes) + 12; }

typedef struct { int algorithm, status; float time; size_t memory; int determinism, math, reserved[3]; } choice;
static int choose(const char *call, const object *handle, const object *x, const object *w, const object *y, const object *c, int most, int *count,
                  choice *found) {
  int code = stub_enter(call);
  if (code) return code;
  if (!stub_has_context()) { stub_complain(call, "no context is current"); return BAD_PARAM; }
  if (!agree(handle, x, w, y, c)) { stub_complain(call, "descriptors"); return BAD_PARAM; }
  if (refuses == 1) return NOT_SUPPORTED;
  const choice all[] = {
    {0, 0, 0.1f, 0, 0, c->math},            /* fast, and other bits on every run */
    {6, NOT_SUPPORTED, -1, 0, 1, c->math},
    {5, 0, 0.2f, 0, 1, 2},                  /* computes in half precision */
    {4, 0, 0.2f, (size_t)1 << 40, 1, c->math},
    {refuses == 2 ? 0 : 1, 0, 0.3f, workspace_of(y), refuses == 2 ? 0 : 1, c->math},
  };
  *count = sizeof all / sizeof *all;
  if (most < *count) { stub_complain(call, "too few results are asked for"); return BAD_PARAM; }
  memcpy(found, all, sizeof all);
  return 0;
}
static int need(const char *call, const object *handle, const object *x, const object *w, const object *y, const object *c, int algorithm, size_t *bytes) {
  int code = stub_enter(call);
  if (code) return code;
  if (!agree(handle, x, w, y, c)) { stub_complain(call, "descriptors"); return BAD_PARAM; }
  *bytes = algorithm == 4 ? (size_t)1 << 40 : workspace_of(y);
  return 0;
}

typedef struct {
  int pass, groups, x[4], w[4], y[4], c[6];
  float *tensors[3], *workspace;
  size_t workspace_bytes;
} work;

static int run(void *data) {
  const work *k = data;
  for (int t = 0; t < 3; t++) {
    const int *sizes = t == 0 ? k->x : t == 1 ? k->w : k->y;
    if (!stub_inside((uint64_t)k->tensors[t], 4 * (size_t)size_of(sizes))) { stub_complain("convolution", "a tensor is not in live memory"); return 700; }
  }
  if (!stub_inside((uint64_t)k->workspace, k->workspace_bytes)) { stub_complain("convolution", "the workspace is not in live memory"); return 700; }
  /* Whatever else lies in the workspace is lost. */
  memset(k->workspace, 0xff, k->workspace_bytes);
  const int result = k->pass == FORWARD ? 2 : k->pass == DATA ? 0 : 1;
  const int *sizes = result == 0 ? k->x : result == 1 ? k->w : k->y;
  double *sums = calloc(size_of(sizes), sizeof *sums);
  const int per_group = k->w[0] / k->groups;
  for (int n = 0; n < k->y[0]; n++)
    for (int p = 0; p < k->y[1]; p++)
      for (int q = 0; q < k->y[2]; q++)
        for (int o = 0; o < k->w[0]; o++)
          for (int r = 0; r < k->w[1]; r++)
            for (int s = 0; s < k->w[2]; s++) {
              const int h = p * k->c[2] - k->c[0] + r * k->c[4], v = q * k->c[3] - k->c[1] + s * k->c[5];
              if (h < 0 || h >= k->x[1] || v < 0 || v >= k->x[2]) continue;
              for (int i = 0; i < k->w[3]; i++) {
                const int x = ((n * k->x[1] + h) * k->x[2] + v) * k->x[3] + o / per_group * k->w[3] + i;
                const int w = ((o * k->w[1] + r) * k->w[2] + s) * k->w[3] + i;
                const int y = ((n * k->y[1] + p) * k->y[2] + q) * k->y[3] + o;
                const int at[] = {x, w, y};
                const int left = result == 0 ? 1 : 0, right = result == 2 ? 1 : 2;
                sums[at[result]] += (double)k->tensors[left][at[left]] * k->tensors[right][at[right]];
              }
            }
  for (int i = 0; i < size_of(sizes); i++) k->tensors[result][i] = (float)sums[i];
  free(sums);
  convolutions++;
  return 0;
}

static int convolve(const char *call, int pass, const object *handle, const float *alpha, const object *x, float *xs, const object *w, float *ws,
                    const object *y, float *ys, const object *c, int algorithm, void *workspace, size_t bytes, const float *beta) {
  int code = stub_enter(call);
  if (code) return code;
  if (!agree(handle, x, w, y, c)) { stub_complain(call, "descriptors"); return BAD_PARAM; }
  if (*alpha != 1 || *beta != 0) { stub_complain(call, "scales"); return BAD_PARAM; }
  if (algorithm != 1 || bytes < workspace_of(y) || !workspace) { stub_complain(call, "algorithm or workspace"); return BAD_PARAM; }
  last_math = c->math;
  work *k = calloc(1, sizeof *k);
  k->pass = pass;
  k->groups = c->groups;
  memcpy(k->x, x->sizes, sizeof k->x);
  memcpy(k->w, w->sizes, sizeof k->w);
  memcpy(k->y, y->sizes, sizeof k->y);
  memcpy(k->c, c->sizes, sizeof k->c);
  k->tensors[0] = xs;
  k->tensors[1] = ws;
  k->tensors[2] = ys;
  k->workspace = workspace;
  k->workspace_bytes = bytes;
  return stub_submit(run, k) ? EXECUTION_FAILED : 0;
}

int cudnnGetConvolutionForwardAlgorithm_v7(object *h, object *x, object *w, object *c, object *y, int most, int *count, choice *found) { return choose(__func__, h, x, w, y, c, most, count, found); }
int cudnnGetConvolutionBackwardDataAlgorithm_v7(object *h, object *w, object *y, object *c, object *x, int most, int *count, choice *found) { return choose(__func__, h, x, w, y, c, most, count, found); }
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(object *h, object *x, object *y, object *c, object *w, int most, int *count, choice *found) { return choose(__func__, h, x, w, y, c, most, count, found); }
int cudnnGetConvolutionForwardWorkspaceSize(object *h, object *x, object *w, object *c, object *y, int algorithm, size_t *bytes) { return need(__func__, h, x, w, y, c, algorithm, bytes); }
int cudnnGetConvolutionBackwardDataWorkspaceSize(object *h, object *w, object *y, object *c, object *x, int algorithm, size_t *bytes) { return need(__func__, h, x, w, y, c, algorithm, bytes); }
int cudnnGetConvolutionBackwardFilterWorkspaceSize(object *h, object *x, object *y, object *c, object *w, int algorithm, size_t *bytes) { return need(__func__, h, x, w, y, c, algorithm, bytes); }
int cudnnConvolutionForward(object *h, float *alpha, object *x, float *xs, object *w, float *ws, object *c, int algorithm, void *workspace, size_t bytes, float *beta, object *y, float *ys) {
  return convolve(__func__, FORWARD, h, alpha, x, xs, w, ws, y, ys, c, algorithm, workspace, bytes, beta);
}
int cudnnConvolutionBackwardData(object *h, float *alpha, object *w, float *ws, object *y, float *ys, object *c, int algorithm, void *workspace, size_t bytes, float *beta, object *x, float *xs) {
  return convolve(__func__, DATA, h, alpha, x, xs, w, ws, y, ys, c, algorithm, workspace, bytes, beta);
}
int cudnnConvolutionBackwardFilter(object *h, float *alpha, object *x, float *xs, object *y, float *ys, object *c, int algorithm, void *workspace, size_t bytes, float *beta, object *w, float *ws) {
  return convolve(__func__, WEIGHT, h, alpha, x, xs, w, ws, y, ys, c, algorithm, workspace, bytes, beta);
}
