import { wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { concat, createRuntime, expression as e, input, map, sizeOf, topological, type Program, type Value } from '@shoal/core';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { matmul } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { upsampleNearest } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { expect, test } from 'vitest';
import { comparison, noise } from './comparison.ts';

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
