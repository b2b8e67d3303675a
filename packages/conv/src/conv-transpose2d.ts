import {
  apply1,
  checkOptions,
  expression as e,
  formatShape,
  map,
  nhwc,
  pad,
  resolveWindow,
  ShapeError,
  ShoalError,
  size2d,
  windowExtent,
  type Padding2d,
  type Padding2dOption,
  type Size2d,
  type Size2dOption,
  type Value,
  type Window2d,
} from '@shoal/core';
import { conv2dGradientInput } from './conv2d.ts';
import { checkGroups, checkOperand, weightAxes } from './geometry.ts';

/** Options of {@link convTranspose2d}; sizes in cells of the output. */
export interface ConvTranspose2dOptions {
  /** [out]; none by default. */
  readonly bias?: Value | undefined;
  /** From the output window of one input cell to that of the next; default 1. */
  readonly stride?: Size2dOption | undefined;
  /** From one cell of a window to the next; default 1. */
  readonly dilation?: Size2dOption | undefined;
  /**
   * Cells *cropped* from each edge of the full result, as they are added to the input of the convolution that this transposes;
   * default `valid`, none. `same` and `same-lower` make the output `stride` times the input.
   */
  readonly padding?: Padding2dOption | undefined;
  /** Rows and columns added at the bottom and right before cropping; below the stride or the dilation. Default 0. */
  readonly outputPadding?: number | Size2d | undefined;
  /** Default 1. */
  readonly groups?: number | undefined;
}

const name = 'conv/conv-transpose2d';
const optionNames = ['bias', 'stride', 'dilation', 'padding', 'outputPadding', 'groups'];

/**
 * Transposed convolution: the gradient of {@link conv2d} to its input, used forward. Dumoulin and Visin, "A guide to convolution
 * arithmetic for deep learning" (2016), draw it.
 *
 * @param x [n, h, w, in]
 * @param weight [kh, kw, out / groups, in]: the weight of the convolution that it transposes, which reads `out` and gives `in` channels
 * @returns [n, oh, ow, out], `oh = (h - 1) * stride + (kh - 1) * dilation + 1 + outputPadding - top - bottom`
 * @throws ShapeError when shapes, groups, window or crop do not fit together; ShoalError `DTYPE`, `ATTRIBUTE`
 */
export function convTranspose2d(x: Value, weight: Value, options: ConvTranspose2dOptions = {}): Value {
  checkOptions(name, options, optionNames);
  checkOperand(name, 'x', x);
  checkOperand(name, 'weight', weight);
  const { bias, groups = 1 } = options;
  const [batch, height, width, channels] = nhwc(name, x.shape);
  const [kernelHeight, kernelWidth, outputsPerGroup, weightChannels] = weightAxes(name, weight.shape, '[kh,kw,out/groups,in]');
  if (weightChannels !== channels) {
    throw new ShapeError({
      op: name,
      fact: `weight ${formatShape(weight.shape)} is for ${weightChannels} input channels, the input ${formatShape(x.shape)} has ${channels}`,
      next: 'Make weight axis 3 the channels of the input',
    });
  }
  const outputChannels = outputsPerGroup * groups;
  checkGroups(name, groups, channels, outputChannels);
  if (bias) checkOperand(name, 'bias', bias, [outputChannels]);
  const { window, output, extra } = resolveTransposed({ height, width }, { height: kernelHeight, width: kernelWidth }, options);
  const inputShape = [batch, output.height, output.width, outputChannels];
  const full = apply1(conv2dGradientInput, [x, weight], { ...window, groups, inputShape });
  const result = pad(full, { before: [0, 0, 0, 0], after: [0, extra.height, extra.width, 0] });
  return bias ? map([result, bias], (y, b) => e.add(y, b)) : result;
}

interface Transposed {
  /** The convolution that is transposed. */
  readonly window: Window2d;
  /** The size of its input. */
  readonly output: Size2d;
  /** Rows and columns that no window reaches, to be added after it. */
  readonly extra: Size2d;
}

function resolveTransposed(
  input: Size2d,
  window: Size2d,
  { stride: strideOption = 1, dilation: dilationOption = 1, padding = 'valid', outputPadding }: ConvTranspose2dOptions,
): Transposed {
  const stride = size2d(name, 'stride', strideOption);
  const dilation = size2d(name, 'dilation', dilationOption);
  const resolve = (output: Size2d): Window2d => resolveWindow(name, output, { window, stride, dilation, padding });
  if (padding === 'same' || padding === 'same-lower') {
    if (outputPadding !== undefined) {
      throw new ShoalError('ATTRIBUTE', {
        op: name,
        fact: `outputPadding is given beside padding '${padding}', which decides the output size`,
        next: 'Leave one of them out',
      });
    }
    const output = { height: input.height * stride.height, width: input.width * stride.width };
    return { window: resolve(output), output, extra: { height: 0, width: 0 } };
  }
  const resolved = resolve(input);
  const added = typeof outputPadding === 'object' ? outputPadding : { height: outputPadding ?? 0, width: outputPadding ?? 0 };
  const axis = (side: 'height' | 'width', start: number, end: number): { output: number; end: number; extra: number } => {
    const [cells, step, spread] = [added[side], stride[side], dilation[side]];
    if (!Number.isSafeInteger(cells) || cells < 0) {
      throw new ShapeError({ op: name, fact: `outputPadding ${cells} is not a non-negative integer`, next: 'Give 0 or more' });
    }
    if (cells >= Math.max(step, spread)) {
      throw new ShapeError({
        op: name,
        fact: `outputPadding ${cells} is below neither stride ${step} nor dilation ${spread}`,
        next: 'Pad the output instead',
      });
    }
    // A whole stride of added cells would make room for one more window in the transposed convolution: they are added after it instead.
    const beyond = cells - Math.min(cells, step - 1);
    const kept = Math.max(0, end - beyond);
    const output = (input[side] - 1) * step + windowExtent(window[side], spread) + (cells - beyond) - start - kept;
    return { output, end: kept, extra: beyond - (end - kept) };
  };
  const { top, bottom, left, right } = resolved.padding;
  const vertical = axis('height', top, bottom);
  const horizontal = axis('width', left, right);
  const output = { height: vertical.output, width: horizontal.output };
  if (output.height < 1 || output.width < 1) {
    throw new ShapeError({ op: name, fact: `padding crops the output to ${output.height}x${output.width}`, next: 'Use less padding' });
  }
  const cropped: Padding2d = { top, bottom: vertical.end, left, right: horizontal.end };
  return { window: { ...resolved, padding: cropped }, output, extra: { height: vertical.extra, width: horizontal.extra } };
}
