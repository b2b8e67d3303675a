import { conv2d } from '@shoal/conv';
import { constant, createRuntime, input, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { toDataUrl, type Photograph } from '../image.ts';

export interface Picture {
  readonly name: string;
  readonly url: string;
}

/** Identity per channel at one tap: what a strided convolution keeps before it has learned anything else. */
const onlyTap = constant([1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 1, 3, 3]);

const reductions: Readonly<Record<string, (x: Value) => Value>> = {
  'max 2x2': (x) => maxPool2d(x, { window: 2 }),
  'average 2x2': (x) => averagePool2d(x, { window: 2 }),
  'stride 2, one tap': (x) => conv2d(x, onlyTap, { stride: 2 }),
};

/** The photograph, reduced three times in each way: what is kept, and what turns into jagged edges. */
export async function reducedPictures(photograph: Photograph): Promise<readonly Picture[]> {
  const runtime = await createRuntime(reference(), [convReference, poolReference]);
  const { height, width } = photograph;
  const x = input('x', [1, height, width, 3]);
  const outputs = Object.fromEntries(Object.entries(reductions).map(([name, reduce]) => [name, reduce(reduce(reduce(x)))]));
  const executable = await runtime.compile({ outputs });
  const reduced = await executable.run({ x: photograph.data });
  await runtime.dispose();
  const small = Object.entries(outputs).map(([name, { shape }]) => ({
    name: `${name}, three times`,
    url: toDataUrl(reduced[name]!, shape[1]!, shape[2]!),
  }));
  return [{ name: photograph.name, url: toDataUrl(photograph.data, height, width) }, ...small];
}
