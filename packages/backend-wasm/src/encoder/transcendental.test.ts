import { describe, expect, test } from 'vitest';
import { compile, exp, log, ModuleBuilder, pow, sigmoid, tanh } from './index.ts';

const modes = [true, false];
const COUNT = 4096;

/** Functions over `COUNT` floats at address 0 (and `COUNT` more behind them), results at `3 * COUNT * 4`. */
function kernels(fma: boolean) {
  const module = new ModuleBuilder({ fma, shared: false });
  const functions = { exp, log, tanh, sigmoid, pow };
  for (const [name, emit] of Object.entries(functions)) {
    module.function({ name, export: true }, (f) => {
      const i = f.local.i32();
      f.for(i, 0, COUNT * 4, 16, () => {
        const [x, y] = [f.v128.load(i), f.v128.load(i, COUNT * 4)];
        f.v128.store(i, emit(f, x, y), 2 * COUNT * 4);
      });
    });
  }
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(compile(module.build()), { env: { memory } });
  const view = new Float32Array(memory.buffer);
  return (name: keyof typeof functions, x: readonly number[], y: readonly number[] = []): Float32Array => {
    view.fill(0);
    view.set(x);
    view.set(y, COUNT);
    const run = exports[name];
    if (typeof run === 'function') run();
    return view.slice(2 * COUNT, 2 * COUNT + x.length);
  };
}

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);
const fromBits = (word: number): number => {
  bits[0] = word;
  return single[0] ?? NaN;
};

/** Error in units of the last place of the float nearest to the truth; denormals count in units of 2^-149. */
function ulps(actual: number, truth: number): number {
  const nearest = Math.fround(truth);
  if (Object.is(actual, nearest) || (Number.isNaN(actual) && Number.isNaN(nearest))) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(nearest)) {
    // One step over the edge of the range is one step.
    return Math.abs(truth) > 3.4028233e38 && Math.abs(actual) > 3.4028233e38 ? 1 : Infinity;
  }
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(nearest))), -126);
  return Math.abs(actual - truth) / 2 ** (exponent - 23);
}

function worst(
  run: (x: readonly number[]) => Float32Array,
  truth: (x: number) => number,
  samples: readonly number[],
): { ulp: number; at: number } {
  let result = { ulp: 0, at: NaN };
  for (let start = 0; start < samples.length; start += COUNT) {
    const x = samples.slice(start, start + COUNT);
    run(x).forEach((y, i) => {
      const at = x[i] ?? NaN;
      const ulp = ulps(y, truth(at));
      if (!(ulp <= result.ulp)) result = { ulp, at };
    });
  }
  return result;
}

/** Every 4,999th float of the whole format: all exponents, both signs, infinities, NaNs and denormals among them. */
const everywhere = Array.from({ length: Math.floor(2 ** 32 / 4999) }, (_, i) => fromBits(i * 4999));
const between = (low: number, high: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround(low + ((high - low) * i) / (count - 1)));

describe.each(modes)('fma: %s', (fma) => {
  const run = kernels(fma);

  test('exp is within 2 ulp over the whole range, denormal results included', () => {
    expect(worst((x) => run('exp', x), Math.exp, everywhere).ulp).toBeLessThanOrEqual(2);
    expect(worst((x) => run('exp', x), Math.exp, between(-105, 89.5, 400_000)).ulp).toBeLessThanOrEqual(2);
    expect([...run('exp', [0, -0, Infinity, -Infinity, NaN, 88.73, -103.9, -104])]).toEqual([
      1,
      1,
      Infinity,
      0,
      NaN,
      Infinity,
      2 ** -149,
      0,
    ]);
  });

  test('log is within 2 ulp over the whole range, denormal arguments included', () => {
    expect(worst((x) => run('log', x), Math.log, everywhere).ulp).toBeLessThanOrEqual(2);
    expect(worst((x) => run('log', x), Math.log, between(0.4, 2.5, 400_000)).ulp).toBeLessThanOrEqual(2);
    const special = [1, 0, -0, Infinity, -Infinity, NaN, -1, -1e-40, 2 ** -149];
    expect([...run('log', special)]).toEqual([0, -Infinity, -Infinity, Infinity, NaN, NaN, NaN, NaN, Math.fround(Math.log(2 ** -149))]);
  });

  test('tanh is within 3 ulp and odd', () => {
    expect(worst((x) => run('tanh', x), Math.tanh, everywhere).ulp).toBeLessThanOrEqual(3);
    expect(worst((x) => run('tanh', x), Math.tanh, between(-10, 10, 400_000)).ulp).toBeLessThanOrEqual(3);
    expect([...run('tanh', [0, -0, Infinity, -Infinity, NaN, 2 ** -149])]).toEqual([0, -0, 1, -1, NaN, 2 ** -149]);
  });

  test('sigmoid is within 3 ulp', () => {
    const truth = (x: number): number => 1 / (1 + Math.exp(-x));
    expect(worst((x) => run('sigmoid', x), truth, between(-87, 100, 400_000)).ulp).toBeLessThanOrEqual(3);
    expect([...run('sigmoid', [0, Infinity, -Infinity, NaN])]).toEqual([0.5, 1, 0, NaN]);
  });

  test('pow is within 1 ulp', () => {
    const bases = between(0, 40, 60_000).concat(everywhere.filter((x) => x > 0).slice(0, 200_000));
    for (const y of [0.5, 1 / 3, 2, 3, 7.25, -1, -0.75, 2.0000002, 30, 1e-3]) {
      const exponent = Math.fround(y);
      const { ulp, at } = worst(
        (x) =>
          run(
            'pow',
            x,
            x.map(() => exponent),
          ),
        (x) => x ** exponent,
        bases,
      );
      expect(ulp, `${at} ** ${y}`).toBeLessThanOrEqual(1);
    }
  });

  test('pow has the special cases of JavaScript', () => {
    const values = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 2.5, -2.5, Infinity, -Infinity, NaN, 1e30, -1e30, 2 ** -149, 16777217];
    const pairs = values.flatMap((x) => values.map((y) => [Math.fround(x), Math.fround(y)] as const));
    const actual = run(
      'pow',
      pairs.map(([x]) => x),
      pairs.map(([, y]) => y),
    );
    const wrong = pairs.filter(([x, y], i) => ulps(actual[i] ?? NaN, x ** y) > 1).map(([x, y]) => `${x} ** ${y}`);
    expect(wrong).toEqual([]);
  });
});
