import { concat, createRuntime, fill, gradients, input, ShapeError, sizeOf, slice, topological, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { conv2d, convTranspose2d } from '@shoal/conv';
import { convReference } from '@shoal/conv/reference';
import { add, matmul, multiply, relu, sigmoid } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { adaptiveAveragePool2d, averagePool2d, depthToSpace, globalAveragePool2d, spaceToDepth } from '@shoal/pool';
import { poolReference } from '@shoal/pool/reference';
import { channelGroupSum, upsampleBilinear, upsampleNearest } from '@shoal/residual';
import { residualReference } from '@shoal/residual/reference';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { receptiveField, seenBy, type SeenBox } from './index.ts';
import { trace } from './trace.ts';

const runtime = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
afterAll(() => runtime.dispose());

/** Positive weights: no two paths can cancel, so that the support of a gradient is all that an element is computed from. */
const weight = (...shape: readonly number[]): Value => fill(0.3, shape);
const side = (x: Value): readonly [height: number, width: number, channels: number] => [x.shape[1]!, x.shape[2]!, x.shape[3]!];

type Draw = (below: number) => number;
type Step = (x: Value, draw: Draw) => Value;

const size = (draw: Draw, from: number, below: number) => ({ height: from + draw(below), width: from + draw(below) });
const edges = (draw: Draw, below: number) => ({ top: draw(below), bottom: draw(below), left: draw(below), right: draw(below) });

const windows: Readonly<Record<string, Step>> = {
  convolution: (x, draw) => {
    const [window, groups] = [size(draw, 1, 3), x.shape[3]! % 2 === 0 ? 1 + draw(2) : 1];
    const kernel = weight(window.height, window.width, x.shape[3]! / groups, 4);
    return conv2d(x, kernel, { stride: size(draw, 1, 2), dilation: size(draw, 1, 2), padding: edges(draw, 3), groups });
  },
  'average pooling': (x, draw) => {
    const window = size(draw, 2, 2);
    return averagePool2d(x, {
      window,
      stride: size(draw, 1, 3),
      padding: edges(draw, 2),
      dilation: size(draw, 1, 2),
      ceilMode: draw(2) === 1,
    });
  },
  'transposed convolution': (x, draw) =>
    convTranspose2d(x, weight(1 + draw(3), 1 + draw(3), 2, x.shape[3]!), { stride: size(draw, 1, 3), dilation: size(draw, 1, 2) }),
  nearest: (x, draw) => upsampleNearest(x, { scale: size(draw, 1, 2) }),
  bilinear: (x, draw) => upsampleBilinear(x, { scale: size(draw, 1, 3) }),
  'space-to-depth': (x, draw) => {
    const block = { height: x.shape[1]! % 2 === 0 ? 1 + draw(2) : 1, width: x.shape[2]! % 2 === 0 ? 1 + draw(2) : 1 };
    return spaceToDepth(x, { block, order: draw(2) === 1 ? 'block-first' : 'channel-first' });
  },
  'depth-to-space': (x, draw) => depthToSpace(conv2d(x, weight(1, 1, x.shape[3]!, 4)), { block: { height: 2, width: 1 + draw(2) } }),
  'channel sum': (x) => channelGroupSum(x, { groups: 1 }),
  'dense layer': (x) => matmul(x, weight(x.shape[3]!, 2)),
};

const bounded: Readonly<Record<string, Step>> = {
  ...windows,
  'nearest to a size': (x, draw) => upsampleNearest(x, { output: size(draw, 3, 6), mode: draw(2) === 1 ? 'exact' : 'floor' }),
  'bilinear to a size': (x, draw) => upsampleBilinear(x, { output: size(draw, 2, 6), alignCorners: draw(2) === 1 }),
  adaptive: (x, draw) => adaptiveAveragePool2d(x, { output: size(draw, 1, 4) }),
  attention: (x) => multiply(x, sigmoid(globalAveragePool2d(x))),
  crop: (x, draw) => {
    const [h, w, c] = side(x);
    const [top, left] = [draw(Math.min(h, 2)), draw(Math.min(w, 2))];
    return slice(x, { start: [0, top, left, 0], size: [1, h - top, w - left, c] });
  },
  'rows, one below the other': (x) => concat([x, x], 1),
  'mirrored edges': (x) =>
    x.shape[1]! > 1 ? conv2d(x, weight(3, 1, x.shape[3]!, 2), { padding: { top: 1, bottom: 1 }, paddingMode: 'reflect' }) : x,
};

/** Brings two maps to one size by cropping, so that they can meet. */
function meet(a: Value, b: Value, channels: boolean): Value {
  const [h, w] = [Math.min(a.shape[1]!, b.shape[1]!), Math.min(a.shape[2]!, b.shape[2]!)];
  const cut = (x: Value): Value => slice(x, { start: [0, 0, 0, 0], size: [1, h, w, x.shape[3]!] });
  return channels ? concat([cut(a), cut(b)], 3) : add(channelGroupSum(cut(a), { groups: 1 }), cut(b));
}

interface Recipe {
  readonly kind: string;
  readonly numbers: readonly number[];
  /** How many values back the step reads, and whether what it makes then meets another value. */
  readonly back: number;
  readonly meets: 'nothing' | 'addition' | 'concatenation';
}

const recipes = (steps: Readonly<Record<string, Step>>) =>
  fc.array(
    fc.record({
      kind: fc.constantFrom(...Object.keys(steps)),
      numbers: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }),
      back: fc.nat(3),
      meets: fc.constantFrom('nothing' as const, 'nothing' as const, 'addition' as const, 'concatenation' as const),
    }),
    { minLength: 1, maxLength: 6 },
  );

/** A graph of small steps; those whose windows do not fit, or that grow too large, are left out. */
function build(x: Value, list: readonly Recipe[], steps: Readonly<Record<string, Step>>, most: number): Value {
  const values = [x];
  for (const { kind, numbers, back, meets } of list) {
    let drawn = 0;
    const draw: Draw = (below) => numbers[drawn++ % numbers.length]! % below;
    const from = values[Math.max(0, values.length - 1 - back)]!;
    try {
      const made = relu(steps[kind]!(from, draw));
      const next = meets === 'nothing' ? made : meet(values.at(-1)!, made, meets === 'concatenation');
      if (sizeOf(next.shape) <= most) values.push(next);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
    }
  }
  return values.at(-1)!;
}

/** The box of image cells that get a gradient from one element, all channels together. */
async function supports(x: Value, y: Value, elements: readonly (readonly [row: number, column: number])[]): Promise<readonly SeenBox[]> {
  const [gradient] = gradients(y, [x], { seed: input('seed', y.shape) });
  const executable = await runtime.compile({ outputs: { gradient: gradient! } });
  const [height, width, channels] = side(x);
  const [, columns, depth] = side(y);
  const boxes: SeenBox[] = [];
  for (const [row, column] of elements) {
    const seed = new Float32Array(sizeOf(y.shape)).map((_, i) => (Math.floor(i / depth) === row * columns + column ? 1 : 0));
    const image = new Float32Array(sizeOf(x.shape)).fill(0.01);
    const all: Record<string, Float32Array> = { seed, image };
    const feeds = Object.fromEntries(executable.inputs.map((name) => [name, all[name]!]));
    const { gradient: slope } = await executable.run(feeds);
    const reached = (count: number, cellOf: (i: number) => number): SeenBox['rows'] => {
      const cells = new Set([...slope!].flatMap((value, i) => (value === 0 ? [] : [cellOf(i)])));
      const list = Array.from({ length: count }, (_, i) => i).filter((cell) => cells.has(cell));
      return list.length === 0 ? null : [list[0]!, list.at(-1)!];
    };
    boxes.push({
      rows: reached(height, (i) => Math.floor(i / (width * channels))),
      columns: reached(width, (i) => Math.floor(i / channels) % width),
    });
  }
  executable.dispose();
  return boxes;
}

test('what an element sees is the support of its gradient, in random graphs', { timeout: 240_000 }, async () => {
  let compared = 0;
  const compare = async (list: readonly Recipe[], a: number, b: number): Promise<void> => {
    const x = input('image', [1, 9, 12, 2]);
    const y = build(x, list, bounded, 3000);
    // The two axes are followed apart: a path that ends in a hole along one of them is still followed along the other. Nor are holes
    // seen that windows beside a single cell with the whole image in it leave.
    const wide = ({ node, shape }: Value): boolean => node!.op.name !== 'core/map' && (shape[1] !== 1 || shape[2] !== 1);
    const { sightsOf } = trace([y], x, true);
    for (const value of topological([y]).flatMap(({ outputs }) => outputs)) {
      const tracks = sightsOf(value)?.map(({ track }) => track!) ?? [];
      if (tracks.some(({ digits, table }) => table.spans.includes(null) || (digits.length === 0 && wide(value)))) return;
    }
    const [height, width] = side(y);
    const elements = [
      [a % height, b % width],
      [0, width - 1],
      [height >> 1, width >> 1],
    ] as const;
    expect(elements.map(([row, column]) => seenBy(y, { row, column }))).toEqual(await supports(x, y, elements));
    compared++;
  };
  await fc.assert(fc.asyncProperty(recipes(bounded), fc.nat(100), fc.nat(100), compare), { numRuns: 400, seed: 7 });
  expect(compared).toBeGreaterThan(200);
});

test('the receptive field is what an element amid a large image sees', { timeout: 120_000 }, () => {
  let compared = 0;
  const compare = (list: readonly Recipe[]): void => {
    const x = input('image', [1, 192, 240, 2]);
    const y = build(x, list, windows, 4e6);
    // Where maps of different scale meet, what an element sees depends on its place.
    const { sightsOf } = trace([y], x, false);
    const values = topological([y]).flatMap(({ outputs }) => outputs);
    const tracks = values.flatMap((value) => sightsOf(value) ?? []).map(({ track }) => track!);
    if (tracks.some(({ table }) => table.shift === null)) return;
    const field = receptiveField(y);
    for (const [axis, name] of [
      [1, 'height'],
      [2, 'width'],
    ] as const) {
      const { size: widest, jump, start } = field[name];
      const middle = y.shape[axis]! >> 1;
      const spans = Array.from({ length: 24 }, (_, i) => middle - 12 + i).map((at) =>
        axis === 1 ? seenBy(y, { row: at, column: 0 }).rows : seenBy(y, { row: 0, column: at }).columns,
      );
      const margin = 30;
      if (spans.some((span) => span && (span[0] < margin || span[1] >= x.shape[axis]! - margin))) continue;
      const widths = spans.map((span) => (span ? span[1] - span[0] + 1 : 0));
      expect(Math.max(...widths)).toBe(widest);
      if (tracks.every(({ table, digits }) => table.spans.length === 1 && digits.length === 1 && digits[0]!.divisor === 1)) {
        expect(spans.map((span) => (span![0] + span![1]) / 2)).toEqual(spans.map((_, i) => start! + (middle - 12 + i) * jump!));
      }
      compared++;
    }
  };
  fc.assert(fc.property(recipes(windows), compare), { numRuns: 200, seed: 3 });
  expect(compared).toBeGreaterThan(100);
});
