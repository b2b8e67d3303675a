import { createRuntime, input } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { loadStateDict, readStateDict, squeezenet1_1 } from './index.ts';

const shapes = { image: [1, 32, 32, 3] } as const;

test('weights go in and come out in the layout of PyTorch, by name', async () => {
  const runtime = await createRuntime(reference());
  const net = squeezenet1_1({ classes: 5 });
  net.build(input('image', shapes.image));
  const dict = await readStateDict(runtime, net);
  expect(Object.keys(dict).slice(0, 4)).toEqual([
    'features.0.weight',
    'features.0.bias',
    'features.3.squeeze.weight',
    'features.3.squeeze.bias',
  ]);
  expect(dict['features.3.expand3x3.weight']!.shape).toEqual([64, 16, 3, 3]);

  const counted = Float64Array.from({ length: 64 * 3 * 9 }, (_, i) => i);
  await loadStateDict(runtime, net, { ...dict, 'features.0.weight': { shape: [64, 3, 3, 3], data: counted } });
  // Shoal's [kh,kw,in,out]: row 1, column 2, input 1, output 5 is PyTorch's [5,1,1,2].
  const own = await runtime.read(net.scope.state['features.0.weight']!);
  expect(own[((1 * 3 + 2) * 3 + 1) * 64 + 5]).toBe(((5 * 3 + 1) * 3 + 1) * 3 + 2);
  expect((await readStateDict(runtime, net))['features.0.weight']!.data).toEqual(counted);
  await runtime.dispose();
});

test('what is missing, unknown or of another shape is said before anything is written', async () => {
  const runtime = await createRuntime(reference());
  const net = squeezenet1_1({ classes: 5 });
  await expect(loadStateDict(runtime, net, {})).rejects.toThrow('squeezenet1_1: has no variables yet. Build its graph first.');
  net.build(input('image', shapes.image));
  const dict = await readStateDict(runtime, net);
  const { 'features.0.bias': bias, ...rest } = dict;
  const fresh = { shape: [64], data: new Float32Array(64).fill(7) };
  await expect(loadStateDict(runtime, net, { ...rest, 'features.0.b': bias!, 'x.num_batches_tracked': fresh })).rejects.toThrow(
    'squeezenet1_1: no tensor for features.0.bias; nothing is named features.0.b. Give each parameter and running statistic under its own name.',
  );
  await expect(
    loadStateDict(runtime, net, {
      ...dict,
      'features.0.bias': fresh,
      'classifier.1.weight': { shape: [1, 1, 512, 5], data: new Float32Array(2560) },
    }),
  ).rejects.toThrow(
    "squeezenet1_1: 'classifier.1.weight' is [1,1,512,5] with 2560 numbers where [5,512,1,1] is needed. Give it in the layout of PyTorch: [out,in,kh,kw] or [out,in].",
  );
  expect((await runtime.read(net.scope.state['features.0.bias']!))[0]).toBe(0);
  await runtime.dispose();
});
