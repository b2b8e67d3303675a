import { apply, map, expression as e, type Padding2d, type Padding2dOption, type Size2d, type Value } from '@shoal/core';
import { conv2d, convTranspose2d } from '@shoal/conv';
import {
  averagePool2d,
  depthToSpace,
  globalAveragePool2d,
  globalMaxPool2d,
  lpPool2d,
  maxPool2dWithWinner,
  maxUnpool2d,
  spaceToDepth,
} from '@shoal/pool';
import { batchNorm, batchNormOp, groupNorm } from '@shoal/residual';
import { localResponseNormalization } from './compositions.ts';
import { iohw, nchw, oihw } from './layout.ts';
import { paddingOf, poolable, type CaseReader } from './reader.ts';
import { resample, type ResizedAxis } from './resample.ts';

/** ONNX ops on images: NCHW at the edge, NHWC inside. */
export const onnxSpatial = {
  Conv(r: CaseReader): void {
    const x = r.image(0, nchw);
    const weight = r.value(1, oihw);
    r.ignore('kernel_shape'); // repeats the weight's
    const bias = r.optional(2);
    r.output(0, conv2d(x, weight, { ...strided(r), padding: padding(r), groups: r.number('group', 1), bias }), nchw);
  },

  ConvTranspose(r: CaseReader): void {
    const x = r.image(0, nchw);
    const weight = r.value(1, iohw);
    r.ignore('kernel_shape');
    const { stride, dilation } = strided(r);
    const outputPadding = r.size('output_padding', 0);
    const [kh, kw] = weight.shape;
    const [, h, w] = x.shape;
    const cropped = croppedPadding(r, {
      height: stride.height * (h! - 1) + outputPadding.height + (kh! - 1) * dilation.height + 1,
      width: stride.width * (w! - 1) + outputPadding.width + (kw! - 1) * dilation.width + 1,
    });
    const options = { stride, dilation, padding: cropped, groups: r.number('group', 1), bias: r.optional(2) };
    r.output(0, convTranspose2d(x, weight, typeof cropped === 'string' ? options : { ...options, outputPadding }), nchw);
  },

  MaxPool(r: CaseReader): void {
    const x = r.image(0, nchw);
    const { output, winner } = maxPool2dWithWinner(x, { ...pooled(r), ceilMode: r.flag('ceil_mode') });
    const [, height, width] = x.shape;
    const columnMajor = r.flag('storage_order');
    // Indices count the whole tensor; a winner is a cell of its plane.
    const cell = (index: number): number => index % (height! * width!);
    r.output(0, output, nchw);
    r.output(1, winner, nchw, columnMajor ? (index) => (cell(index) % height!) * width! + Math.floor(cell(index) / height!) : cell);
  },

  AveragePool(r: CaseReader): void {
    const countIncludePad = r.flag('count_include_pad');
    r.output(0, averagePool2d(r.image(0, nchw), { ...pooled(r), ceilMode: r.flag('ceil_mode'), countIncludePad }), nchw);
  },

  LpPool(r: CaseReader): void {
    r.output(0, lpPool2d(r.image(0, nchw), { ...pooled(r), ceilMode: r.flag('ceil_mode'), p: r.number('p', 2) }), nchw);
  },

  GlobalAveragePool(r: CaseReader): void {
    r.output(0, globalAveragePool2d(r.image(0, nchw)), nchw);
  },

  GlobalMaxPool(r: CaseReader): void {
    r.output(0, globalMaxPool2d(r.image(0, nchw)), nchw);
  },

  MaxUnpool(r: CaseReader): void {
    const x = r.image(0, nchw);
    const { window, stride, padding: crop } = pooled(r);
    const { top = 0, left = 0, bottom = 0, right = 0 } = typeof crop === 'object' ? crop : r.skip('attribute', `auto_pad ${String(crop)}`);
    const [, h, w] = x.shape;
    const asked = r.constants(2);
    const output = {
      height: asked?.[2] ?? (h! - 1) * stride.height + window.height - top - bottom,
      width: asked?.[3] ?? (w! - 1) * stride.width + window.width - left - right,
    };
    const cells = output.height * output.width;
    r.output(
      0,
      maxUnpool2d(
        x,
        r.value(1, nchw, (index) => index % cells),
        { output },
      ),
      nchw,
    );
  },

  BatchNormalization(r: CaseReader): void {
    r.checkRank(0, 4, 2);
    const layout = r.tensor(0).shape.length === 4 ? nchw : undefined;
    const x = r.value(0, layout);
    const [gamma, beta, mean, variance] = [r.value(1), r.value(2), r.variable(3), r.variable(4)];
    const epsilon = r.number('epsilon', 1e-5);
    const momentum = r.number('momentum', 0.9);
    r.ignore('is_test');
    r.require('spatial', 1);
    if (!r.flag('training_mode')) {
      r.output(0, batchNorm(x, { gamma, beta, mean, variance }, { train: false, epsilon }).output, layout);
      return;
    }
    const [y, batchMean, batchVariance] = apply(batchNormOp, [x, gamma, beta], { epsilon });
    const blend = (old: Value, batch: Value): Value => map([old, batch], (a, b) => e.add(e.mul(a, momentum), e.mul(b, 1 - momentum)));
    r.output(0, y!, layout);
    r.output(1, blend(mean, batchMean!));
    r.output(2, blend(variance, batchVariance!));
  },

  GroupNormalization(r: CaseReader): void {
    r.ignore('stash_type');
    const vectors = { gamma: r.value(1), beta: r.value(2) };
    r.output(0, groupNorm(r.image(0, nchw), vectors, { groups: r.number('num_groups', 1), epsilon: r.number('epsilon', 1e-5) }), nchw);
  },

  InstanceNormalization(r: CaseReader): void {
    const x = r.image(0, nchw);
    r.output(0, groupNorm(x, { gamma: r.value(1), beta: r.value(2) }, { groups: x.shape[3]!, epsilon: r.number('epsilon', 1e-5) }), nchw);
  },

  LRN(r: CaseReader): void {
    const size = r.number('size', 1);
    const before = Math.floor((size - 1) / 2);
    const scale = { bias: r.number('bias', 1), alpha: r.number('alpha', 1e-4) / size, beta: r.number('beta', 0.75) };
    r.output(0, localResponseNormalization(r.image(0, nchw), { before, after: size - 1 - before, ...scale }), nchw);
  },

  SpaceToDepth(r: CaseReader): void {
    r.output(0, spaceToDepth(r.image(0, nchw), { block: r.number('blocksize', 1) }), nchw);
  },

  DepthToSpace(r: CaseReader): void {
    const order = r.text('mode', 'DCR') === 'CRD' ? 'channel-first' : 'block-first';
    r.output(0, depthToSpace(r.image(0, nchw), { block: r.number('blocksize', 1), order }), nchw);
  },

  Upsample(r: CaseReader): void {
    const x = r.image(0, nchw);
    const scales = r.constants(1) ?? r.list('scales') ?? r.skip('attribute', 'scales are not known');
    r.require('mode', 'nearest');
    const axis = (from: number, scale: number): ResizedAxis => ({
      from,
      to: Math.floor(from * scale),
      position: (cell) => Math.floor(cell / scale),
    });
    r.output(0, resample(r, x, 'nearest', axis(x.shape[1]!, scales[2]!), axis(x.shape[2]!, scales[3]!)), nchw);
  },

  Resize(r: CaseReader): void {
    const x = r.image(0, nchw);
    const [height, width] = resizedAxes(r);
    r.output(0, resample(r, x, r.text('mode', 'nearest') === 'linear' ? 'linear' : 'nearest', height, width), nchw);
  },
};

function strided(r: CaseReader): { readonly stride: Size2d; readonly dilation: Size2d } {
  return { stride: r.size('strides', 1), dilation: r.size('dilations', 1) };
}

function padding(r: CaseReader): Padding2dOption {
  const pads = paddingOf(r.list('pads') ?? []);
  const automatic: Readonly<Record<string, Padding2dOption>> = {
    NOTSET: pads,
    VALID: 'valid',
    SAME_UPPER: 'same',
    SAME_LOWER: 'same-lower',
  };
  return automatic[r.text('auto_pad', 'NOTSET')] ?? r.skip('attribute', 'unknown auto_pad');
}

function pooled(r: CaseReader) {
  return poolable(r, { window: r.size('kernel_shape', 1), ...strided(r), padding: padding(r) });
}

/** What to crop from the full result of a transposed convolution: given, or what is left over beyond a given output size. */
function croppedPadding(r: CaseReader, full: Size2d): Padding2dOption {
  const asked = r.list('output_shape');
  const given = padding(r);
  if (!asked) return given;
  const split = (total: number): readonly [number, number] => {
    if (total < 0) r.skip('attribute', 'output_shape is larger than the full result');
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
    return given === 'same' ? [less, more] : [more, less];
  };
  const [height, width] = asked.slice(-2);
  const [top, bottom] = split(full.height - height!);
  const [left, right] = split(full.width - width!);
  return { top, bottom, left, right } satisfies Padding2d;
}

/** Sizes and coordinate rules of a Resize along height and width. */
function resizedAxes(r: CaseReader): readonly [ResizedAxis, ResizedAxis] {
  const { shape } = r.tensor(0);
  const mode = r.text('mode', 'nearest');
  if (mode !== 'nearest' && mode !== 'linear') r.skip('attribute', `mode ${mode}`);
  r.require('antialias', 0);
  r.require('exclude_outside', 0);
  r.ignore('extrapolation_value', 'cubic_coeff_a'); // for other modes
  const axes = (r.list('axes') ?? shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? axis + shape.length : axis));
  const { sizes, scales } = resizedSizes(
    r,
    axes.map((axis) => shape[axis]!),
  );
  const transformation = r.text('coordinate_transformation_mode', 'half_pixel');
  const rounding = r.text('nearest_mode', 'round_prefer_floor');
  const axis = (which: number): ResizedAxis => {
    const at = axes.indexOf(which);
    const from = shape[which]!;
    if (at < 0) return { from, to: from, position: (cell) => cell };
    const [to, scale] = [sizes[at]!, scales[at]!];
    const original = coordinate(transformation, from, to, scale) ?? r.skip('attribute', `coordinate_transformation_mode ${transformation}`);
    return { from, to, position: mode === 'linear' ? original : (cell) => round(rounding, original(cell)) };
  };
  if (axes.some((which, at) => which < 2 && sizes[at] !== shape[which])) r.skip('attribute', 'resizes the batch or the channels');
  return [axis(2), axis(3)];
}

/** Output sizes and scales along the resized axes. */
function resizedSizes(r: CaseReader, from: readonly number[]): { readonly sizes: readonly number[]; readonly scales: readonly number[] } {
  const policy = r.text('keep_aspect_ratio_policy', 'stretch');
  const given = r.constants(2);
  if (given && given.length > 0) return { sizes: from.map((n, i) => Math.floor(n * given[i]!)), scales: given };
  const sizes = r.constants(3) ?? r.skip('attribute', 'neither scales nor sizes');
  const scales = sizes.map((n, i) => n / from[i]!);
  if (policy === 'stretch') return { sizes, scales };
  const scale = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
  return { sizes: from.map((n) => Math.floor(n * scale + 0.5)), scales: from.map(() => scale) };
}

/** ONNX's coordinate in the input of an output cell; null for modes that are not a mere shift and scale. */
function coordinate(mode: string, from: number, to: number, scale: number): ((cell: number) => number) | null {
  switch (mode) {
    case 'half_pixel':
      return (cell) => (cell + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return (cell) => (to > 1 ? (cell + 0.5) / scale - 0.5 : 0);
    case 'align_corners':
      return (cell) => (to === 1 ? 0 : (cell * (from - 1)) / (to - 1));
    case 'asymmetric':
      return (cell) => cell / scale;
    case 'half_pixel_symmetric': {
      const adjustment = to / (scale * from);
      const offset = (from / 2) * (1 - adjustment);
      return (cell) => offset + (cell + 0.5) / scale - 0.5;
    }
    default:
      return null;
  }
}

function round(mode: string, x: number): number {
  if (mode === 'floor') return Math.floor(x);
  if (mode === 'ceil') return Math.ceil(x);
  return mode === 'round_prefer_ceil' ? Math.floor(x + 0.5) : Math.ceil(x - 0.5);
}
