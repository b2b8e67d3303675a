import { createHash } from 'node:crypto';
import type { Dtype } from '@shoal/core';
import { typeNames } from './expression.ts';

/** A pointer that a kernel is launched with. */
export interface Parameter {
  readonly dtype: Dtype;
  readonly written: boolean;
  /** Other pointers may lead to the same memory. */
  readonly aliased: boolean;
}

/** A kernel that is complete but for the language around its body. */
export interface KernelSource {
  /** The op and a digest of all that follows: kernels of one name are one kernel. */
  readonly name: string;
  readonly threads: number;
  /** Blocks that a multiprocessor must be able to hold at once. */
  readonly resident?: number;
  /** Pointers `t0`, `t1` ...; no two of them overlap but where they are aliased. */
  readonly parameters: readonly Parameter[];
  readonly declarations: string;
  readonly body: string;
}

/** Names a kernel by what it is. */
export function named(op: string, source: Omit<KernelSource, 'name'>): KernelSource {
  const digest = createHash('sha256').update(JSON.stringify(source)).digest('hex').slice(0, 20);
  return { name: `${op.replaceAll(/\W/g, '_')}_${digest}`, ...source };
}

/** What both languages share: functions of the expression language, and sums that carry their rounding errors along. */
const helpers = `
template <typename T> struct shoal_same {
  T value;
  SHOAL_MEMBER T operator[](int) const { return value; }
};
SHOAL_DEVICE bool shoal_nan(float x) { return (shoal_bits(x) & 0x7fffffffu) > 0x7f800000u; }
// A NaN on either side is the result.
SHOAL_DEVICE float shoal_max(float a, float b) { return shoal_nan(a) ? a : shoal_nan(b) ? b : a < b ? b : a; }
SHOAL_DEVICE float shoal_min(float a, float b) { return shoal_nan(a) ? a : shoal_nan(b) ? b : b < a ? b : a; }
SHOAL_DEVICE int shoal_max(int a, int b) { return a < b ? b : a; }
SHOAL_DEVICE int shoal_min(int a, int b) { return b < a ? b : a; }
SHOAL_DEVICE unsigned shoal_max(unsigned a, unsigned b) { return a < b ? b : a; }
SHOAL_DEVICE unsigned shoal_min(unsigned a, unsigned b) { return b < a ? b : a; }
// C has 1 for powers of 1, and for -1 to an infinite one; the language has NaN where an exponent is NaN, and for the latter.
SHOAL_DEVICE float shoal_pow(float a, float b) {
  const bool unknown = shoal_nan(b) || (fabsf(a) == 1.0f && fabsf(b) == shoal_float(0x7f800000u));
  return unknown ? shoal_float(0x7fc00000u) : powf(a, b);
}
// Truncates and saturates; NaN is 0.
SHOAL_DEVICE int shoal_to_i32(float x) {
  if (shoal_nan(x)) return 0;
  return x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? -2147483647 - 1 : (int)x;
}
SHOAL_DEVICE unsigned shoal_to_u32(float x) {
  if (!(x > 0.0f)) return 0u;
  return x >= 4294967296.0f ? 4294967295u : (unsigned)x;
}
// Two floats hold a sum and what rounding took from it (Knuth's two-sum).
struct shoal_sum { float total; float rest; };
SHOAL_DEVICE shoal_sum shoal_lift(float x) { return shoal_sum{x, 0.0f}; }
SHOAL_DEVICE shoal_sum shoal_join(shoal_sum a, shoal_sum b) {
  const float total = a.total + b.total;
  const float part = total - a.total;
  return shoal_sum{total, a.rest + b.rest + ((a.total - (total - part)) + (b.total - part))};
}
// An infinite sum has no meaningful rest.
SHOAL_DEVICE float shoal_rounded(shoal_sum sum) { return fabsf(sum.total) <= 3.4028234e38f ? sum.total + sum.rest : sum.total; }
`;

const cudaPrelude = `#define SHOAL_DEVICE static __device__ __forceinline__
#define SHOAL_MEMBER __device__ __forceinline__
#define SHOAL_TABLE static __device__ const
#define SHOAL_SHARED(type, name, size) __shared__ __align__(16) type name[size];
#define SHOAL_PRIVATE(type, name, dimensions, threads) type name[1] dimensions;
#define SHOAL_OWN 0
// Numbers that are said to be small and positive are divided at less cost.
#define SHOAL_PHASE(threads) { const int lane = threadIdx.x % (threads);
#define SHOAL_BARRIER } __syncthreads();
#define SHOAL_STEP(threads) { const int lane = threadIdx.x % (threads);
#define SHOAL_END }
#define SHOAL_UNROLL _Pragma("unroll")
#define SHOAL_ROLLED _Pragma("unroll 1")
#define SHOAL_AT(pointer, size, index) pointer[index]
#define SHOAL_COPY(pointer, size, count, lane, to, index) shoal_copy<count>(to, pointer + ((index) < 0 ? 0 : (index)), (index) >= 0)
SHOAL_DEVICE float shoal_float(unsigned bits) { return __uint_as_float(bits); }
SHOAL_DEVICE unsigned shoal_bits(float x) { return __float_as_uint(x); }
SHOAL_DEVICE float shoal_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
template <int N> SHOAL_DEVICE void shoal_load(float* to, const float* from) {
  if constexpr (N == 4) {
    const float4 found = *(const float4*)from;
    to[0] = found.x, to[1] = found.y, to[2] = found.z, to[3] = found.w;
  } else if constexpr (N == 2) {
    const float2 found = *(const float2*)from;
    to[0] = found.x, to[1] = found.y;
  } else {
    to[0] = from[0];
  }
}
// Before compute capability 8.0, a copy is done when it is begun.
template <int N> SHOAL_DEVICE void shoal_copy(float* to, const float* from, bool any) {
#if __CUDA_ARCH__ >= 800
  const unsigned address = (unsigned)__cvta_generic_to_shared(to);
  if constexpr (N == 4) asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(address), "l"(from), "r"(any ? 16 : 0) : "memory");
  else asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" : : "r"(address), "l"(from), "r"(any ? 4 : 0) : "memory");
#else
  if constexpr (N == 4) *(float4*)to = any ? *(const float4*)from : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  else *to = any ? *from : 0.0f;
#endif
}
SHOAL_DEVICE void shoal_commit(int) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}
template <int N> SHOAL_DEVICE void shoal_wait(int) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
#endif
}
SHOAL_DEVICE float shoal_tf32(float x) {
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return __uint_as_float(rounded);
}
SHOAL_DEVICE void shoal_mma(float* sum, const float* left, const float* right) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(__float_as_uint(left[0])), "r"(__float_as_uint(left[1])), "r"(__float_as_uint(left[2])), "r"(__float_as_uint(left[3])),
        "r"(__float_as_uint(right[0])), "r"(__float_as_uint(right[1])));
}
#define SHOAL_MMA(sum, left, right, buffer, i, j) shoal_mma(sum[0][i][j], left[0][buffer][i], right[0][buffer][j])
${helpers}`;

/** CUDA C of one translation unit, for nvcc and NVRTC. It needs C++17 and `--fmad=false`: what is fused says so. */
export const printCuda = (kernels: readonly KernelSource[]): string => cudaPrelude + kernels.map(cudaKernelText).join('');

/** What {@link printCuda} is compiled with, apart from the architecture. */
export const cudaFlags: readonly string[] = ['--std=c++17', '--fmad=false'];

function cudaKernelText({ name, threads, resident, parameters, declarations, body }: KernelSource): string {
  const list = parameters.map(
    ({ dtype, written, aliased }, i) => `${written ? '' : 'const '}${typeNames[dtype]}* ${aliased ? '' : '__restrict__ '}t${i}`,
  );
  return `
namespace in_${name} {
${declarations}extern "C" __global__ void __launch_bounds__(${threads}${resident === undefined ? '' : `, ${resident}`}) ${name}(${list.join(', ')}) {
const int group = blockIdx.x & 0x7fffffff;
${body}}
}
`;
}

/**
 * A block's threads take turns in each phase, so a barrier is the end of a loop; in odd blocks downwards and in even ones all over the
 * place (their number is a power of two), so that a result that depends on the order comes out wrong. Every index is checked
 * against its tensor.
 */
const emulatedPrelude = `#include <math.h>
#include <string.h>
struct shoal_fault { int parameter; int index; int size; };
static shoal_fault shoal_first_fault;
static unsigned shoal_nothing;
template <typename T> static inline T& shoal_at(T* pointer, int parameter, int size, int index) {
  if (index >= 0 && index < size) return pointer[index];
  if (shoal_first_fault.parameter < 0) shoal_first_fault = shoal_fault{parameter, index, size};
  return *(T*)&shoal_nothing;
}
#define SHOAL_DEVICE static inline
#define SHOAL_MEMBER inline
#define SHOAL_TABLE static const
#define SHOAL_SHARED(type, name, size) alignas(16) type name[size]; memset(name, 0xff, sizeof name);
#define SHOAL_PRIVATE(type, name, dimensions, threads) type name[threads] dimensions;
#define SHOAL_OWN lane
#define SHOAL_PHASE(threads) for (int shoal_turn = 0; shoal_turn < (threads); shoal_turn++) { const int lane = shoal_down ? (threads) - 1 - shoal_turn : (shoal_turn * 29 + 7) % (threads);
#define SHOAL_BARRIER }
#define SHOAL_STEP(threads) SHOAL_PHASE(threads)
#define SHOAL_END }
#define SHOAL_UNROLL
#define SHOAL_ROLLED
#define SHOAL_AT(pointer, size, index) shoal_at(pointer, pointer##_number, size, index)
#define SHOAL_COPY(pointer, size, count, lane, to, index) shoal_copy(lane, to, index, count, shoal_at(pointer, pointer##_number, size, (index) < 0 ? 0 : (index)), shoal_at(pointer, pointer##_number, size, (index) < 0 ? 0 : (index) + (count) - 1))
SHOAL_DEVICE float shoal_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
SHOAL_DEVICE unsigned shoal_bits(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
SHOAL_DEVICE float shoal_fma(float a, float b, float c) { return a * b + c; }
template <int N> static inline void shoal_load(float* to, const float* from) {
  if ((size_t)from % (4 * N) != 0) memset(to, 0xff, 4 * N);
  else memcpy(to, from, 4 * N);
}
// A copy destroys at once what it will overwrite, and arrives when its thread waits for it. One that a device refuses for its alignment never does.
struct shoal_copied { float* to; const float* from; int count; int group; };
enum { shoal_most_threads = 1024, shoal_most_copies = 128 };
static shoal_copied shoal_copies[shoal_most_threads][shoal_most_copies];
static int shoal_copying[shoal_most_threads], shoal_groups[shoal_most_threads];
static inline void shoal_copy(int lane, float* to, int index, int count, const float& first, const float&) {
  memset(to, 0xff, 4 * count);
  if ((size_t)to % (4 * count) != 0 || (index > 0 && index % count != 0) || shoal_copying[lane] == shoal_most_copies) return;
  shoal_copies[lane][shoal_copying[lane]++] = shoal_copied{to, index < 0 ? nullptr : &first, count, shoal_groups[lane]};
}
static inline void shoal_commit(int lane) { shoal_groups[lane]++; }
template <int N> static inline void shoal_wait(int lane) {
  int left = 0;
  for (int i = 0; i < shoal_copying[lane]; i++) {
    const shoal_copied each = shoal_copies[lane][i];
    if (each.group >= shoal_groups[lane] - N) shoal_copies[lane][left++] = each;
    else if (each.from) memcpy(each.to, each.from, 4 * each.count);
    else memset(each.to, 0, 4 * each.count);
  }
  shoal_copying[lane] = left;
}
// To the nearest of 10 bits after the point, ties away from zero; infinities and NaN stay.
SHOAL_DEVICE float shoal_tf32(float x) {
  const unsigned bits = shoal_bits(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? x : shoal_float((bits + 0x1000u) & 0xffffe000u);
}
// What the warp's threads hold, as PTX lays out m16n8k8: element (row, k) of the left factor is register row / 8 + k / 4 * 2 of thread
// row % 8 * 4 + k % 4, element (k, column) of the right one register k / 4 of thread column * 4 + k % 4.
template <int M, int N> static inline void shoal_mma(float* sum, const float (*left)[2][M][4], const float (*right)[2][N][2], int thread, int buffer, int i, int j) {
  for (int e = 0; e < 4; e++) {
    const int row = thread / 4 + e / 2 * 8, column = thread % 4 * 2 + e % 2;
    for (int k = 0; k < 8; k++) sum[e] += left[row % 8 * 4 + k % 4][buffer][i][row / 8 + k / 4 * 2] * right[column * 4 + k % 4][buffer][j][k / 4];
  }
}
#define SHOAL_MMA(sum, left, right, buffer, i, j) shoal_mma(sum[lane][i][j], left + lane / 32 * 32, right + lane / 32 * 32, lane % 32, buffer, i, j)
${helpers}`;

/**
 * The same kernels as C++ for the CPU. Each function takes the number of blocks, the kernel's arguments (an array of pointers to
 * pointers, as the driver takes them) and where to describe an index outside a tensor (parameter, index, size); it returns 1 if there was one.
 * Beside it stand the kernel's numbers of threads and parameters.
 */
export const printEmulated = (kernels: readonly KernelSource[]): string => emulatedPrelude + kernels.map(emulatedKernelText).join('');

function emulatedKernelText({ name, threads, parameters, declarations, body }: KernelSource): string {
  const pointers = parameters.map(({ dtype, written }, i) => {
    const type = `${written ? '' : 'const '}${typeNames[dtype]}*`;
    return `${type} const t${i} = *(${type}*)shoal_arguments[${i}];\nconst int t${i}_number = ${i};\n(void)t${i}_number;\n`;
  });
  return `
extern "C" { extern const int ${name}_threads = ${threads}, ${name}_parameters = ${parameters.length}; }
namespace in_${name} {
${declarations}extern "C" int ${name}(int shoal_blocks, void* const* shoal_arguments, void* shoal_found) {
shoal_first_fault.parameter = -1;
${pointers.join('')}for (int group = 0; group < shoal_blocks; group++) {
for (int lane = 0; lane < ${threads}; lane++) shoal_copying[lane] = shoal_groups[lane] = 0;
const bool shoal_down = group % 2 == 1;
${body}}
if (shoal_first_fault.parameter < 0) return 0;
memcpy(shoal_found, &shoal_first_fault, sizeof(shoal_fault));
return 1;
}
}
`;
}
