import {
  apply1,
  checkArity,
  checkOptions,
  expression as e,
  map,
  nhwc,
  pad,
  readsAll,
  readsSame,
  readsTransposedWindow,
  readsWindow,
  reduce,
  reshape,
  resolveWindow,
  ShoalError,
  sizeOf,
  transpose,
  type AxisReads,
  type Op,
  type Padding2dOption,
  type Shape,
  type Size2dOption,
  type Value,
} from '@shoal/core';
import { checkOperand, conv2dGeometry, conv2dMultiplyAccumulates, outputShape, weightAxes, type Conv2dAttributes } from './geometry.ts';

/** Attributes of {@link conv2dGradientInput}: the forward ones whole, and the shape it goes back to. */
export interface Conv2dGradientInputAttributes extends Conv2dAttributes {
  /** [n, h, w, in] */
  readonly inputShape: Shape;
}

/** Attributes of {@link conv2dGradientWeight}: the forward ones whole, and the shape it goes back to. */
export interface Conv2dGradientWeightAttributes extends Conv2dAttributes {
  /** [kh, kw, in / groups, out] */
  readonly weightShape: Shape;
}

const forwardOf = ({ window, stride, dilation, padding, groups }: Conv2dAttributes): Conv2dAttributes => ({
  window,
  stride,
  dilation,
  padding,
  groups,
});

/**
 * Convolution as the field means it: the window is not flipped.
 *
 * Inputs: `x` [n, h, w, in], `weight` [kh, kw, in / groups, out] and, optionally, `bias` [out]; output [n, oh, ow, out],
 *
 *     y[n, p, q, o] = bias[o] + sum over i, j, c of
 *       x[n, p * stride - top + i * dilation, q * stride - left + j * dilation, g * in / groups + c] * weight[i, j, c, o]
 *
 * where `g` is the group of `o`. Cells in the padding contribute nothing, whatever the weight; padding may be as large as the window.
 *
 * The three ops here are closed under differentiation: without its bias, `sum of y * dy` is linear in each of x, weight and dy, so
 * the gradient of each op to each operand is another of them under the same attributes.
 */
export const conv2dOp: Op<Conv2dAttributes> = {
  name: 'conv/conv2d',
  infer(inputs, attributes) {
    checkArity(conv2dOp.name, inputs, 2, 3);
    const [x, weight, bias] = inputs;
    checkOperand(conv2dOp.name, 'x', x!);
    checkOperand(conv2dOp.name, 'weight', weight!);
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    if (bias) checkOperand(conv2dOp.name, 'bias', bias, [geometry.outputChannels]);
    return [{ shape: outputShape(geometry), dtype: 'f32' }];
  },
  vjp({ inputs: [x, weight, bias], cotangents: [dy], attributes }) {
    const dx = apply1(conv2dGradientInput, [dy!, weight!], { ...attributes, inputShape: x!.shape });
    const dw = apply1(conv2dGradientWeight, [x!, dy!], { ...attributes, weightShape: weight!.shape });
    return bias ? [dx, dw, reduce(dy!, { kind: 'sum', axes: [0, 1, 2] })] : [dx, dw];
  },
  cost({ inputs: [x, weight, bias], outputs: [y], attributes }) {
    const multiplyAccumulates = conv2dMultiplyAccumulates(conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes), attributes);
    return bias ? { multiplyAccumulates, additions: sizeOf(y!.shape) } : { multiplyAccumulates };
  },
  absorbScale([x, weight, bias], _, scale) {
    const scaled = map([weight!, scale], (w, s) => e.mul(w, s));
    return bias ? [x!, scaled, map([bias, scale], (b, s) => e.mul(b, s))] : [x!, scaled];
  },
  reads({ inputs: [, weight, bias], attributes }) {
    const outputsPerGroup = weight!.shape[3]! / attributes.groups;
    const channels = readsGroup(attributes.groups, weight!.shape[2]!, outputsPerGroup);
    const plane = [readsWindow(attributes, 'height', 1), readsWindow(attributes, 'width', 2)];
    return [[readsSame(0), ...plane, channels], ...[weight, bias].flatMap((operand) => (operand ? [readsAll(operand.shape.length)] : []))];
  },
};

/** Each output channel reads the channels of its group. */
function readsGroup(groups: number, inputs: number, outputs: number): AxisReads {
  if (groups === 1) return 'all';
  return {
    along: 3,
    repeat: { positions: outputs, cells: inputs },
    cells: (channel) => Array.from({ length: inputs }, (_, i) => Math.floor(channel / outputs) * inputs + i),
  };
}

/**
 * The gradient of a convolution to its input; by itself, the transposed convolution.
 *
 * Inputs: `dy` [n, oh, ow, out], `weight` [kh, kw, in / groups, out]; output [n, h, w, in]. Above stride 1 several input sizes give
 * one output size, so `inputShape` says which is meant.
 */
export const conv2dGradientInput: Op<Conv2dGradientInputAttributes> = {
  name: 'conv/conv2d-gradient-input',
  infer(inputs, attributes) {
    checkArity(conv2dGradientInput.name, inputs, 2);
    const [dy, weight] = inputs;
    checkOperand(conv2dGradientInput.name, 'weight', weight!);
    const geometry = conv2dGeometry(conv2dGradientInput.name, attributes.inputShape, weight!.shape, attributes);
    checkOperand(conv2dGradientInput.name, 'dy', dy!, outputShape(geometry));
    return [{ shape: attributes.inputShape, dtype: 'f32' }];
  },
  vjp({ inputs: [dy, weight], cotangents: [ct], attributes }) {
    const forward = forwardOf(attributes);
    return [
      apply1(conv2dOp, [ct!, weight!], forward),
      apply1(conv2dGradientWeight, [ct!, dy!], { ...forward, weightShape: weight!.shape }),
    ];
  },
  cost({ inputs: [, weight], attributes }) {
    const geometry = conv2dGeometry(conv2dGradientInput.name, attributes.inputShape, weight!.shape, attributes);
    return { multiplyAccumulates: conv2dMultiplyAccumulates(geometry, attributes) };
  },
  absorbScale([dy, weight], { groups }, scale) {
    // The scaled channel is g * channelsPerGroup + c: c is weight axis 2, g the group that weight axis 3 is in.
    const [height, width, channelsPerGroup, outputChannels] = weightAxes(conv2dGradientInput.name, weight!.shape);
    const split = reshape(weight!, [height, width, channelsPerGroup, groups, outputChannels / groups]);
    const byGroup = transpose(reshape(scale, [groups, channelsPerGroup, 1]), [1, 0, 2]);
    const scaled = map([split, byGroup], (w, s) => e.mul(w, s));
    return [dy!, reshape(scaled, weight!.shape)];
  },
  reads({ inputs: [, weight], attributes }) {
    const channels = readsGroup(attributes.groups, weight!.shape[3]! / attributes.groups, weight!.shape[2]!);
    const plane = [readsTransposedWindow(attributes, 'height', 1), readsTransposedWindow(attributes, 'width', 2)];
    return [[readsSame(0), ...plane, channels], readsAll(4)];
  },
};

/**
 * The gradient of a convolution to its weight.
 *
 * Inputs: `x` [n, h, w, in], `dy` [n, oh, ow, out]; output [kh, kw, in / groups, out].
 */
export const conv2dGradientWeight: Op<Conv2dGradientWeightAttributes> = {
  name: 'conv/conv2d-gradient-weight',
  infer(inputs, attributes) {
    checkArity(conv2dGradientWeight.name, inputs, 2);
    const [x, dy] = inputs;
    checkOperand(conv2dGradientWeight.name, 'x', x!);
    const geometry = conv2dGeometry(conv2dGradientWeight.name, x!.shape, attributes.weightShape, attributes);
    checkOperand(conv2dGradientWeight.name, 'dy', dy!, outputShape(geometry));
    return [{ shape: attributes.weightShape, dtype: 'f32' }];
  },
  vjp({ inputs: [x, dy], cotangents: [ct], attributes }) {
    const forward = forwardOf(attributes);
    return [apply1(conv2dGradientInput, [dy!, ct!], { ...forward, inputShape: x!.shape }), apply1(conv2dOp, [x!, ct!], forward)];
  },
  cost({ inputs: [x], attributes }) {
    const geometry = conv2dGeometry(conv2dGradientWeight.name, x!.shape, attributes.weightShape, attributes);
    return { multiplyAccumulates: conv2dMultiplyAccumulates(geometry, attributes) };
  },
};

/** Options of {@link conv2d}; sizes in cells. */
export interface Conv2dOptions {
  /** [out]; none by default. */
  readonly bias?: Value | undefined;
  /** From one window to the next; default 1. */
  readonly stride?: Size2dOption | undefined;
  /** From one cell of a window to the next; default 1. */
  readonly dilation?: Size2dOption | undefined;
  /** Cells around the input; default `valid`, none. */
  readonly padding?: Padding2dOption | undefined;
  /** What the padding holds: zeros (default), the input mirrored without its edge, or the input wrapped around. */
  readonly paddingMode?: 'zero' | 'reflect' | 'circular' | undefined;
  /** Default 1; as many as input channels makes it depthwise. */
  readonly groups?: number | undefined;
}

const optionNames = ['bias', 'stride', 'dilation', 'padding', 'paddingMode', 'groups'];

/**
 * Two-dimensional convolution: {@link conv2dOp} says exactly what.
 *
 * @param x [n, h, w, in]
 * @param weight [kh, kw, in / groups, out]
 * @returns [n, oh, ow, out], `oh = floor((h + top + bottom - ((kh - 1) * dilation + 1)) / stride) + 1`
 * @throws ShapeError when shapes, groups, window or padding do not fit together; ShoalError `DTYPE`, `ATTRIBUTE`
 */
export function conv2d(x: Value, weight: Value, options: Conv2dOptions = {}): Value {
  checkOptions(conv2dOp.name, options, optionNames);
  const { bias, stride = 1, dilation = 1, padding, paddingMode = 'zero', groups = 1 } = options;
  const [, h, w] = nhwc(conv2dOp.name, x.shape);
  const [height, width] = weightAxes(conv2dOp.name, weight.shape);
  const resolved = resolveWindow(conv2dOp.name, { height: h, width: w }, { window: { height, width }, stride, dilation, padding });
  const operands = bias ? [weight, bias] : [weight];
  if (paddingMode === 'zero') return apply1(conv2dOp, [x, ...operands], { ...resolved, groups });
  if (paddingMode !== 'reflect' && paddingMode !== 'circular') {
    throw new ShoalError('ATTRIBUTE', {
      op: conv2dOp.name,
      fact: `unknown paddingMode '${String(paddingMode)}'`,
      next: 'Use zero, reflect or circular',
    });
  }
  const { top, bottom, left, right } = resolved.padding;
  const padded = pad(x, { before: [0, top, left, 0], after: [0, bottom, right, 0], mode: paddingMode });
  return apply1(conv2dOp, [padded, ...operands], { ...resolved, padding: { top: 0, bottom: 0, left: 0, right: 0 }, groups });
}
