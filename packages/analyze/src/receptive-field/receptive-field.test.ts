import {
  apply1,
  concat,
  fill,
  input,
  pad,
  readsAll,
  readsSame,
  reshape,
  slice,
  transpose,
  type Op,
  type Reads,
  type Shape,
  type Value,
} from '@shoal/core';
import { conv2d, convTranspose2d, depthwiseConv2d } from '@shoal/conv';
import { add, matmul, multiply, relu, sigmoid, softmax } from '@shoal/math';
import {
  adaptiveAveragePool2d,
  adaptiveMaxPool2d,
  averagePool2d,
  depthToSpace,
  globalAveragePool2d,
  globalMaxPool2d,
  lpPool2d,
  maxPool2d,
  maxUnpool2d,
  maxPool2dWithWinner,
  spaceToDepth,
} from '@shoal/pool';
import { basicBlock, batchNormOp, createScope, groupNorm, upsampleBilinear, upsampleNearest } from '@shoal/residual';
import { networks } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';
import { cost, receptiveField, seenBy, type AxisField } from '../index.ts';

const image = input('image', [1, 48, 64, 4]);
const weight = (...shape: Shape): Value => fill(0.1, shape);
const conv = (x: Value, window: number, options: Parameters<typeof conv2d>[2] = {}): Value =>
  conv2d(x, weight(window, window, x.shape[3]!, 4), options);

/** Size, jump and start along the height and along the width. */
const summary = (y: Value): readonly (readonly unknown[])[] => {
  const { height, width } = receptiveField(y);
  return [height, width].map(({ size, jump, start }) => [size, jump, start]);
};
const both = (size: number | string, jump: number | null, start: number | null) => [
  [size, jump, start],
  [size, jump, start],
];

describe('windows', () => {
  test.each<[string, Value, ReturnType<typeof both>]>([
    ['a 3x3 convolution without padding: the first window is centred on pixel 1', conv(image, 3), both(3, 1, 1)],
    ['with padding 1 on pixel 0', conv(image, 3, { padding: 1 }), both(3, 1, 0)],
    ['an even window lies between two pixels', conv(image, 2), both(2, 1, 0.5)],
    ['a 1x1 convolution with stride 2 sees one pixel', conv(image, 1, { stride: 2 }), both(1, 2, 0)],
    ['dilation 3 spreads 3 cells over 7', conv(image, 3, { dilation: 3, padding: 3 }), both(7, 1, 0)],
    ['three 3x3 convolutions see 7x7', conv(conv(conv(image, 3), 3), 3), both(7, 1, 3)],
    ['a stride multiplies what follows: 3 + 2 * 2', conv(conv(image, 3, { stride: 2, padding: 1 }), 3, { padding: 1 }), both(7, 2, 0)],
    ['max 3x3/2', maxPool2d(image, { window: 3, stride: 2, padding: 1 }), both(3, 2, 0)],
    ['ceil mode changes the last window, not the field', maxPool2d(image, { window: 3, stride: 2, ceilMode: true }), both(3, 2, 1)],
    ['average 2x2', averagePool2d(image, { window: 2 }), both(2, 2, 0.5)],
    ['a p-norm of 2x2', lpPool2d(image, { window: 2 }), both(2, 2, 0.5)],
    ['a depthwise convolution', depthwiseConv2d(image, weight(5, 5, 4, 1), { padding: 2 }), both(5, 1, 0)],
    [
      'an average over a fixed 7x7 is a window, though it is the plane here',
      averagePool2d(slice(image, { start: [0, 0, 0, 0], size: [1, 7, 7, 4] }), { window: 7 }),
      both(7, 7, 3),
    ],
  ])('%s', (_, y, expected) => {
    expect(summary(y)).toEqual(expected);
  });

  test('height and width are apart, and so are the edges of a padding', () => {
    const y = conv2d(image, weight(3, 5, 4, 2), {
      stride: { height: 1, width: 3 },
      dilation: { height: 2, width: 1 },
      padding: { top: 4, bottom: 0, left: 1, right: 2 },
    });
    // Rows -4 to 0, their middle -2; columns -1 to 3, their middle 1.
    expect(summary(y)).toEqual([
      [5, 1, -2],
      [5, 3, 1],
    ]);
  });
});

describe('maps that grow, move and are taken apart', () => {
  test.each<[string, Value, ReturnType<typeof both>]>([
    ['nearest upsampling: two elements share a pixel', upsampleNearest(image, { scale: 2 }), both(1, 0.5, 0)],
    ['and a 3x3 after it sees two pixels', conv(upsampleNearest(image, { scale: 2 }), 3, { padding: 1 }), both(2, 0.5, -0.5)],
    ['bilinear upsampling lies between two pixels', upsampleBilinear(image, { scale: 2 }), both(2, 0.5, -0.5)],
    ['a transposed 4x4 with stride 2', convTranspose2d(image, weight(4, 4, 3, 4), { stride: 2, padding: 1 }), both(2, 0.5, -0.5)],
    ['a transposed 1x1 with stride 2 leaves holes', convTranspose2d(image, weight(1, 1, 3, 4), { stride: 2 }), both(1, 0.5, 0)],
    ['space-to-depth sees its block', spaceToDepth(image, { block: 2 }), both(2, 2, 0.5)],
    ['space-to-depth and back is nothing', depthToSpace(spaceToDepth(image, { block: 2 }), { block: 2 }), both(1, 1, 0)],
    [
      'not so with a convolution between',
      depthToSpace(conv2d(spaceToDepth(image, { block: 2 }), weight(1, 1, 16, 8)), { block: 2 }),
      both(2, 1, 0.5),
    ],
    ['a crop moves the start', slice(image, { start: [0, 3, 3, 0], size: [1, 8, 8, 4] }), both(1, 1, 3)],
    ['every other pixel', slice(image, { start: [0, 1, 1, 0], size: [1, 8, 8, 4], stride: [1, 2, 2, 1] }), both(1, 2, 1)],
    ['padding by itself moves it back', pad(image, { before: [0, 2, 2, 0], after: [0, 0, 0, 0] }), both(1, 1, -2)],
    ['a dense layer sees one pixel', matmul(image, weight(4, 3)), both(1, 1, 0)],
    ['pixels as a list, and back', reshape(relu(reshape(image, [1, 48 * 64, 4])), [1, 48, 64, 4]), both(1, 1, 0)],
    ['a softmax over channels', softmax(image), both(1, 1, 0)],
  ])('%s', (_, y, expected) => {
    expect(summary(y)).toEqual(expected);
  });

  test('mirrored edges: the field is that of the middle', () => {
    const { height, width } = receptiveField(conv2d(image, weight(3, 3, 4, 1), { padding: 1, paddingMode: 'reflect' }));
    expect([height.size, width.size]).toEqual([3, 3]);
  });
});

describe('the whole image', () => {
  const whole: AxisField = { size: 'whole image', local: null, jump: null, start: null, misalignment: 0 };
  test.each<[string, Value]>([
    ['global average pooling', globalAveragePool2d(image)],
    ['global max pooling', globalMaxPool2d(image)],
    ['adaptive pooling to one cell', adaptiveAveragePool2d(image, { output: 1 })],
    ['adaptive max pooling to one cell', adaptiveMaxPool2d(image, { output: 1 })],
    ['a dense layer over the flattened plane', matmul(reshape(image, [1, -1]), weight(48 * 64 * 4, 2))],
    ['what follows it', relu(matmul(reshape(globalAveragePool2d(image), [1, 4]), weight(4, 2)))],
  ])('%s', (_, y) => {
    const { height, width } = receptiveField(y);
    expect([height, width]).toEqual([whole, whole]);
  });

  test('attention: the whole image, and beside it a field of its own', () => {
    const x = conv(image, 3, { stride: 2, padding: 1 });
    const { height } = receptiveField(multiply(x, sigmoid(globalAveragePool2d(x))));
    expect(height).toEqual({ size: 'whole image', local: 3, jump: 2, start: 0, misalignment: 0 });
  });

  test('norms over groups, and over batches in training', () => {
    const norm = groupNorm(image, { gamma: weight(4), beta: weight(4) }, { groups: 2 });
    expect(receptiveField(norm).height).toMatchObject({ size: 'whole image', local: 1, jump: 1 });
    const { height, assumed } = receptiveField(apply1(batchNormOp, [image, weight(4), weight(4)], { epsilon: 1e-5 }));
    expect(height).toMatchObject({ size: 'whole image', local: 1, jump: 1 });
    expect(assumed).toEqual([]);
  });

  test('but the mean of a crop is that of its own rows and columns', () => {
    const cropped = slice(image, { start: [0, 3, 5, 0], size: [1, 10, 20, 4] });
    expect(summary(globalAveragePool2d(cropped))).toEqual([
      [10, null, null],
      [20, null, null],
    ]);
    expect(summary(globalAveragePool2d(slice(image, { start: [0, 0, 0, 0], size: [1, 24, 32, 4], stride: [1, 2, 2, 1] })))).toEqual(
      both('whole image', null, null),
    );
  });

  test('a map is whole although a crop of it, or its mirrored edges, are in it', () => {
    const cropped = slice(image, { start: [0, 0, 0, 0], size: [1, 24, 32, 4] });
    const pooled = averagePool2d(image, { window: 2 });
    expect(receptiveField(globalAveragePool2d(add(cropped, pooled))).height).toMatchObject({ size: 'whole image', local: null });
    const mirrored = conv2d(image, weight(3, 3, 4, 1), { padding: 1, paddingMode: 'reflect' });
    expect(receptiveField(globalAveragePool2d(mirrored)).height).toEqual(whole);
    const strip = add(slice(image, { start: [0, 0, 0, 0], size: [1, 48, 32, 4] }), slice(image, { start: [0, 0, 0, 0], size: [1, 48, 32, 4], stride: [1, 1, 2, 1] })); // prettier-ignore
    expect(receptiveField(globalAveragePool2d(strip)).width.size).toBe('whole image');
  });

  test('places that became channels are looked at together', () => {
    expect(receptiveField(matmul(weight(1, 48, 3, 4), image, { transposeB: true }))).toMatchObject({
      height: { size: 1, local: 1, jump: 1 },
      width: { size: 'whole image', local: null, jump: null },
    });
    expect(receptiveField(matmul(weight(1, 48, 3, 64), image))).toMatchObject({
      height: { size: 1, local: 1, jump: 1 },
      width: { size: 'whole image', local: null, jump: null },
    });
    const scores = matmul(weight(1, 48, 3, 4), image, { transposeB: true });
    expect(receptiveField(transpose(scores, [0, 1, 3, 2])).width).toMatchObject({ size: 1, local: 1, jump: 1 });
    // Each element compares its own column with any other.
    expect(receptiveField(matmul(image, image, { transposeB: true })).width).toMatchObject({ size: 'whole image', local: 1 });
    expect(receptiveField(reshape(image, [1, -1])).height).toMatchObject({ size: 'whole image', local: null, jump: null });
  });

  test('adaptive pooling to several cells has windows', () => {
    expect(summary(adaptiveAveragePool2d(image, { output: { height: 12, width: 8 } }))).toEqual([
      [4, 4, 1.5],
      [8, 8, 3.5],
    ]);
    expect(receptiveField(adaptiveAveragePool2d(image, { output: { height: 5, width: 7 } })).height).toMatchObject({ size: 11, local: 11 });
  });

  test('what goes where only the data knows', () => {
    const { output, winner } = maxPool2dWithWinner(image, { window: 2 });
    const { height, assumed } = receptiveField(maxUnpool2d(output, winner, { output: { height: 48, width: 64 } }));
    expect([height.size, assumed]).toEqual(['whole image', ['pool/max-unpool']]);
  });
});

describe('where paths meet', () => {
  const shrunk = (shortcut: 'strided' | 'pooled') => {
    const scope = createScope({ seed: 1 });
    return receptiveField(basicBlock(image, { scope, train: false, channels: 8, stride: 2, shortcut }).output);
  };

  test('a strided 1x1 shortcut looks where the 3x3/2 beside it does', () => {
    expect(shrunk('strided').height).toEqual({ size: 7, local: 7, jump: 2, start: 0, misalignment: 0 });
  });

  test('an average before it looks half a pixel aside', () => {
    expect(shrunk('pooled').width).toEqual({ size: 7, local: 7, jump: 2, start: 0, misalignment: 0.5 });
  });

  test('what was apart once stays so', () => {
    const apart = add(averagePool2d(image, { window: 2 }), conv(image, 1, { stride: 2 }));
    expect(receptiveField(add(apart, conv(apart, 3, { padding: 1 }))).height.misalignment).toBe(0.5);
  });

  test('the box holds both paths', () => {
    const far = conv(image, 7, { padding: { top: 6, left: 6 } }); // rows -6 to 0
    expect(receptiveField(add(far, conv(image, 3, { padding: 1 }))).height).toEqual({
      size: 8, local: 8, jump: 1, start: -2.5, misalignment: 3,
    }); // prettier-ignore
  });

  test('maps of different scale: no two elements see alike', () => {
    const half = averagePool2d(image, { window: 2 });
    const cropped = slice(image, { start: [0, 0, 0, 0], size: [1, 24, 32, 4] });
    const { height } = receptiveField(concat([half, cropped], 3));
    // The last element sees rows 46 and 47, and row 23.
    expect([height.size, height.misalignment]).toEqual([25, 23.5]);
  });

  test('nearest upsampling beside the map it came from', () => {
    const pooled = averagePool2d(image, { window: 2 });
    const { height } = receptiveField(add(upsampleNearest(pooled, { scale: 2 }), image));
    expect(height).toMatchObject({ size: 2, jump: 1, misalignment: 0.5 });
  });
});

describe('ops of third parties', () => {
  const shiftDown = (reads?: (rank: number) => Reads): Op<object> => ({
    name: 'acme/shift-down',
    infer: ([x]) => [x!],
    vjp: { none: 'not needed here' },
    cost: () => ({}),
    ...(reads ? { reads: ({ inputs: [x] }) => reads(x!.shape.length) } : {}),
  });

  test('one that says nothing is taken to read everything, and named', () => {
    const { height, assumed } = receptiveField(conv(apply1(shiftDown(), [image], {}), 3));
    expect([height.size, height.local, assumed]).toEqual(['whole image', null, ['acme/shift-down']]);
  });

  test('one that says what it reads is as good as any', () => {
    const rows = { along: 1, repeat: { positions: 1, cells: 1 }, cells: (row: number) => [row - 1] };
    const op = shiftDown(() => [[readsSame(0), rows, readsSame(2), readsSame(3)]]);
    const { height, width, assumed } = receptiveField(conv(apply1(op, [image], {}), 3, { padding: 1 }));
    expect([height, width].map(({ size, start }) => [size, start])).toEqual([
      [3, -1],
      [3, 0],
    ]);
    expect(assumed).toEqual([]);
  });

  test('one that says how it is made of others need not', () => {
    const op: Op<object> = { ...shiftDown(), expand: ([x]) => [pad(x!, { before: [0, 1, 0, 0], after: [0, 0, 0, 0] })] };
    expect(receptiveField(apply1(op, [image], {})).height).toMatchObject({ size: 1, start: -1 });
  });

  test('one that forgets an axis is told', () => {
    expect(() =>
      receptiveField(
        apply1(
          shiftDown(() => [readsAll(3)]),
          [image],
          {},
        ),
      ),
    ).toThrow('acme/shift-down: says what it reads along 3 axes of input 0, which has 4. Give one entry for each axis.');
  });
});

describe('which input', () => {
  test('is said where there are two, or none', () => {
    const other = input('other', [1, 48, 64, 4]);
    expect(() => receptiveField(add(image, other))).toThrow(
      'receptive-field: there are 2 inputs [n,h,w,c]. Say which one is meant: { image }.',
    );
    expect(receptiveField(add(conv(image, 3, { padding: 1 }), other), { image: other }).height.size).toBe(1);
    expect(() => receptiveField(fill(1, [2]))).toThrow('receptive-field: no input is an image [n,h,w,c].');
    expect(() => receptiveField(relu(image), { image: other })).toThrow('the value [1,48,64,4] does not depend on the image.');
  });
});

test('at the edges an element sees less', () => {
  const y = conv(conv(image, 3, { stride: 2, padding: 1 }), 3, { padding: 1 });
  expect(seenBy(y, { row: 0, column: 31 })).toEqual({ rows: [0, 3], columns: [59, 63] });
  expect(seenBy(y, { row: 10, column: 12 })).toEqual({ rows: [17, 23], columns: [21, 27] });
  expect(seenBy(globalAveragePool2d(y), { row: 0, column: 0 })).toEqual({ rows: [0, 47], columns: [0, 63] });
});

test.each(['resnet18', 'squeezenet1_1', 'fishnet-mini', 'all-cnn-c'] as const)('the field of %s is the same at every size', (name) => {
  const fields = [[64, 96], [32, 64], [160, 64]].map(([height, width]) => {
    const counted = cost(networks[name](), { input: [height!, width!], train: false });
    return [counted.receptiveField.height.local, counted.receptiveField.width.local, counted.receptiveField.width.jump];
  }); // prettier-ignore
  expect(new Set(fields.map(String)).size).toBe(1);
});
