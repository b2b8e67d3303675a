import { describe, expect, test } from 'vitest';
import { compile, EncodeError, ModuleBuilder } from './index.ts';
import type { FunctionBuilder, Local } from './index.ts';

const memory = new WebAssembly.Memory({ initial: 1 });
const plain = { fma: false, shared: false } as const;

function instantiate(module: ModuleBuilder, imports: WebAssembly.Imports = {}) {
  const { exports } = new WebAssembly.Instance(compile(module.build()), { env: { memory }, ...imports });
  return (name: string, ...args: number[]): unknown => {
    const run = exports[name];
    return typeof run === 'function' ? run(...args) : undefined;
  };
}

/** A function of two integers. */
function integers(body: (f: FunctionBuilder, a: Local<'i32'>, b: Local<'i32'>) => Local<'i32'>): (a: number, b: number) => unknown {
  const module = new ModuleBuilder(plain);
  module.function({ name: 'run', parameters: { a: 'i32', b: 'i32' }, result: 'i32', export: true }, (f, { a, b }) => body(f, a, b));
  const call = instantiate(module);
  return (a, b) => call('run', a, b);
}

describe('control flow', () => {
  test('for counts up and down, with bounds from locals, constants and values, and may run no round', () => {
    const rounds = (a: number, b: number): unknown[] =>
      [
        (f: FunctionBuilder, i: Local<'i32'>, from: Local<'i32'>, to: Local<'i32'>, body: () => void) => f.for(i, from, to, 3, body),
        (f: FunctionBuilder, i: Local<'i32'>, from: Local<'i32'>, to: Local<'i32'>, body: () => void) => f.for(i, to, from, -3, body),
        (f: FunctionBuilder, i: Local<'i32'>, from: Local<'i32'>, to: Local<'i32'>, body: () => void) =>
          f.for(i, f.i32.add(from, 1), f.i32.sub(to, 1), f.i32.const(1), body),
      ].map((loop) =>
        integers((f, x, y) => {
          const [i, sum] = [f.local.i32(), f.local.i32()];
          loop(f, i, x, y, () => f.set(sum, f.i32.add(f.i32.mul(sum, 10), i)));
          return sum;
        })(a, b),
      );
    expect(rounds(0, 8)).toEqual([36, 852, 123456]);
    expect(rounds(5, 5)).toEqual([0, 0, 0]);
    expect(rounds(7, 2)).toEqual([0, 0, 0]);
  });

  test('constant bounds decide at once', () => {
    const count = (from: number, to: number, step: number): unknown =>
      integers((f) => {
        const [i, n] = [f.local.i32(), f.local.i32()];
        f.for(i, from, to, step, () => f.set(n, f.i32.add(n, 1)));
        return n;
      })(0, 0);
    expect([count(0, 10, 4), count(3, 3, 1), count(4, 3, 1), count(3, 0, -1), count(0, 3, -1)]).toEqual([3, 0, 0, 3, 0]);
  });

  test('if, while, block, loop, br, return, select, tee', () => {
    const gcd = integers((f, a, b) => {
      const t = f.local.i32();
      f.while(
        () => f.i32.ne(b, 0),
        () => {
          f.set(t, f.i32.remS(a, b));
          f.set(a, b);
          f.set(b, t);
        },
      );
      return a;
    });
    expect(gcd(84, 36)).toBe(12);
    const classify = integers((f, a, b) => {
      const result = f.local.i32(5);
      f.block((end) => {
        f.brIf(end, f.i32.eqz(b));
        f.if(
          f.i32.ltS(a, b),
          () => f.set(result, 1),
          () => {
            f.if(f.i32.eq(a, b), () => f.return(2));
            f.loop((again) => {
              f.brIf(again, f.i32.gtS(f.tee(a, f.i32.sub(a, 1)), b));
              f.br(end);
            });
          },
        );
        f.set(result, f.i32.add(result, 10));
      });
      return f.let(f.select(result, f.i32.const(-1), f.i32.geS(a, 0)));
    });
    expect([classify(1, 2), classify(2, 2), classify(9, 2), classify(7, 0), classify(-1, 2)]).toEqual([11, 2, 5, 5, -1]);
  });
});

describe('modules', () => {
  test('functions call each other and imports, by name of argument', () => {
    const module = new ModuleBuilder(plain);
    const seen: number[] = [];
    const report = module.import('host', { name: 'report', parameters: { value: 'f64' } });
    const scale = module.function({ name: 'scale', parameters: { x: 'f64', by: 'f64' }, result: 'f64' }, (f, { x, by }) =>
      f.f64.mul(x, by),
    );
    module.function({ name: 'main', parameters: { x: 'f64' }, export: true }, (f, { x }) => {
      f.call(report, { value: f.call(scale, { by: 3, x }) });
      f.drop(f.call(scale, { x, by: 2 }));
    });
    instantiate(module, { host: { report: (value: number) => seen.push(value) } })('main', 2.5);
    expect(seen).toEqual([7.5]);
  });

  test('equal sources give equal bytes; a custom section tells modules apart', () => {
    const build = (mark: string): Uint8Array<ArrayBuffer> => {
      const module = new ModuleBuilder(plain);
      module.function({ name: 'f', result: 'i32', export: true }, (f) => f.i32.const(1));
      module.custom('shoal.mode', new TextEncoder().encode(mark));
      return module.build();
    };
    expect(build('a')).toEqual(build('a'));
    expect(build('a')).not.toEqual(build('b'));
    const sections = WebAssembly.Module.customSections(compile(build('wide')), 'shoal.mode').map((bytes) =>
      new TextDecoder().decode(bytes),
    );
    expect(sections).toEqual(['wide']);
  });

  test('data stands in the memory after instantiation, once builds once', () => {
    const module = new ModuleBuilder(plain);
    module.data(4096, Uint8Array.of(1, 2, 3, 255));
    const build = () => module.function({ name: 'read', result: 'i32', export: true }, (f) => f.i32.load(4096));
    expect(module.once('read', build)).toBe(module.once('read', build));
    expect(instantiate(module)('read')).toBe(0xff030201 | 0);
  });

  test('function names show in traps', () => {
    const module = new ModuleBuilder(plain);
    module.function({ name: 'conv 3x3', export: true }, (f) => f.unreachable());
    const run = instantiate(module);
    expect(() => run('conv 3x3')).toThrow(expect.objectContaining({ stack: expect.stringContaining('conv 3x3') }));
  });

  test('a kernel with more code than a LEB byte, more locals than one run, and a multiply-add loop', () => {
    for (const fma of [true, false]) {
      const module = new ModuleBuilder({ fma, shared: false });
      module.function(
        { name: 'dot', parameters: { a: 'i32', b: 'i32', bytes: 'i32' }, result: 'f32', export: true },
        (f, { a, b, bytes }) => {
          const { f32x4, v128, i32 } = f;
          const sums = Array.from({ length: 12 }, () => f.local.v128(f32x4.splat(0)));
          const i = f.local.i32();
          f.for(i, 0, bytes, 16 * sums.length, () => {
            f.temporaries(() =>
              sums.forEach((sum, k) => {
                const x = f.let(v128.load(i32.add(a, i), 16 * k));
                f.set(sum, f32x4.madd(x, v128.load(i32.add(b, i), 16 * k), sum));
              }),
            );
          });
          const total = f.let(sums.reduce((x, y) => f.let(f32x4.add(x, y))));
          return [1, 2, 3].reduce((x, lane) => f.f32.add(x, f32x4.extractLane(total, lane)), f32x4.extractLane(total, 0));
        },
      );
      const view = new Float32Array(memory.buffer);
      const count = 48 * 7;
      const [a, b] = [(i: number): number => (i % 7) - 3, (i: number): number => (i % 5) - 2];
      view.set(
        Array.from({ length: count }, (_, i) => a(i)),
        1024,
      );
      view.set(
        Array.from({ length: count }, (_, i) => b(i)),
        2048,
      );
      const truth = Array.from({ length: count }, (_, i) => a(i) * b(i)).reduce((x, y) => x + y);
      expect(instantiate(module)('dot', 4096, 8192, count * 4)).toBe(truth);
    }
  });
});

describe('mistakes in kernels are errors', () => {
  const build = (body: (f: FunctionBuilder, x: Local<'i32'>) => void) => () =>
    new ModuleBuilder(plain).function({ name: 'kernel', parameters: { x: 'i32' } }, (f, { x }) => body(f, x));

  test.each([
    [
      'a value of i32.add is used twice',
      (f: FunctionBuilder, x: Local<'i32'>) => ((sum) => f.set(x, f.i32.mul(sum, sum)))(f.i32.add(x, 1)),
    ],
    ['a i32.atomic.rmw.add is built but never runs', (f: FunctionBuilder) => void f.atomic.add(0, 1)],
    [
      'a branch to a block it is not inside of',
      (f: FunctionBuilder) => {
        let out: Parameters<typeof f.br>[0] | undefined;
        f.block((end) => {
          out = end;
        });
        if (out) f.br(out);
      },
    ],
    ['1.5 is no 32-bit integer', (f: FunctionBuilder, x: Local<'i32'>) => f.set(x, 1.5)],
    ['offset -4', (f: FunctionBuilder) => f.v128.store(0, 0, -4)],
    ['alignment 3', (f: FunctionBuilder) => f.v128.store(0, 0, 0, 3)],
    ['lane 4 is outside 0..3', (f: FunctionBuilder) => void f.f32x4.extractLane(f.f32x4.splat(0), 4)],
    ['return takes no value', (f: FunctionBuilder) => f.return(3)],
    ['step 0', (f: FunctionBuilder, x: Local<'i32'>) => f.for(x, 0, 4, 0, () => undefined)],
  ] as const)('%s', (message, body) => {
    expect(build(body)).toThrow(EncodeError);
    expect(build(body)).toThrow(message);
  });

  test('locals of another function, equal names, late imports, missing and unknown arguments', () => {
    const module = new ModuleBuilder(plain);
    let foreign: Local<'i32'> | undefined;
    const first = module.function({ name: 'first', parameters: { x: 'i32' } }, (_, { x }) => void (foreign = x));
    expect(() => module.function({ name: 'second' }, (f) => foreign && f.drop(foreign))).toThrow('a local of another function');
    expect(() => module.function({ name: 'first' }, () => undefined)).toThrow('two functions are named first');
    expect(() => module.import('host', { name: 'late' })).toThrow('import first');
    const wrong: Record<string, number> = { y: 2 };
    const call = (args: Record<string, number>) => (f: FunctionBuilder) => f.call(first, { x: 1, ...args });
    const none: Record<string, number> = {};
    expect(() => module.function({ name: 'third' }, (f) => f.call(first, none as { x: number }))).toThrow('called without x');
    expect(() => module.function({ name: 'fourth' }, call(wrong))).toThrow('no parameter y');
  });
});
