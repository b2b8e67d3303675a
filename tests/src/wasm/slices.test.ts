import { wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import {
  concat,
  constant,
  createRuntime,
  expression as e,
  input,
  map,
  sizeOf,
  topological,
  type Program,
  type Size2d,
  type Value,
} from '@shoal/core';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { matmul } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { upsampleNearest } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { fishnet99 } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { comparison, noise, withGradients } from './comparison.ts';

const plugins = {
  wasm: [convWasm, poolWasm, residualWasm, mathWasm],
  reference: [convReference, poolReference, residualReference, mathReference],
};
const compare = comparison(plugins);

/** Numbers for every input of a program. */
const feedsFor = ({ outputs }: Program): Record<string, Float32Array> => {
  const inputs = topological(Object.values(outputs)).flatMap((node) => node.inputs.filter(({ origin }) => origin.kind === 'input'));
  return Object.fromEntries(
    inputs.map(({ shape, origin }, i) => [origin.kind === 'input' ? origin.name : '', noise(sizeOf(shape), i + 1)]),
  );
};

const side = 13;
const image = (name: string, channels: number): Value => input(name, [2, side, side, channels]);

/** What writes a slice, by the channels that it has. */
const parts: Readonly<Record<string, (channels: number) => Value>> = {
  '3x3': (c) => conv2d(image('a', 20), input('w3', [3, 3, 20, c]), { padding: 'same' }),
  '1x1': (c) => conv2d(image('b', 5), input('w1', [1, 1, 5, c]), {}),
  'stride 2': (c) => conv2d(input('large', [2, 2 * side, 2 * side, 3]), input('w2', [3, 3, 3, c]), { padding: 'same', stride: 2 }),
  depthwise: (c) => conv2d(image('d', c), input('wd', [3, 3, 1, c]), { padding: 'same', groups: c }),
  'max-pool': (c) => maxPool2d(image('m', c), { window: 3, stride: 1, padding: 1 }),
  'average pool': (c) => averagePool2d(image('v', c), { window: 3, stride: 1, padding: 1 }),
  upsampling: (c) => upsampleNearest(input('small', [2, 5, 4, c]), { output: { height: side, width: side } }),
};
const factors: readonly Size2d[] = [
  { height: 2, width: 2 },
  { height: 3, width: 3 },
  { height: 2, width: 3 },
  { height: 1, width: 2 },
  { height: 3, width: 1 },
];
/** What is done with the cells of a part: an epilogue, and then the repetition. */
const enlarged = (part: Value, factor: Size2d): Value => {
  const operands = [part, input('full', part.shape), input('vector', [part.shape[3]!])];
  return upsampleNearest(
    map(operands, (x, y, z) => e.max(e.add(e.mul(x, z), y), 0)),
    { scale: factor },
  );
};

test.each(Object.keys(parts).flatMap((name) => [1, 3, 32, 65].map((channels) => [name, channels] as const)))(
  '%s writes %i channels into their place',
  async (name, channels) => {
    const part = parts[name]!(channels);
    const first = conv2d(image('before', 5), input('first', [1, 1, 5, 7]), {});
    const last = conv2d(image('behind', 5), input('last', [1, 1, 5, 2]), {});
    const finished = map([part, image('full', channels), input('vector', [channels])], (x, y, z) => e.max(e.add(e.mul(x, z), y), 0));
    const y = concat([first, finished, last], 3);
    const program = { outputs: { y, next: conv2d(y, input('after', [1, 1, 9 + channels, 4]), {}) } };
    expect(await compare(program, feedsFor(program), 1e-5)).toEqual([]);
  },
);

test('products of matrices write into their place', async () => {
  const x = input('x', [9, 6]);
  const program = { outputs: { y: concat([matmul(x, input('v', [6, 3])), matmul(x, input('w', [6, 17]))], 1) } };
  expect(await compare(program, feedsFor(program))).toEqual([]);
});

test('no step joins what kernels have put together, but for what others read as well', async () => {
  const runtime = await createRuntime(wasm({ threads: 1 }), plugins.wasm);
  const [a, b] = [parts['1x1']!(4), parts['3x3']!(4)];
  const stepsOf = async (outputs: Record<string, Value>): Promise<readonly string[]> => {
    const executable = await runtime.compile({ outputs });
    executable.dispose();
    return executable.schedule.steps.map(({ node }) => node.op.name).filter((name) => name === 'core/concat');
  };
  for (const part of Object.values(parts))
    expect(await stepsOf({ y: concat([part(4), conv2d(image('given', 5), input('w', [1, 1, 5, 2]), {})], 3) })).toEqual([]);
  expect(await stepsOf({ y: concat([a, b], 3), a })).toEqual(['core/concat']);
  expect(await stepsOf({ y: concat([a, a], 3) })).toEqual(['core/concat']);
  expect(await stepsOf({ y: concat([a, b], 1) })).toEqual(['core/concat']);
  expect(await stepsOf({ y: concat([a, image('given', 4)], 3) })).toEqual(['core/concat']);
  await runtime.dispose();
});

describe.each(Object.keys(parts).flatMap((name) => [3, 5, 65].map((channels) => [name, channels] as const)))(
  '%s repeats its cells in %i channels',
  (name, channels) => {
    test.each(factors)('$height x $width', async (factor) => {
      const part = parts[name]!(channels);
      const y = enlarged(part, factor);
      const [, h, w] = y.shape;
      const behind = conv2d(input('behind', [2, h!, w!, 5]), input('last', [1, 1, 5, 7]), {});
      const alone = { outputs: { y: upsampleNearest(part, { scale: factor }) } };
      const joined = concat([behind, y], 3);
      const inSlice = { outputs: { y: joined, next: conv2d(joined, input('after', [1, 1, 7 + channels, 4]), {}) } };
      for (const program of [alone, { outputs: { y } }, inSlice]) expect(await compare(program, feedsFor(program), 1e-5)).toEqual([]);
    });
  },
);

test('each cell in its place', async () => {
  const runtime = await createRuntime(wasm({ threads: 1 }), plugins.wasm);
  const x = constant([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 2, 2]);
  const y = conv2d(x, input('w', [1, 1, 2, 1]), {});
  const other = conv2d(input('o', [2, 2, 6, 1]), input('v', [1, 1, 1, 1]), {});
  const executable = await runtime.compile({ outputs: { y: concat([upsampleNearest(y, { scale: { height: 2, width: 3 } }), other], 3) } });
  const found = await executable.run({ w: [1, 10], o: new Float32Array(24).fill(9), v: [1] });
  const row = (...cells: number[]): number[] => cells.flatMap((cell) => [cell, 9, cell, 9, cell, 9]);
  expect([...found['y']!]).toEqual([...row(21, 43), ...row(21, 43), ...row(65, 87), ...row(65, 87)]);
  await runtime.dispose();
});

test('no step repeats cells that a kernel can, but for what others read as well', async () => {
  const runtime = await createRuntime(wasm({ threads: 1 }), plugins.wasm);
  const upsamplings = async (outputs: Record<string, Value>): Promise<number> => {
    const executable = await runtime.compile({ outputs });
    executable.dispose();
    return executable.schedule.steps.filter(({ node }) => node.op.name === 'residual/wasm-resample').length;
  };
  const scale = 2;
  const kernels = Object.entries(parts).filter(([name]) => name !== 'upsampling');
  for (const [, part] of kernels) {
    const y = enlarged(part(4), { height: 2, width: 3 });
    expect(await upsamplings({ y })).toBe(0);
    expect(await upsamplings({ y: map([y], (a) => e.max(a, 0)) })).toBe(1);
  }
  const a = parts['1x1']!(4);
  const y = upsampleNearest(a, { scale });
  expect(await upsamplings({ y, a })).toBe(1);
  expect(await upsamplings({ y: concat([y, y], 3) })).toBe(0);
  expect(await upsamplings({ y: upsampleNearest(y, { scale }) })).toBe(1);
  expect(await upsamplings({ y: upsampleNearest(image('given', 4), { scale }) })).toBe(1);
  expect(await upsamplings({ y: upsampleNearest(a, { output: { height: 2 * side, width: 2 * side + 1 } }) })).toBe(1);
  await runtime.dispose();
});

test('FishNet-99 has no step that only enlarges', async () => {
  const runtime = await createRuntime(wasm({ threads: 1 }), plugins.wasm);
  const network = fishnet99();
  const { output } = network.build(input('image', [1, 64, 64, 3]), { train: false });
  const executable = await runtime.compile({ outputs: { output } });
  const { steps } = executable.schedule;
  expect(steps.filter(({ node }) => node.op.name === 'residual/wasm-resample')).toEqual([]);
  expect(steps.filter(({ repetition, slice }) => repetition && slice)).toHaveLength(3);
  await runtime.dispose();
});

test('the same bits on three threads', async () => {
  const y = enlarged(parts['3x3']!(65), { height: 2, width: 3 });
  const program = { outputs: { y, z: upsampleNearest(parts['1x1']!(37), { scale: 3 }) } };
  const run = async (threads: number): Promise<readonly (readonly number[])[]> => {
    const runtime = await createRuntime(wasm({ threads }), plugins.wasm);
    const found = await (await runtime.compile(program)).run(feedsFor(program));
    await runtime.dispose();
    return Object.values(found).map((values) => [...values]);
  };
  expect(await run(3)).toEqual(await run(1));
});

test('a training step through repeated cells', async () => {
  const w = input('w', [3, 3, 5, 6]);
  const y = upsampleNearest(conv2d(image('x', 5), w, { padding: 'same' }), { scale: 2 });
  const program = { outputs: withGradients(y, input('seed', y.shape), { w }) };
  expect(await compare(program, feedsFor(program), 1e-4)).toEqual([]);
});
