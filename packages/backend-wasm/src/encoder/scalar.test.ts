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
  expect([0, 3].map((a) => i32((f) => f.i32.eqz(a)))).toEqual([1, 0]);
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

test('roots and conversions', () => {
  expect(f32((f) => f.f32.sqrt(6.25))).toBe(2.5);
  expect(f32((f) => f.f32.convertI32S(-5))).toBe(-5);
  expect(f64((f) => f.f64.convertI32S(-5))).toBe(-5);
  expect(f32((f) => f.f32.demoteF64(0.1))).toBe(Math.fround(0.1));
  expect(f64((f) => f.f64.promoteF32(0.1))).toBe(Math.fround(0.1));
});

test('loads and stores, with offsets', () => {
  const module = new ModuleBuilder({ fma: false, shared: false });
  module.function({ name: 'write', export: true }, (f) => {
    f.i32.store(8, 0x81828384, 8);
    f.f32.store(0, 1.5, 40, 1);
    f.f64.store(0, 2.5, 48);
    f.memory.fill(64, 9, 3);
    f.memory.copy(68, 64, 4);
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { write } = new WebAssembly.Instance(compile(module.build()), { env: { memory } }).exports;
  if (typeof write === 'function') write();
  const view = new DataView(memory.buffer);
  expect([view.getInt32(16, true), view.getFloat32(40, true), view.getFloat64(48, true)]).toEqual([0x81828384 | 0, 1.5, 2.5]);
  expect([...new Uint8Array(memory.buffer, 64, 8)]).toEqual([9, 9, 9, 0, 9, 9, 9, 0]);

  const reader = new ModuleBuilder({ fma: false, shared: false });
  reader.function({ name: 'read', result: 'f64', export: true }, (f) =>
    f.f64.add(f.f64.convertI32S(f.i32.load(16)), f.f64.add(f.f64.promoteF32(f.f32.load(0, 40)), f.f64.load(0, 48))),
  );
  const { read } = new WebAssembly.Instance(compile(reader.build()), { env: { memory } }).exports;
  expect(typeof read === 'function' && read()).toBe((0x81828384 | 0) + 1.5 + 2.5);
});
