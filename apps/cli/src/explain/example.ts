import { createRuntime, gradients, input, reduce, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { conv2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { averagePool2d, maxPool2d, spaceToDepth } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';

/** The smallest picture in which the question can be seen. */
export interface Example {
  /** 4x4, row by row. */
  readonly image: readonly number[];
  /** 2x2, row by row. */
  readonly filter: readonly number[];
}

/** What one way makes of the image, and what comes back when every output asks for 1 more. */
export interface Way {
  readonly name: string;
  readonly sentence: string;
  readonly parameters: number;
  readonly output: Plane;
  /** How much each cell of the image counts: the gradient of the sum of all outputs. */
  readonly imageGradient: Plane;
  /** The same for each weight; null where there is nothing to train. */
  readonly filterGradient: Plane | null;
}

/** Numbers row by row; several channels stand side by side. */
export interface Plane {
  readonly height: number;
  readonly width: number;
  readonly values: readonly number[];
}

interface Recipe {
  readonly name: string;
  readonly sentence: string;
  readonly build: (image: Value, filter: Value) => Value;
}

const recipes: readonly Recipe[] = [
  {
    name: 'max pooling 2x2',
    sentence: 'keeps the largest of each four; only the winner hears back (the first one, where several are equal)',
    build: (image) => maxPool2d(image, { window: 2 }),
  },
  {
    name: 'average pooling 2x2',
    sentence: 'keeps the mean of each four; all four hear back, a quarter each',
    build: (image) => averagePool2d(image, { window: 2 }),
  },
  {
    name: 'convolution 2x2, stride 2',
    sentence: 'weighs each four by the filter; the weights decide who hears back, and learn themselves',
    build: (image, filter) => conv2d(image, filter, { stride: 2 }),
  },
  {
    name: 'convolution 2x2, stride 1, then max 2x2',
    sentence: 'looks everywhere first and keeps the best of what it saw: more than twice the work',
    build: (image, filter) => maxPool2d(conv2d(image, filter, { padding: { bottom: 1, right: 1 } }), { window: 2 }),
  },
  {
    name: 'space-to-depth',
    sentence: 'loses nothing: each four become four channels of one cell, shown side by side',
    build: (image) => spaceToDepth(image, { block: 2 }),
  },
];

/** Works the example out with the reference backend, in float64. */
export async function workOut({ image, filter }: Example): Promise<readonly Way[]> {
  const runtime = await createRuntime(reference(), [convReference, poolReference]);
  const x = input('image', [1, 4, 4, 1]);
  const w = input('filter', [2, 2, 1, 1]);
  const ways: Way[] = [];
  for (const { name, sentence, build } of recipes) {
    const y = build(x, w);
    const [dx, dw] = gradients(reduce(y, { kind: 'sum' }), [x, w]);
    const executable = await runtime.compile({ outputs: { y, dx: dx!, dw: dw! } });
    const feeds = Object.fromEntries(Object.entries({ image, filter }).filter(([key]) => executable.inputs.includes(key)));
    const { y: output, dx: imageGradient, dw: filterGradient } = await executable.run(feeds);
    const [, height, width, channels] = y.shape;
    const learned = name.startsWith('convolution');
    ways.push({
      name,
      sentence,
      parameters: learned ? 4 : 0,
      output: { height: height!, width: width! * channels!, values: [...output!] },
      imageGradient: { height: 4, width: 4, values: [...imageGradient!] },
      filterGradient: learned ? { height: 2, width: 2, values: [...filterGradient!] } : null,
    });
  }
  await runtime.dispose();
  return ways;
}
