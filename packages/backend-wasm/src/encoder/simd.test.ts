import { expect, test } from 'vitest';
import { compile, detectFeatures, i16x8, i8x16, ModuleBuilder } from './index.ts';
import type { FunctionBuilder, V128, Value } from './index.ts';

const memory = new WebAssembly.Memory({ initial: 1 });
const bytes = new Uint8Array(memory.buffer);

type Lanes = Float32Array | Float64Array | Int32Array | Uint32Array | BigUint64Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Runs a vector value over vectors at addresses 0 and 16; the result's bytes. */
function run(build: (f: FunctionBuilder, a: V128, b: V128) => V128, [a, b]: readonly Lanes[] = [], fma = false): ArrayBuffer {
  const module = new ModuleBuilder({ fma, relaxed: detectFeatures().relaxedSimd, shared: false });
  module.function({ name: 'run', export: true }, (f) => f.v128.store(64, build(f, f.let(f.v128.load(0)), f.let(f.v128.load(0, 16)))));
  const { exports } = new WebAssembly.Instance(compile(module.build()), { env: { memory } });
  bytes.fill(0);
  for (const [at, lanes] of [a, b].entries()) if (lanes) bytes.set(new Uint8Array(lanes.buffer, lanes.byteOffset, 16), at * 16);
  if (typeof exports['run'] === 'function') exports['run']();
  return bytes.slice(64, 80).buffer;
}

function scalar(build: (f: FunctionBuilder, a: V128) => Value<'i32' | 'f32' | 'f64'>, a: Lanes): number {
  const to = (f: FunctionBuilder, value: Value<'i32' | 'f32' | 'f64'>): Value<'f64'> => {
    if (value.type === 'f64') return value as Value<'f64'>;
    return value.type === 'f32' ? f.f64.promoteF32(value as Value<'f32'>) : f.f64.convertI32S(value as Value<'i32'>);
  };
  return new Float64Array(run((f, x) => f.f64x2.splat(to(f, build(f, x))), [a]))[0] ?? NaN;
}

const f32 = (...lanes: number[]): Float32Array => Float32Array.from(lanes);
const i32 = (...lanes: number[]): Int32Array => Int32Array.from(lanes);
const floats = (buffer: ArrayBuffer): number[] => [...new Float32Array(buffer)];
const doubles = (buffer: ArrayBuffer): number[] => [...new Float64Array(buffer)];
const ints = (buffer: ArrayBuffer): number[] => [...new Int32Array(buffer)];
const shorts = (buffer: ArrayBuffer): number[] => [...new Int16Array(buffer)];
const smalls = (buffer: ArrayBuffer): number[] => [...new Uint8Array(buffer)];
const two = (namespace: object, name: string) => (namespace as Readonly<Record<string, (a: V128, b: V128) => V128>>)[name]!;
const one = (namespace: object, name: string) => (namespace as Readonly<Record<string, (a: V128) => V128>>)[name]!;

const fa = f32(1.5, -2, NaN, -0);
const fb = f32(0.25, 3, 1, 0);
const da = Float64Array.of(1.5, NaN);
const db = Float64Array.of(-0.1, 2);

const floatOps: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
};

test.each(Object.entries(floatOps))('f32x4 and f64x2 %s', (name, truth) => {
  expect(floats(run((f, a, b) => two(f.f32x4, name)(a, b), [fa, fb]))).toEqual([...fa].map((a, i) => Math.fround(truth(a, fb[i] ?? 0))));
  expect(doubles(run((f, a, b) => two(f.f64x2, name)(a, b), [da, db]))).toEqual([...da].map((a, i) => truth(a, db[i] ?? 0)));
});

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

test.each(Object.entries(comparisons))('f32x4 and f64x2 %s', (name, truth) => {
  const [a, b] = [f32(1, 2, NaN, 5), f32(1, 3, 1, 4)];
  expect(ints(run((f, x, y) => two(f.f32x4, name)(x, y), [a, b]))).toEqual([...a].map((x, i) => (truth(x, b[i] ?? 0) ? -1 : 0)));
  const [c, d] = [Float64Array.of(1, 7), Float64Array.of(1, 3)];
  const masks = [...new BigInt64Array(run((f, x, y) => two(f.f64x2, name)(x, y), [c, d]))];
  expect(masks.map(Number)).toEqual([...c].map((x, i) => (truth(x, d[i] ?? 0) ? -1 : 0)));
});

test('floats of one operand', () => {
  const x = f32(2.5, -2.5, 0.5, 6.25);
  for (const [name, truth] of [
    ['abs', [2.5, 2.5, 0.5, 6.25]],
    ['neg', [-2.5, 2.5, -0.5, -6.25]],
    ['ceil', [3, -2, 1, 7]],
    ['floor', [2, -3, 0, 6]],
    ['trunc', [2, -2, 0, 6]],
    ['nearest', [2, -2, 0, 6]],
    ['sqrt', [Math.fround(Math.sqrt(2.5)), NaN, Math.fround(Math.sqrt(0.5)), 2.5]],
  ] as const) {
    expect(floats(run((f, a) => one(f.f32x4, name)(a), [x]))).toEqual(truth);
    const pair = Float64Array.of(2.25, -0.5);
    const scalars = {
      abs: Math.abs,
      neg: (v: number) => -v,
      ceil: Math.ceil,
      floor: Math.floor,
      trunc: Math.trunc,
      nearest: (v: number) => Math.trunc(v),
      sqrt: Math.sqrt,
    };
    expect(doubles(run((f, a) => one(f.f64x2, name)(a), [pair]))).toEqual([...pair].map(scalars[name]));
  }
});

const ia = i32(5, -7, 2147483647, -1);
const ib = i32(3, -7, 1, 2);
const u = (x: number): number => x >>> 0;
const integerOps: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  minS: Math.min,
  maxS: Math.max,
  minU: (a, b) => Math.min(u(a), u(b)),
  maxU: (a, b) => Math.max(u(a), u(b)),
  eq: (a, b) => Number(a === b) * -1,
  ne: (a, b) => Number(a !== b) * -1,
  ltS: (a, b) => Number(a < b) * -1,
  ltU: (a, b) => Number(u(a) < u(b)) * -1,
  gtS: (a, b) => Number(a > b) * -1,
  gtU: (a, b) => Number(u(a) > u(b)) * -1,
  leS: (a, b) => Number(a <= b) * -1,
  leU: (a, b) => Number(u(a) <= u(b)) * -1,
  geS: (a, b) => Number(a >= b) * -1,
  geU: (a, b) => Number(u(a) >= u(b)) * -1,
};

test.each(Object.entries(integerOps))('i32x4.%s', (name, truth) => {
  expect(ints(run((f, a, b) => two(f.i32x4, name)(a, b), [ia, ib]))).toEqual([...ia].map((a, i) => truth(a, ib[i] ?? 0) | 0));
});

test('i32x4 of one operand, shifts and tests', () => {
  expect(ints(run((f, a) => f.i32x4.abs(a), [ia]))).toEqual([5, 7, 2147483647, 1]);
  expect(ints(run((f, a) => f.i32x4.neg(a), [ia]))).toEqual([-5, 7, -2147483647, 1]);
  expect(ints(run((f, a) => f.i32x4.shl(a, 33), [ia]))).toEqual([10, -14, -2, -2]);
  expect(ints(run((f, a) => f.i32x4.shrS(a, 1), [ia]))).toEqual([2, -4, 1073741823, -1]);
  expect(ints(run((f, a) => f.i32x4.shrU(a, 1), [ia]))).toEqual([2, 2147483644, 1073741823, 2147483647]);
  expect([ia, i32(0, 0, 0, 0)].map((x) => scalar((f, a) => f.v128.anyTrue(a), x))).toEqual([1, 0]);
});

test('bits', () => {
  const cases: readonly (readonly [string, (a: number, b: number) => number])[] = [
    ['and', (a, b) => a & b],
    ['andnot', (a, b) => a & ~b],
    ['or', (a, b) => a | b],
    ['xor', (a, b) => a ^ b],
  ];
  for (const [name, truth] of cases) {
    expect(ints(run((f, a, b) => two(f.v128, name)(a, b), [ia, ib]))).toEqual([...ia].map((a, i) => truth(a, ib[i] ?? 0)));
  }
  expect(ints(run((f, a) => f.v128.not(a), [ia]))).toEqual([...ia].map((a) => ~a));
  expect(ints(run((f, a, b) => f.v128.bitselect(a, b, 0x0000ffff), [i32(-1, -1, 0, 0), i32(0, 0, -1, -1)]))).toEqual([
    0xffff, 0xffff, -65536, -65536,
  ]);
});

test('select takes whole lanes, with and without relaxed SIMD', () => {
  expect(floats(run((f, a, b) => f.f32x4.select(f.f32x4.lt(a, b), a, 9), [f32(1, 5, NaN, -1), f32(2, 2, 2, 2)]))).toEqual([1, 9, 9, -1]);
  const module = new ModuleBuilder({ fma: false, shared: false });
  module.function({ name: 'run', result: 'i32', export: true }, (f) =>
    f.i32x4.extractLane(f.i32x4.select(f.i32x4.const(-1, 0, -1, 0), 1, 2), 1),
  );
  const exports = new WebAssembly.Instance(compile(module.build()), { env: { memory } }).exports;
  expect(typeof exports['run'] === 'function' && exports['run']()).toBe(2);
});

test('numbers become constants in every lane', () => {
  expect(floats(run((f, a) => f.f32x4.add(a, 0.5), [fb]))).toEqual([0.75, 3.5, 1.5, 0.5]);
  expect(doubles(run((f, a) => f.f64x2.mul(a, 0.1), [db]))).toEqual([-0.1 * 0.1, 0.2]);
  expect(ints(run((f) => f.i32x4.add(0xffffffff, -1)))).toEqual([-2, -2, -2, -2]);
  expect(shorts(run(() => i16x8.add(-3, 1)))).toEqual(Array.from({ length: 8 }, () => -2));
  expect(smalls(run(() => i8x16.add(255, 2)))).toEqual(Array.from({ length: 16 }, () => 1));
});

test('splats, lanes and shuffles', () => {
  expect(floats(run((f) => f.f32x4.splat(1.25)))).toEqual([1.25, 1.25, 1.25, 1.25]);
  expect(ints(run((f) => f.i32x4.splat(-3)))).toEqual([-3, -3, -3, -3]);
  expect(shorts(run(() => i16x8.splat(-3)))).toEqual(Array.from({ length: 8 }, () => -3));
  expect(smalls(run(() => i8x16.splat(7)))).toEqual(Array.from({ length: 16 }, () => 7));
  expect(floats(run((f) => f.f32x4.const(1, 2, 3, 4)))).toEqual([1, 2, 3, 4]);
  expect(doubles(run((f) => f.f64x2.const(1, 2)))).toEqual([1, 2]);
  expect(floats(run((f, a) => f.f32x4.replaceLane(a, 2, 8), [fb]))).toEqual([0.25, 3, 8, 0]);
  expect(doubles(run((f, a) => f.f64x2.replaceLane(a, 1, 8), [db]))).toEqual([-0.1, 8]);
  expect(ints(run((f, a) => f.i32x4.replaceLane(a, 0, 8), [ia]))).toEqual([8, -7, 2147483647, -1]);
  expect(shorts(run((_, a) => i16x8.replaceLane(a, 7, -8), [i32(0, 0, 0, 0)]))[7]).toBe(-8);
  expect(smalls(run((_, a) => i8x16.replaceLane(a, 15, 8), [i32(0, 0, 0, 0)]))[15]).toBe(8);
  expect(scalar((f, a) => f.f32x4.extractLane(a, 1), fb)).toBe(3);
  expect(scalar((f, a) => f.f64x2.extractLane(a, 1), db)).toBe(2);
  expect(scalar((f, a) => f.i32x4.extractLane(a, 1), ia)).toBe(-7);
  expect(floats(run((f, a, b) => f.f32x4.shuffle(a, b, [3, 4, 0, 7]), [f32(0, 1, 2, 3), f32(4, 5, 6, 7)]))).toEqual([3, 4, 0, 7]);
  expect(doubles(run((f, a, b) => f.f64x2.shuffle(a, b, [1, 2]), [Float64Array.of(0, 1), Float64Array.of(2, 3)]))).toEqual([1, 2]);
  const halves = Int16Array.from({ length: 8 }, (_, i) => i);
  expect(shorts(run((_, a, b) => i16x8.shuffle(a, b, [7, 6, 5, 4, 8, 9, 10, 11]), [halves, halves]))).toEqual([7, 6, 5, 4, 0, 1, 2, 3]);
});

test('loads and stores: splats, zeros, lanes', () => {
  const word = Uint8Array.from({ length: 16 }, (_, i) => 240 + i);
  const view = new DataView(word.buffer);
  const four = (x: number): number[] => [x, x, x, x];
  expect(ints(run((f) => f.v128.load32Splat(0, 4), [word]))).toEqual(four(view.getInt32(4, true)));
  expect(ints(run((f) => f.v128.load32Zero(0, 4), [word]))).toEqual([view.getInt32(4, true), 0, 0, 0]);
  expect(ints(run((f, a) => f.v128.load32Lane(0, a, 2, 4), [word]))).toEqual([0, 1, 1, 3].map((i) => view.getInt32(i * 4, true)));
  const stored = run(
    (f, a) => {
      f.v128.store32Lane(96, a, 3);
      f.v128.store64Lane(96, a, 0, 4, 4);
      return f.v128.load(0, 96, 1);
    },
    [word],
  );
  expect(smalls(stored)).toEqual([252, 253, 254, 255, 240, 241, 242, 243, 244, 245, 246, 247, 0, 0, 0, 0]);
});

test('conversions between shapes', () => {
  expect(ints(run((f, a) => f.i32x4.truncSatF32x4S(a), [f32(-1.9, NaN, 3e9, 2.5)]))).toEqual([-1, 0, 2147483647, 2]);
  expect(ints(run((f, a) => f.i32x4.truncSatF32x4U(a), [f32(-1.9, NaN, 3e9, 2.5)]))).toEqual([0, 0, 3e9 | 0, 2]);
  expect(floats(run((f, a) => f.f32x4.convertI32x4S(a), [ia]))).toEqual([5, -7, 2147483648, -1]);
  expect(floats(run((f, a) => f.f32x4.convertI32x4U(a), [i32(-1, 1, 2, 3)]))).toEqual([4294967296, 1, 2, 3]);
  expect(doubles(run((f, a) => f.f64x2.promoteLowF32x4(a), [f32(0.1, 2, 3, 4)]))).toEqual([Math.fround(0.1), 2]);
  expect(floats(run((f, a) => f.f32x4.demoteF64x2Zero(a), [Float64Array.of(0.1, 1e40)]))).toEqual([Math.fround(0.1), Infinity, 0, 0]);
  expect(doubles(run((f, a) => f.f64x2.convertLowI32x4S(a), [ia]))).toEqual([5, -7]);
  expect(ints(run((f, a) => f.i32x4.truncSatF64x2SZero(a), [Float64Array.of(-2.7, 1e10)]))).toEqual([-2, 2147483647, 0, 0]);
  const halves = Int16Array.of(1, -2, 3, -4, 5, -6, 7, -8);
  expect(ints(run((f, a) => f.i32x4.extendLowI16x8U(a), [halves]))).toEqual([1, 65534, 3, 65532]);
  expect(ints(run((f, a) => f.i32x4.extendHighI16x8U(a), [halves]))).toEqual([5, 65530, 7, 65528]);
  expect(shorts(run((_, a, b) => i16x8.narrowI32x4U(a, b), [i32(1, -2, 70000, 3), ia]))).toEqual([1, 0, -1, 3, 5, 0, -1, 0]);
  const small = Int8Array.from({ length: 16 }, (_, i) => (i % 2 ? -i : i));
  expect(shorts(run((_, a) => i16x8.extendLowI8x16U(a), [small]))[1]).toBe(255);
  expect(shorts(run((_, a) => i16x8.extendHighI8x16U(a), [small]))[1]).toBe(247);
  expect(smalls(run((_, a, b) => i8x16.narrowI16x8U(a, b), [halves, Int16Array.of(300, 1, 1, 1, 1, 1, 1, 1)]))).toEqual([
    1, 0, 3, 0, 5, 0, 7, 0, 255, 1, 1, 1, 1, 1, 1, 1,
  ]);
});

test('small integers', () => {
  const [a, b] = [Int16Array.of(1, -2, 3, -4, 5, -6, 7, -8), Int16Array.of(1, 2, 3, 4, 5, 6, 7, 300)];
  expect(shorts(run((_, x, y) => i16x8.eq(x, y), [a, b]))).toEqual([-1, 0, -1, 0, -1, 0, -1, 0]);
  expect(shorts(run((_, x, y) => i16x8.sub(x, y), [a, b]))).toEqual([0, -4, 0, -8, 0, -12, 0, -308]);
  expect(shorts(run((_, x, y) => i16x8.mul(x, y), [a, b]))).toEqual([1, -4, 9, -16, 25, -36, 49, -2400]);
  expect(shorts(run((_, x) => i16x8.shl(x, 4), [a]))[1]).toBe(-32);
  expect(shorts(run((_, x) => i16x8.shrU(x, 12), [a]))[1]).toBe(15);
  const [c, d] = [Uint8Array.from({ length: 16 }, (_, i) => i * 16), Uint8Array.from({ length: 16 }, () => 128)];
  expect(smalls(run((_, x, y) => i8x16.minU(x, y), [c, d]))).toEqual([...c].map((x) => Math.min(x, 128)));
  expect(smalls(run((_, x, y) => i8x16.maxU(x, y), [c, d]))).toEqual([...c].map((x) => Math.max(x, 128)));
  expect(smalls(run((_, x, y) => i8x16.eq(x, y), [c, d]))).toEqual([...c].map((x) => (x === 128 ? 255 : 0)));
  expect(smalls(run((_, x, y) => i8x16.ne(x, y), [c, d]))).toEqual([...c].map((x) => (x === 128 ? 0 : 255)));
  expect(smalls(run((_, x, y) => i8x16.sub(x, y), [c, d]))).toEqual([...c].map((x) => (x - 128) & 255));
});

test('64-bit lanes: products of counters', () => {
  const [a, b] = [Uint32Array.of(0xd2511f53, 0xcd9e8d57, 7, 0xffffffff), Uint32Array.of(0x9e3779b9, 0xbb67ae85, 9, 0xffffffff)];
  const wide = (build: (f: FunctionBuilder, a: V128, b: V128) => V128): bigint[] => [...new BigUint64Array(run(build, [a, b]))];
  const product = (i: number): bigint => BigInt(a[i] ?? 0) * BigInt(b[i] ?? 0);
  expect(wide((f, x, y) => f.i64x2.extmulLowI32x4U(x, y))).toEqual([product(0), product(1)]);
  expect(wide((f, x, y) => f.i64x2.extmulHighI32x4U(x, y))).toEqual([product(2), product(3)]);
  expect(wide((f, x) => f.i64x2.extendLowI32x4U(x))).toEqual([BigInt(a[0] ?? 0), BigInt(a[1] ?? 0)]);
  expect(wide((f, x) => f.i64x2.extendHighI32x4U(x))).toEqual([7n, 0xffffffffn]);
  expect(wide((f, x) => f.i64x2.shrU(f.i64x2.shl(f.i64x2.sub(f.i64x2.add(f.i64x2.extendHighI32x4U(x), 5), 2), 32), 31))).toEqual([20n, 4n]);
});

test('multiply-add: two roundings without fma, one or two with', () => {
  const step = 2 ** -23;
  const [a, b] = [f32(1 + step, 2, 3, 4), f32(1 - step, 5, 6, 7)];
  expect(floats(run((f, x, y) => f.f32x4.madd(x, y, -1), [a, b]))).toEqual([0, 9, 17, 27]);
  expect(floats(run((f, x, y) => f.f32x4.nmadd(x, y, 1), [a, b]))).toEqual([0, -9, -17, -27]);
  expect(doubles(run((f, x, y) => f.f64x2.madd(x, y, -1), [da, db]))).toEqual([1.5 * -0.1 - 1, NaN]);
  const { relaxedSimd, fusedMadd } = detectFeatures();
  expect(relaxedSimd).toBe(true);
  const rest = fusedMadd ? -(2 ** -46) : 0;
  expect(floats(run((f, x, y) => f.f32x4.madd(x, y, -1), [a, b], true))).toEqual([rest, 9, 17, 27]);
  expect(floats(run((f, x, y) => f.f32x4.nmadd(x, y, 1), [a, b], true))).toEqual([rest === 0 ? 0 : -rest, -9, -17, -27]);
  expect(doubles(run((f, x, y) => f.f64x2.madd(x, y, 0.5), [Float64Array.of(1.5, 2), Float64Array.of(2, 4)], true))).toEqual([3.5, 8.5]);
});
