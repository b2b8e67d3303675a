import { describe, expect, test } from 'vitest';
import { ShoalError } from '../errors.ts';
import * as e from '../expression/index.ts';
import { constant, input, variable, type Value } from '../graph.ts';
import { gradients } from '../gradients.ts';
import { reference } from '../reference/index.ts';
import { createRuntime } from '../runtime.ts';
import { sizeOf } from '../tensor.ts';
import { broadcastTo, concat, map, pad, randomBits, randomUniform, reduce, reshape, slice, stopGradient, transpose } from './index.ts';

const runtime = await createRuntime(reference());

async function compute(...values: readonly Value[]): Promise<number[][]> {
  const outputs = Object.fromEntries(values.map((value, i) => [`${i}`, value]));
  const executable = await runtime.compile({ outputs });
  const results = await executable.run();
  return values.map((_, i) => [...results[`${i}`]!]);
}

const ramp = (shape: readonly number[]): Value =>
  constant(
    Array.from({ length: sizeOf(shape) }, (_, i) => i),
    shape,
  );

describe('values', () => {
  test.each<[string, () => Value, number[]]>([
    [
      'map broadcasts a column against a row',
      () => map([constant([1, 2], [2, 1]), constant([10, 20, 30], [3])], (a, b) => e.add(a, b)),
      [11, 21, 31, 12, 22, 32],
    ],
    [
      'coordinates count from 0 along their axis',
      () => map([broadcastTo(constant(0), [2, 3])], (a) => e.add(a, e.cast(e.add(e.mul(e.coordinate(0), 10), e.coordinate(1)), 'f32'))),
      [0, 1, 2, 10, 11, 12],
    ],
    ['sum over the first axis', () => reduce(ramp([2, 3]), { kind: 'sum', axes: [0] }), [3, 5, 7]],
    ['max over the last axis', () => reduce(ramp([2, 3]), { kind: 'max', axes: [-1] }), [2, 5]],
    ['a NaN wins a maximum', () => reduce(constant([1, NaN, 3], [3]), { kind: 'max' }), [NaN]],
    ['transpose', () => transpose(ramp([2, 3]), [1, 0]), [0, 3, 1, 4, 2, 5]],
    ['slice with stride', () => slice(ramp([3, 5]), { start: [0, 1], size: [2, 2], stride: [2, 3] }), [1, 4, 11, 14]],
    ['pad: before is the start', () => pad(ramp([1, 2]), { before: [0, 1], after: [1, 0], value: 9 }), [9, 0, 1, 9, 9, 9]],
    ['reflect leaves the edge out', () => pad(ramp([4]), { before: [2], after: [1], mode: 'reflect' }), [2, 1, 0, 1, 2, 3, 2]],
    ['circular wraps', () => pad(ramp([3]), { before: [2], after: [1], mode: 'circular' }), [1, 2, 0, 1, 2, 0]],
    ['concat along the last axis', () => concat([ramp([2, 1]), ramp([2, 2])], 1), [0, 0, 1, 1, 2, 3]],
    ['reshape works out -1', () => reshape(ramp([2, 3]), [3, -1]), [0, 1, 2, 3, 4, 5]],
  ])('%s', async (_, build, expected) => {
    expect((await compute(build()))[0]).toEqual(expected);
  });
  test('random streams differ, equal streams agree, and uniforms stay below 1', async () => {
    const step = constant(7, [], 'u32');
    const draw = (stream: number): Value => randomBits(step, { stream, seed: 1, shape: [6] });
    const [a, b, c, u] = await compute(draw(0), draw(0), draw(1), randomUniform(step, { stream: 0, seed: 1, shape: [6] }));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(u).toEqual(a!.map((bits) => Math.floor(bits / 256) / 2 ** 24));
  });
});

describe('gradients', () => {
  const cases: [string, readonly number[], (x: Value) => Value][] = [
    ['map with broadcasting', [2, 3], (x) => map([x, reduce(x, { kind: 'sum', axes: [0] })], (a, b) => e.mul(e.tanh(a), e.mul(b, b)))],
    [
      'reduce max without ties',
      [3, 4],
      (x) =>
        reduce(
          map([x], (a) => e.mul(a, a)),
          { kind: 'max', axes: [1] },
        ),
    ],
    [
      'transpose, slice, pad',
      [3, 5],
      (x) =>
        slice(
          pad(
            transpose(
              map([x], (a) => e.exp(a)),
              [1, 0],
            ),
            { before: [1, 0], after: [0, 2] },
          ),
          { start: [1, 0], size: [3, 2], stride: [2, 2] },
        ),
    ],
    [
      'reflect and circular padding',
      [4, 3],
      (x) =>
        pad(
          pad(
            map([x], (a) => e.mul(a, a)),
            { before: [3, 1], after: [2, 0], mode: 'reflect' },
          ),
          { before: [1, 2], after: [0, 1], mode: 'circular' },
        ),
    ],
    ['concat of itself', [2, 3], (x) => concat([x, map([x], (a) => e.mul(a, a)), x], 0)],
  ];
  test.each(cases)('%s: first and second order by finite differences', async (_, shape, build) => {
    const x = input('x', shape);
    const weigh = (y: Value): Value =>
      reduce(
        map(
          [
            y,
            constant(
              Array.from({ length: sizeOf(y.shape) }, (_, i) => 1 + (i % 5)),
              y.shape,
            ),
          ],
          (a, w) => e.mul(a, w),
        ),
        { kind: 'sum' },
      );
    const loss = weigh(build(x));
    const dx = gradients(loss, [x])[0]!;
    const slope = weigh(dx);
    const executable = await runtime.compile({ outputs: { loss, dx, slope, ddx: gradients(slope, [x])[0]! } });
    const at = Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7919) % 97) / 97 - 0.4);
    const exact = await executable.run({ x: at });
    for (const [output, gradient] of [
      ['loss', 'dx'],
      ['slope', 'ddx'],
    ] as const) {
      for (let i = 0; i < at.length; i++) {
        const probe = async (delta: number): Promise<number> =>
          (await executable.run({ x: at.with(i, at[i]! + delta) }, { fetch: [output] }))[output]![0]!;
        const numeric = ((await probe(1e-5)) - (await probe(-1e-5))) / 2e-5;
        expect(Math.abs(exact[gradient]![i]! - numeric)).toBeLessThan(1e-5 * Math.max(1, Math.abs(numeric)));
      }
    }
  });
  test('tied maxima share', async () => {
    const x = constant([2, 5, 5, 1], [4]);
    expect(await compute(gradients(reduce(x, { kind: 'max' }), [x])[0]!)).toEqual([[0, 0.5, 0.5, 0]]);
  });
  test('stopGradient is a constant to differentiation', async () => {
    const x = constant([3], [1]);
    expect(
      await compute(
        gradients(
          map([x, stopGradient(x)], (a, b) => e.mul(a, b)),
          [x],
        )[0]!,
      ),
    ).toEqual([[3]]);
  });
  test('a loss that does not depend on a value has gradient zero', async () => {
    expect(await compute(gradients(constant(1), [variable('w', [2])])[0]!)).toEqual([[0, 0]]);
  });
});

describe('bad input', () => {
  const x = input('x', [2, 3]);
  test.each<[() => unknown, string, string]>([
    [
      () => map([x, input('y', [4])], (a, b) => e.add(a, b)),
      'SHAPE',
      'core/map: shapes [2,3], [4] do not broadcast. Make sizes equal or 1, aligned at the last axis.',
    ],
    [() => reshape(x, [4]), 'SHAPE', 'core/reshape: [2,3] has 6 elements, [4] has 4. Keep the number of elements.'],
    [
      () => input('z', [2, Infinity]),
      'SHAPE',
      'input: size Infinity in shape [2,Infinity] is not a non-negative integer. Give whole, finite sizes.',
    ],
    [
      () => slice(x, { start: [0, 2], size: [2, 2] }),
      'SHAPE',
      'core/slice: start [0,2], size [2,2], stride [1,1] is not inside [2,3]. Keep start + (size - 1) * stride below each size.',
    ],
    [() => transpose(x, [0, 0]), 'SHAPE', 'core/transpose: [0,0] is not a permutation of the axes of [2,3]. Give each of 0 to 1 once.'],
    [
      () => concat([x, input('y', [2, 3, 1])], 0),
      'SHAPE',
      'core/concat: [2,3] and [2,3,1] differ beyond axis 0. Make all other sizes equal.',
    ],
    [
      () => pad(x, { before: [0, 3], after: [0, 0], mode: 'reflect' }),
      'SHAPE',
      'core/pad: reflect padding 3, 0 of an axis of size 3. Pad by at most 2.',
    ],
    [
      () => reduce(input('y', [2, 0]), { kind: 'max' }),
      'SHAPE',
      'core/reduce: max over an axis of size 0 in [2,0] has no value. Give at least one element.',
    ],
    [() => gradients(x, [x]), 'SHAPE', 'gradients: the loss is f32 [2,3], not one f32 number. Reduce it first, or pass a seed.'],
    [
      () => randomBits(constant(0), { stream: 0, seed: 0, shape: [1] }),
      'DTYPE',
      "core/random: the step counter is f32 where u32 is needed. Cast it with cast(value, 'u32').",
    ],
  ])('%# is refused while the graph is built', (build, code, message) => {
    expect(build).toThrow(ShoalError);
    expect(build).toThrow(message);
    expect(() => build()).toThrow(expect.objectContaining({ code }));
  });
});
