import { expect, test } from 'vitest';
import { compile, ModuleBuilder } from './index.ts';
import type { FunctionBuilder, Value, ValueType } from './index.ts';

const imports = { env: { memory: new WebAssembly.Memory({ initial: 1 }) } };

type Scalar = Value<'i32'> | Value<'i64'> | Value<'f32'> | Value<'f64'>;

/** Runs one value. */
function evaluate(result: ValueType, build: (f: FunctionBuilder) => Scalar): unknown {
  const module = new ModuleBuilder({ fma: false, shared: false });
  module.function({ name: 'value', result, export: true }, build);
  const { value } = new WebAssembly.Instance(compile(module.build()), imports).exports;
  return typeof value === 'function' ? value() : undefined;
}

const i32 = (build: (f: FunctionBuilder) => Value<'i32'>): unknown => evaluate('i32', build);
const i64 = (build: (f: FunctionBuilder) => Value<'i64'>): unknown => evaluate('i64', build);
const f32 = (build: (f: FunctionBuilder) => Value<'f32'>): unknown => evaluate('f32', build);
const f64 = (build: (f: FunctionBuilder) => Value<'f64'>): unknown => evaluate('f64', build);

test.each([0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31), 2 ** 32 - 1, 0xdeadbeef])(
  'i32 constant %i',
  (value) => {
    expect(i32((f) => f.i32.const(value))).toBe(value | 0);
  },
);

test.each([0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 123456789012345n])('i64 constant %i', (value) => {
  expect(i64((f) => f.i64.const(value))).toBe(value);
});

test('float constants keep infinities, NaN, -0 and denormals', () => {
  for (const value of [0.1, -0, Infinity, -Infinity, NaN, 2 ** -149, 1e300]) {
    expect(f32((f) => f.f32.const(value))).toBe(Math.fround(value));
    expect(f64((f) => f.f64.const(value))).toBe(value);
  }
});

const integers: readonly (readonly [number, number])[] = [
  [7, 3],
  [-7, 3],
  [7, -3],
  [-2147483648, 5],
  [123456789, 987654321],
  [-1, 33],
  [5, 5],
];
const u = (x: number): number => x >>> 0;
const integerOps: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  divS: (a, b) => a / b,
  divU: (a, b) => u(a) / u(b),
  remS: (a, b) => a % b,
  remU: (a, b) => u(a) % u(b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shrS: (a, b) => a >> b,
  shrU: (a, b) => a >>> b,
  rotl: (a, b) => (a << b) | (a >>> (32 - (b & 31))),
  rotr: (a, b) => (a >>> b) | (a << (32 - (b & 31))),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  ltS: (a, b) => Number(a < b),
  ltU: (a, b) => Number(u(a) < u(b)),
  gtS: (a, b) => Number(a > b),
  gtU: (a, b) => Number(u(a) > u(b)),
  leS: (a, b) => Number(a <= b),
  leU: (a, b) => Number(u(a) <= u(b)),
  geS: (a, b) => Number(a >= b),
  geU: (a, b) => Number(u(a) >= u(b)),
};

const integer = (namespace: object, name: string) => (namespace as Readonly<Record<string, (a: number, b: number) => Value<'i32'>>>)[name]!;
const single = (namespace: object, name: string) => (namespace as Readonly<Record<string, (a: number, b: number) => Value<'f32'>>>)[name]!;
const double = (namespace: object, name: string) => (namespace as Readonly<Record<string, (a: number, b: number) => Value<'f64'>>>)[name]!;

test.each(Object.entries(integerOps))('i32.%s', (name, truth) => {
  for (const [a, b] of integers)
    expect(
      i32((f) => integer(f.i32, name)(a, b)),
      `${a}, ${b}`,
    ).toBe(truth(a, b) | 0);
});

test('i32 of one operand', () => {
  for (const [name, a, truth] of [
    ['eqz', 0, 1],
    ['eqz', 3, 0],
    ['clz', 1, 31],
    ['ctz', 8, 3],
    ['popcnt', 255, 8],
  ] as const) {
    expect(i32((f) => f.i32[name](a))).toBe(truth);
  }
});

const floats: readonly (readonly [number, number])[] = [
  [1.5, -2.25],
  [-0, 0],
  [Infinity, 2],
  [NaN, 1],
  [3, 3],
  [0.1, 0.3],
];
const floatOps: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  copysign: (a, b) => (Object.is(b, -0) || b < 0 ? -Math.abs(a) : Math.abs(a)),
};
const floatTests: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

test.each(Object.entries(floatOps))('f32 and f64 %s', (name, truth) => {
  for (const [a, b] of floats) {
    expect(
      f64((f) => double(f.f64, name)(a, b)),
      `${a}, ${b}`,
    ).toBe(truth(a, b));
    expect(
      f32((f) => single(f.f32, name)(a, b)),
      `${a}, ${b}`,
    ).toBe(Math.fround(truth(Math.fround(a), Math.fround(b))));
  }
});

test.each(Object.entries(floatTests))('f32 and f64 %s', (name, truth) => {
  for (const [a, b] of floats) {
    expect(
      i32((f) => integer(f.f64, name)(a, b)),
      `${a}, ${b}`,
    ).toBe(Number(truth(a, b)));
    expect(
      i32((f) => integer(f.f32, name)(a, b)),
      `${a}, ${b}`,
    ).toBe(Number(truth(a, b)));
  }
});

test('floats of one operand; nearest goes to the even neighbour', () => {
  for (const [name, a, truth] of [
    ['abs', -2.5, 2.5],
    ['neg', -2.5, 2.5],
    ['neg', 0, -0],
    ['ceil', -2.5, -2],
    ['floor', -2.5, -3],
    ['trunc', -2.5, -2],
    ['nearest', 2.5, 2],
    ['nearest', -1.5, -2],
    ['nearest', 0.5, 0],
    ['sqrt', 6.25, 2.5],
  ] as const) {
    expect(f32((f) => f.f32[name](a))).toBe(truth);
    expect(f64((f) => f.f64[name](a))).toBe(truth);
  }
});

test('conversions', () => {
  expect(f32((f) => f.f32.convertI32S(-5))).toBe(-5);
  expect(f32((f) => f.f32.convertI32U(-1))).toBe(2 ** 32);
  expect(f64((f) => f.f64.convertI32S(-5))).toBe(-5);
  expect(f64((f) => f.f64.convertI32U(-1))).toBe(2 ** 32 - 1);
  expect(f32((f) => f.f32.demoteF64(0.1))).toBe(Math.fround(0.1));
  expect(f64((f) => f.f64.promoteF32(0.1))).toBe(Math.fround(0.1));
  expect(f32((f) => f.f32.reinterpretI32(0x3f800000))).toBe(1);
  expect(i32((f) => f.i32.reinterpretF32(-0))).toBe(-(2 ** 31));
  expect(f64((f) => f.f64.reinterpretI64(f.i64.const(0x3ff0000000000000n)))).toBe(1);
  expect(i64((f) => f.i64.reinterpretF64(1))).toBe(0x3ff0000000000000n);
  expect([NaN, -1.9, 1e10, -1e10].map((x) => i32((f) => f.i32.truncSatF32S(x)))).toEqual([0, -1, 2 ** 31 - 1, -(2 ** 31)]);
  expect([NaN, -1.9, 3e9, 1e10].map((x) => i32((f) => f.i32.truncSatF32U(x)))).toEqual([0, 0, 3e9 | 0, -1]);
  expect([NaN, -1.9, 1e10].map((x) => i32((f) => f.i32.truncSatF64S(x)))).toEqual([0, -1, 2 ** 31 - 1]);
  expect([-1, 3e9].map((x) => i32((f) => f.i32.truncSatF64U(x)))).toEqual([0, 3e9 | 0]);
});

test('i64 arithmetic: the high word of a 64-bit product', () => {
  const high = (f: FunctionBuilder): Value<'i32'> =>
    f.i32.wrapI64(f.i64.shrU(f.i64.mul(f.i64.extendI32U(0xd2511f53), f.i64.extendI32U(0x9e3779b9)), 32));
  expect(i32(high)).toBe(Number((0xd2511f53n * 0x9e3779b9n) >> 32n) | 0);
  expect(i64((f) => f.i64.add(f.i64.extendI32S(-5), 3))).toBe(-2n);
  expect(i64((f) => f.i64.sub(f.i64.shl(1, 40), 1))).toBe(2n ** 40n - 1n);
  expect(i64((f) => f.i64.shrS(-8, 1))).toBe(-4n);
  expect(i64((f) => f.i64.or(f.i64.and(12, 10), f.i64.xor(1, 3)))).toBe(10n);
  expect(i32((f) => f.i32.add(f.i64.eq(4, 4), f.i32.add(f.i64.ne(4, 4), f.i32.add(f.i64.ltU(1, -1), f.i64.eqz(0)))))).toBe(3);
});

test('loads and stores of every width, with offsets', () => {
  const module = new ModuleBuilder({ fma: false, shared: false });
  module.function({ name: 'write', export: true }, (f) => {
    f.i32.store(8, 0x81828384, 8);
    f.i32.store8(0, -2, 32);
    f.i32.store16(0, -3, 34);
    f.f32.store(0, 1.5, 40);
    f.f64.store(0, 2.5, 48);
    f.i64.store(0, -7, 56, 1);
    f.memory.fill(64, 9, 3);
    f.memory.copy(68, 64, 4);
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { write } = new WebAssembly.Instance(compile(module.build()), { env: { memory } }).exports;
  if (typeof write === 'function') write();
  const view = new DataView(memory.buffer);
  expect([view.getInt32(16, true), view.getInt8(32), view.getInt16(34, true)]).toEqual([0x81828384 | 0, -2, -3]);
  expect([view.getFloat32(40, true), view.getFloat64(48, true), view.getBigInt64(56, true)]).toEqual([1.5, 2.5, -7n]);
  expect([...new Uint8Array(memory.buffer, 64, 8)]).toEqual([9, 9, 9, 0, 9, 9, 9, 0]);

  const reader = new ModuleBuilder({ fma: false, shared: false });
  reader.function({ name: 'read', result: 'f64', export: true }, (f) => {
    const parts = [
      f.i32.load8S(19),
      f.i32.load8U(19),
      f.i32.load16S(0, 18),
      f.i32.load16U(0, 18),
      f.i32.wrapI64(f.i64.load(0, 56)),
      f.i32.load(16),
    ];
    const sum = parts.map((part) => f.f64.convertI32S(part)).reduce((a, b) => f.f64.add(a, b));
    return f.f64.add(sum, f.f64.add(f.f64.promoteF32(f.f32.load(0, 40)), f.f64.load(0, 48)));
  });
  const { read } = new WebAssembly.Instance(compile(reader.build()), { env: { memory } }).exports;
  const truth = -127 + 0x81 + (0x8182 - 0x10000) + 0x8182 - 7 + (0x81828384 | 0) + 1.5 + 2.5;
  expect(typeof read === 'function' && read()).toBe(truth);
});
