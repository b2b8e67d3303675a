import { ShapeError, ShoalError } from './errors.ts';
import { formatShape, type Shape } from './tensor.ts';

/** Sizes along the two spatial axes of an NHWC tensor. */
export interface Size2d {
  readonly height: number;
  readonly width: number;
}

/** Cells added outside each edge. */
export interface Padding2d {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** A sliding window as ops carry it: everything resolved, nothing implied. */
export interface Window2d {
  readonly window: Size2d;
  readonly stride: Size2d;
  readonly dilation: Size2d;
  readonly padding: Padding2d;
}

/** One number for both axes, or each by name. */
export type Size2dOption = number | Size2d;

/**
 * `valid` adds nothing. `same` gives ceil(size / stride) outputs, the odd cell going to the end (bottom, right), as TensorFlow
 * and ONNX's SAME_UPPER do; `same-lower` puts it at the start. A number pads all four edges.
 */
export type Padding2dOption = number | 'valid' | 'same' | 'same-lower' | Partial<Padding2d>;

/** `[batch, height, width, channels]`, the one layout of image tensors. */
export type Nhwc = readonly [n: number, h: number, w: number, c: number];

/** Checks that a shape is NHWC and takes it apart. */
export function nhwc(op: string, shape: Shape): Nhwc {
  const [n, h, w, c] = shape;
  if (shape.length !== 4)
    throw new ShapeError({ op, fact: `expected [n,h,w,c], got ${formatShape(shape)}`, next: 'Reshape to four axes, channels last' });
  return [n!, h!, w!, c!];
}

/** Both axes of a size option. */
export function size2d(op: string, name: string, option: Size2dOption): Size2d {
  const size = typeof option === 'object' && option !== null ? option : { height: option, width: option };
  for (const n of [size.height, size.width]) {
    if (!Number.isSafeInteger(n) || n < 1)
      throw new ShapeError({ op, fact: `${name} ${n} is not a positive integer`, next: `Give a ${name} of at least 1` });
  }
  return { height: size.height, width: size.width };
}

/** How many cells a dilated window spans. */
export const windowExtent = (window: number, dilation: number): number => (window - 1) * dilation + 1;

/** Turns options into a resolved window for an input of the given spatial size. */
export function resolveWindow(
  op: string,
  input: Size2d,
  options: { window: Size2dOption; stride: Size2dOption; dilation?: Size2dOption | undefined; padding?: Padding2dOption | undefined },
): Window2d {
  const window = size2d(op, 'window', options.window);
  const stride = size2d(op, 'stride', options.stride);
  const dilation = size2d(op, 'dilation', options.dilation ?? 1);
  return { window, stride, dilation, padding: resolvePadding(op, options.padding ?? 'valid', input, { window, stride, dilation }) };
}

function resolvePadding(
  op: string,
  option: Padding2dOption,
  input: Size2d,
  { window, stride, dilation }: Omit<Window2d, 'padding'>,
): Padding2d {
  if (option === 'valid') return { top: 0, bottom: 0, left: 0, right: 0 };
  if (typeof option === 'number') return checkPadding(op, { top: option, bottom: option, left: option, right: option });
  if (typeof option === 'object') {
    checkOptions(op, option, ['top', 'bottom', 'left', 'right']);
    return checkPadding(op, { top: option.top ?? 0, bottom: option.bottom ?? 0, left: option.left ?? 0, right: option.right ?? 0 });
  }
  if (option !== 'same' && option !== 'same-lower') {
    throw new ShoalError('ATTRIBUTE', {
      op,
      fact: `unknown padding '${String(option)}'`,
      next: "Use a number, 'valid', 'same', 'same-lower' or { top, bottom, left, right }",
    });
  }
  const split = (size: number, k: number, s: number, d: number): readonly [before: number, after: number] => {
    const total = Math.max(0, (Math.ceil(size / s) - 1) * s + windowExtent(k, d) - size);
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
    return option === 'same' ? [less, more] : [more, less];
  };
  const [top, bottom] = split(input.height, window.height, stride.height, dilation.height);
  const [left, right] = split(input.width, window.width, stride.width, dilation.width);
  return { top, bottom, left, right };
}

function checkPadding(op: string, padding: Padding2d): Padding2d {
  for (const n of Object.values(padding)) {
    if (!Number.isSafeInteger(n) || n < 0)
      throw new ShapeError({ op, fact: `padding ${n} is not a non-negative integer`, next: 'Slice the input to remove cells' });
  }
  return padding;
}

/**
 * Number of window positions along both axes.
 *
 * With `ceil` a last, overhanging window is kept if it starts inside the input or the padding before it: windows that start
 * in the end padding are dropped.
 *
 * @throws ShapeError when a size is not positive, or the window is larger than the padded input
 */
export function windowedSize(op: string, input: Size2d, attributes: Window2d, ceil = false): Size2d {
  const { window, stride, dilation, padding } = attributes;
  size2d(op, 'window', window);
  size2d(op, 'stride', stride);
  size2d(op, 'dilation', dilation);
  checkPadding(op, padding);
  const padded = { height: input.height + padding.top + padding.bottom, width: input.width + padding.left + padding.right };
  const extent = { height: windowExtent(window.height, dilation.height), width: windowExtent(window.width, dilation.width) };
  if (extent.height > padded.height || extent.width > padded.width) {
    const dilated = dilation.height > 1 || dilation.width > 1 ? ` (dilated to ${extent.height}x${extent.width})` : '';
    throw new ShapeError({
      op,
      fact: `window ${window.height}x${window.width}${dilated} is larger than the padded input ${padded.height}x${padded.width}`,
      next: 'Use a smaller window, or pad',
    });
  }
  const count = (axis: 'height' | 'width', before: number): number => {
    const room = (padded[axis] - extent[axis]) / stride[axis];
    const positions = (ceil ? Math.ceil(room) : Math.floor(room)) + 1;
    return ceil && (positions - 1) * stride[axis] >= input[axis] + before ? positions - 1 : positions;
  };
  return { height: count('height', padding.top), width: count('width', padding.left) };
}

/** @throws ShapeError when a padding is as large as the window: such a window may hold nothing but padding */
export function checkPaddingBelowWindow(op: string, { window, dilation, padding }: Window2d): void {
  const check = (edge: string, cells: number, extent: number): void => {
    if (cells >= extent) {
      throw new ShapeError({
        op,
        fact: `padding ${cells} (${edge}) is as large as the window ${extent}`,
        next: 'Use less padding: a window of only padding has no value',
      });
    }
  };
  const [height, width] = [windowExtent(window.height, dilation.height), windowExtent(window.width, dilation.width)];
  check('top', padding.top, height);
  check('bottom', padding.bottom, height);
  check('left', padding.left, width);
  check('right', padding.right, width);
}

/** @throws ShoalError `ATTRIBUTE` when an options object has a key that is not known */
export function checkOptions(op: string, options: object, known: readonly string[]): void {
  const extra = Object.keys(options).filter((key) => !known.includes(key));
  if (extra.length > 0)
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown option ${extra.join(', ')}`, next: `Known options: ${known.join(', ')}` });
}
