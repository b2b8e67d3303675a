import { createRuntime, expression as e, fill, input, map, reduce, type Executable, type Runtime } from '@shoal/core';
import { afterEach, describe, expect, test } from 'vitest';
import { wasm } from './backend.ts';

const open: Runtime[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.dispose()));
});

const x = input('x', [3]);
const labels = input('labels', [3], 'i32');
const difference = map([x, input('w', [3])], (a, b) => e.sub(a, b));

async function runtimeWith(threads: number): Promise<Runtime> {
  const runtime = await createRuntime(wasm({ threads }));
  open.push(runtime);
  return runtime;
}

const compile = async (runtime: Runtime): Promise<Executable> => runtime.compile({ outputs: { y: difference } });

/** Takes so much that the memory has to grow. */
const grow = (runtime: Runtime): Promise<Executable> =>
  runtime.compile({
    outputs: {
      sum: reduce(
        map([fill(1, [1 << 22]), input('z', [1 << 22])], (a, b) => e.add(a, b)),
        { kind: 'sum' },
      ),
    },
  });

describe.each([
  ['memory of its own', 1],
  ['shared memory', 2],
])('%s', (_, threads) => {
  test('a view is the place that the program reads, and gives the same bits as a copy', async () => {
    const executable = await compile(await runtimeWith(threads));
    const feeds = { x: Float32Array.of(1.1, -2.2, 1e-40), w: Float32Array.of(0.3, NaN, 7) };
    const { y: copied } = await executable.run(feeds);
    for (const [name, data] of Object.entries(feeds)) executable.view(name).set(data);
    const views = { x: executable.view('x'), w: executable.view('w') };
    expect(views.x.buffer).toBe(views.w.buffer);
    expect(await executable.run(views)).toEqual({ y: copied });
  });
  test('the views of two programs are two places', async () => {
    const runtime = await runtimeWith(threads);
    const [first, second] = [await compile(runtime), await compile(runtime)];
    const fed = (executable: Executable, value: number) => {
      const [own, other] = [executable.view('x'), executable.view('w')];
      own.fill(value);
      other.fill(1);
      return { x: own, w: other };
    };
    const [one, two] = [fed(first, 3), fed(second, 5)];
    expect(await Promise.all([first.run(one), second.run(two)])).toEqual([
      { y: Float32Array.of(2, 2, 2) },
      { y: Float32Array.of(4, 4, 4) },
    ]);
  });
  test('views fed under each other’s names are copied as they were', async () => {
    const executable = await compile(await runtimeWith(threads));
    const [a, b] = [executable.view('x'), executable.view('w')];
    a.set([1, 2, 3]);
    b.set([10, 20, 30]);
    expect(await executable.run({ x: b, w: a })).toEqual({ y: Float32Array.of(9, 18, 27) });
  });
  test('an array of another kind over the place is converted, and an input of i32 has a view of i32', async () => {
    const executable = await (await runtimeWith(threads)).compile({ outputs: { y: map([x], (a) => e.add(a, 1)), labels } });
    const { buffer, byteOffset } = executable.view('x');
    const whole = new Int32Array(buffer, byteOffset, 3);
    whole.set([1, 2, 3]);
    expect(executable.view('labels')).toBeInstanceOf(Int32Array);
    const found = await executable.run({ x: whole, labels: [4, 5, 6] });
    expect(found['y']).toEqual(Float32Array.of(2, 3, 4));
  });
  test('an array given for an output is filled, and may be the view of an input', async () => {
    const executable = await compile(await runtimeWith(threads));
    const w = [1, 1, 1];
    const into = { y: executable.view('x') };
    expect((await executable.run({ x: [5, 6, 7], w }, { into }))['y']).toBe(into.y);
    expect(await executable.run({ x: into.y, w })).toEqual({ y: Float32Array.of(3, 4, 5) });
  });
  test('of a program that reads nothing of it, a view is an ordinary array', async () => {
    const executable = await (await runtimeWith(threads)).compile({ outputs: { y: reduce(input('none', [0]), { kind: 'sum' }) } });
    expect(await executable.run({ none: executable.view('none') })).toEqual({ y: Float32Array.of(0) });
  });
  test('a disposed program has no view, and a disposed runtime runs none', async () => {
    const runtime = await runtimeWith(threads);
    const [gone, executable] = [await compile(runtime), await compile(runtime)];
    gone.dispose();
    expect(() => gone.view('x')).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    const views = { x: executable.view('x'), w: executable.view('w') };
    await runtime.dispose();
    await expect(executable.run(views)).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

describe('memory that grows between a view and the run', () => {
  const filled = async (threads: number) => {
    const runtime = await runtimeWith(threads);
    const executable = await compile(runtime);
    const views = { x: executable.view('x'), w: executable.view('w') };
    views.x.set([1, 2, 3]);
    views.w.set([1, 1, 1]);
    const { buffer } = views.x;
    await grow(runtime);
    expect(executable.view('x').buffer).not.toBe(buffer);
    return { executable, views };
  };
  test('takes the view away, which the run says; a new one holds what was written', async () => {
    const { executable, views } = await filled(1);
    await expect(executable.run(views)).rejects.toMatchObject({
      code: 'FEED',
      message: "run: input 'x' got 0 numbers, its shape [3] has 3. Feed every element.",
    });
    expect(await executable.run({ x: executable.view('x'), w: executable.view('w') })).toEqual({ y: Float32Array.of(0, 1, 2) });
  });
  test('leaves a view of shared memory as it is', async () => {
    const { executable, views } = await filled(2);
    expect(await executable.run(views)).toEqual({ y: Float32Array.of(0, 1, 2) });
  });
});
