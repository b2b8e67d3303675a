import { concat, fill, gradients, input, pad, slice, transpose, type Padding2dOption, type Value } from '@shoal/core';
import { conv2d, depthwiseConv2d } from '@shoal/conv';
import { leakyRelu, matmul, mean, relu, softmax, sum } from '@shoal/math';
import { averagePool2d, depthToSpace, maxPool2d, maxPool2dWithWinner } from '@shoal/pool';
import { batchNorm } from '@shoal/residual';
import { equalParts, fromStart, localResponseNormalization, split } from './compositions.ts';
import type { Attribute } from './format.ts';
import { nchw, permuteShape, type Layout } from './layout.ts';
import { poolable, type CaseReader } from './reader.ts';
import { resample, type ResizedAxis } from './resample.ts';

/** tfjs-core's kernels; those named `...Grad` and `...Backprop...` are the gradients of the others. */
export const tfjs = {
  Conv2D(r: CaseReader): void {
    const layout = imageLayout(r);
    r.output(0, conv2d(r.image('x', layout), r.value('filter'), convolved(r, layout)), layout);
  },

  Conv2DBackpropInput(r: CaseReader): void {
    const layout = imageLayout(r);
    const x = input('x', permuteShape(r.list('inputShape') ?? [], layout));
    const y = conv2d(x, r.value('filter'), convolved(r, layout));
    // The forward convolution decides which of dy is read: tfjs passes over rows and columns beyond its output.
    const seed = slice(r.image('dy', layout), { start: [0, 0, 0, 0], size: y.shape });
    r.output(0, gradients(y, [x], { seed })[0]!, layout);
  },

  Conv2DBackpropFilter(r: CaseReader): void {
    const layout = imageLayout(r);
    const filter = input('filter', r.list('filterShape') ?? []);
    const y = conv2d(r.image('x', layout), filter, convolved(r, layout));
    r.output(0, gradients(y, [filter], { seed: r.image('dy', layout) })[0]!);
  },

  DepthwiseConv2dNative(r: CaseReader): void {
    const layout = imageLayout(r);
    r.output(0, depthwiseConv2d(r.image('x', layout), r.value('filter'), convolved(r, layout)), layout);
  },

  DepthwiseConv2dNativeBackpropInput(r: CaseReader): void {
    const layout = imageLayout(r);
    const x = input('x', permuteShape(r.list('inputShape') ?? [], layout));
    const y = depthwiseConv2d(x, r.value('filter'), convolved(r, layout));
    r.output(0, gradients(y, [x], { seed: r.image('dy', layout) })[0]!, layout);
  },

  DepthwiseConv2dNativeBackpropFilter(r: CaseReader): void {
    const layout = imageLayout(r);
    const filter = input('filter', r.list('filterShape') ?? []);
    const y = depthwiseConv2d(r.image('x', layout), filter, convolved(r, layout));
    r.output(0, gradients(y, [filter], { seed: r.image('dy', layout) })[0]!);
  },

  MaxPool(r: CaseReader): void {
    if (r.tensor('x').data.some(Number.isNaN)) r.skip('semantics', 'tfjs ignores NaNs in a window; here a NaN anywhere gives NaN');
    r.output(0, maxPool2d(r.image('x', nhwc), pooled(r)));
  },

  MaxPoolGrad(r: CaseReader): void {
    const x = r.image('input', nhwc);
    r.output(0, gradients(maxPool2d(x, pooled(r)), [x], { seed: r.image('dy', nhwc) })[0]!);
  },

  MaxPoolWithArgmax(r: CaseReader): void {
    const x = r.image('x', nhwc);
    r.ignore('includeBatchInIndex'); // the plane is found either way
    const [, height, width, channels] = x.shape;
    const { output, winner } = maxPool2dWithWinner(x, pooled(r));
    r.output(0, output);
    r.output(1, winner, undefined, (index) => Math.floor(index / channels!) % (height! * width!));
  },

  AvgPool: (r: CaseReader): void => r.output(0, averagePool2d(r.image('x', nhwc), pooled(r))),

  AvgPoolGrad(r: CaseReader): void {
    const x = r.image('input', nhwc);
    r.output(0, gradients(averagePool2d(x, pooled(r)), [x], { seed: r.image('dy', nhwc) })[0]!);
  },

  FusedBatchNorm(r: CaseReader): void {
    r.checkRank('x', 4, 2);
    const x = r.value('x');
    const channels = [x.shape.at(-1)!];
    const scaling = { gamma: r.optional('scale') ?? fill(1, channels), beta: r.optional('offset') ?? fill(0, channels) };
    r.output(
      0,
      batchNorm(
        x,
        { ...scaling, mean: r.variable('mean'), variance: r.variable('variance') },
        { train: false, epsilon: r.number('varianceEpsilon', 1e-3) },
      ).output,
    );
  },

  LRN: (r: CaseReader): void => r.output(0, normalized(r)),

  LRNGrad(r: CaseReader): void {
    const y = normalized(r);
    r.output(0, gradients(y, [r.value('x')], { seed: r.value('dy') })[0]!);
  },

  ResizeBilinear: (r: CaseReader): void => r.output(0, resized(r, 'linear')),
  ResizeNearestNeighbor: (r: CaseReader): void => r.output(0, resized(r, 'nearest')),

  ResizeBilinearGrad(r: CaseReader): void {
    const y = resized(r, 'linear');
    r.output(0, gradients(y, [r.value('images')], { seed: r.value('dy') })[0]!);
  },

  DepthToSpace(r: CaseReader): void {
    const layout = imageLayout(r);
    r.output(0, depthToSpace(r.image('x', layout), { block: r.number('blockSize', 1) }), layout);
  },

  BatchMatMul(r: CaseReader): void {
    r.output(0, matmul(r.value('a'), r.value('b'), { transposeA: r.flag('transposeA'), transposeB: r.flag('transposeB') }));
  },

  Concat: (r: CaseReader): void =>
    r.output(
      0,
      concat(
        r.case.inputs.map((_, i) => r.value(i)),
        r.number('axis', 0),
      ),
    ),
  Transpose: (r: CaseReader): void => r.output(0, transpose(r.value('x'), r.list('perm') ?? [])),
  Relu: (r: CaseReader): void => r.output(0, relu(r.value('x'))),
  LeakyRelu: (r: CaseReader): void => r.output(0, leakyRelu(r.value('x'), { slope: r.number('alpha', 0.2) })),
  Softmax: (r: CaseReader): void => r.output(0, softmax(r.value('logits'), { axis: r.number('dim', -1) })),
  Sum: (r: CaseReader): void => r.output(0, sum(r.value('x'), reduction(r))),
  Mean: (r: CaseReader): void => r.output(0, mean(r.value('x'), reduction(r))),

  SplitV(r: CaseReader): void {
    const x = r.value('x');
    const axis = fromStart(r.number('axis', 0), x.shape);
    const sizes = r.list('numOrSizeSplits') ?? [1];
    const parts = sizes.length === 1 ? equalParts(x.shape[axis]!, sizes[0]!) : sizes;
    split(x, axis, parts).forEach((part, i) => r.output(i, part));
  },

  PadV2(r: CaseReader): void {
    const sides = pairs(r.attribute('paddings')) ?? r.skip('attribute', 'paddings');
    r.output(
      0,
      pad(r.value('x'), {
        before: sides.map(([before]) => before),
        after: sides.map(([, after]) => after),
        value: r.number('constantValue', 0),
      }),
    );
  },
};

const nhwc: Layout = [0, 1, 2, 3];

function imageLayout(r: CaseReader): Layout {
  return r.text('dataFormat', 'NHWC') === 'NCHW' ? nchw : nhwc;
}

function convolved(r: CaseReader, layout: Layout) {
  return { stride: r.size('strides', 1), dilation: r.size('dilations', 1), padding: padding(r, layout) };
}

function pooled(r: CaseReader) {
  return poolable(r, {
    window: r.size('filterSize', 1),
    stride: r.size('strides', 1),
    dilation: { height: 1, width: 1 },
    padding: padding(r, nhwc),
  });
}

/** A word, a number, or pairs per axis of the image. */
function padding(r: CaseReader, layout: Layout): Padding2dOption {
  const mode = r.attribute('dimRoundingMode');
  if (mode !== undefined && mode !== null && mode !== 'floor') r.skip('attribute', `dimRoundingMode ${String(mode)}`);
  const given = r.attribute('pad');
  if (given === 'valid' || given === 'same' || typeof given === 'number') return given;
  const sides = pairs(given ?? null) ?? r.skip('attribute', 'pad');
  const [[top, bottom], [left, right]] = [sides[layout[1]!]!, sides[layout[2]!]!];
  return { top, bottom, left, right };
}

function pairs(value: Attribute | undefined): readonly (readonly [number, number])[] | null {
  if (!Array.isArray(value)) return null;
  return (value as readonly Attribute[]).map((pair) => {
    const [before, after] = Array.isArray(pair) ? (pair as readonly Attribute[]) : [0, 0];
    return [Number(before), Number(after)];
  });
}

function reduction(r: CaseReader) {
  const axes = r.list('axis');
  return { keep: r.flag('keepDims'), ...(axes ? { axes } : {}) };
}

function normalized(r: CaseReader): Value {
  const radius = r.number('depthRadius', 5);
  const scale = { bias: r.number('bias', 1), alpha: r.number('alpha', 1), beta: r.number('beta', 0.5) };
  return localResponseNormalization(r.image('x', nhwc), { before: radius, after: radius, ...scale });
}

function resized(r: CaseReader, kind: 'nearest' | 'linear'): Value {
  const x = r.image('images', nhwc);
  const { height, width } = r.size('size', 1);
  const [alignCorners, halfPixels] = [r.flag('alignCorners'), r.flag('halfPixelCenters')];
  const axis = (from: number, to: number): ResizedAxis => {
    const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
    if (kind === 'linear') return { from, to, position: (cell) => (halfPixels ? (cell + 0.5) * scale - 0.5 : cell * scale) };
    const near = (x: number): number => (alignCorners ? Math.round(x) : Math.floor(x));
    return { from, to, position: (cell) => near(halfPixels ? (cell + 0.5) * scale : cell * scale) };
  };
  return resample(r, x, kind, axis(x.shape[1]!, height), axis(x.shape[2]!, width));
}
