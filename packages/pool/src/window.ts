import {
  checkDtype,
  checkOptions,
  checkPaddingBelowWindow,
  formatShape,
  nhwc,
  readsSame,
  readsWindow,
  resolveWindow,
  sameShape,
  ShapeError,
  windowedSize,
  type AxisReads,
  type Dtype,
  type Padding2d,
  type Padding2dOption,
  type Reads,
  type Shape,
  type Size2d,
  type Size2dOption,
  type TensorType,
  type Window2d,
} from '@shoal/core';

/** What every windowed pooling takes; sizes in cells. */
export interface PoolOptions {
  /** Height and width of the window. */
  readonly window: Size2dOption;
  /** From one window to the next; default: the window, so that windows lie side by side. */
  readonly stride?: Size2dOption;
  /** From one cell of a window to the next; default 1. */
  readonly dilation?: Size2dOption;
  /** Cells around the input, which no window ever reads; default `valid`, none. */
  readonly padding?: Padding2dOption;
  /** Keeps a last window that overhangs the padded input, unless it starts in the end padding. Default false. */
  readonly ceilMode?: boolean;
}

/** What every windowed pooling op carries. */
export interface PoolAttributes extends Window2d {
  readonly ceilMode: boolean;
}

/** What a windowed backward op carries: the forward attributes whole, and the shape it goes back to. */
export type PoolGradientAttributes<A extends PoolAttributes = PoolAttributes> = A & { readonly inputShape: Shape };

/** Resolves options against the input; `more` names the options that this op takes beside {@link PoolOptions}. */
export function resolvePool(op: string, x: TensorType, options: PoolOptions, more: readonly string[] = []): PoolAttributes {
  checkOptions(op, options, ['window', 'stride', 'dilation', 'padding', 'ceilMode', ...more]);
  const [, height, width] = nhwc(op, x.shape);
  const { window, stride = window, dilation, padding, ceilMode = false } = options;
  return { ...resolveWindow(op, { height, width }, { window, stride, dilation, padding }), ceilMode };
}

export const noPadding: Padding2d = { top: 0, bottom: 0, left: 0, right: 0 };

/**
 * Height and width of an image tensor.
 *
 * @throws ShapeError when `x` is not NHWC or its planes have no cell; ShoalError `DTYPE` when it is not f32
 */
export function planeOf(op: string, x: TensorType): Size2d {
  checkDtype(op, 'x', x.dtype, 'f32');
  const [, height, width] = nhwc(op, x.shape);
  if (height * width === 0) {
    throw new ShapeError({ op, fact: `the planes of ${formatShape(x.shape)} are empty`, next: 'Give at least one cell' });
  }
  return { height, width };
}

/** One window over the whole plane. */
export function globalWindow(op: string, x: TensorType): PoolAttributes {
  const one = { height: 1, width: 1 };
  return { window: planeOf(op, x), stride: one, dilation: one, padding: noPadding, ceilMode: false };
}

/**
 * Shape of the pooled tensor.
 *
 * @throws ShapeError when `x` is not NHWC, a size is not positive, the window is larger than the padded input, or a window holds
 *   nothing but padding; ShoalError `DTYPE` when `x` is not f32
 */
export function pooledShape(op: string, x: TensorType, attributes: PoolAttributes): Shape {
  checkDtype(op, 'x', x.dtype, 'f32');
  const [n, height, width, c] = nhwc(op, x.shape);
  const size = windowedSize(op, { height, width }, attributes, attributes.ceilMode);
  checkPaddingBelowWindow(op, attributes);
  const shape = [n, size.height, size.width, c];
  const { rows, columns } = windowCells(x.shape, shape, attributes);
  if ([...rows, ...columns].some((cells) => cells.length === 0)) {
    const fact = `a window holds nothing but padding around the input ${height}x${width}`;
    throw new ShapeError({ op, fact, next: 'Use less padding or dilation' });
  }
  return shape;
}

/** Checks the shape and dtype of an input. */
export function checkType(op: string, name: string, value: TensorType, shape: Shape, dtype: Dtype): void {
  checkDtype(op, name, value.dtype, dtype);
  if (!sameShape(value.shape, shape)) {
    throw new ShapeError({
      op,
      fact: `${name} is ${formatShape(value.shape)} where ${formatShape(shape)} is needed`,
      next: 'Give it that shape',
    });
  }
}

/** The cells of each window, ascending, padding left out: window `(oh, ow)` holds the cells `rows[oh]` x `columns[ow]`. */
export interface WindowCells {
  readonly rows: readonly (readonly number[])[];
  readonly columns: readonly (readonly number[])[];
}

export function windowCells(input: Shape, pooled: Shape, { window, stride, dilation, padding }: Window2d): WindowCells {
  const [, height, width] = nhwc('pool', input);
  const [, oh, ow] = nhwc('pool', pooled);
  const positions = (size: number, outputs: number, k: number, s: number, d: number, before: number): number[][] =>
    Array.from({ length: outputs }, (_, o) => {
      const start = o * s - before;
      const first = Math.max(0, Math.ceil(-start / d));
      const count = Math.min(k, Math.ceil((size - start) / d)) - first;
      return Array.from({ length: Math.max(0, count) }, (_, i) => start + (first + i) * d);
    });
  return {
    rows: positions(height, oh, window.height, stride.height, dilation.height, padding.top),
    columns: positions(width, ow, window.width, stride.width, dilation.width, padding.left),
  };
}

/** How many pairs of a window and a cell in it there are, over the whole batch and all channels: what pooling reads. */
export function countCells(input: Shape, pooled: Shape, attributes: Window2d): number {
  const [n, , , c] = nhwc('pool', input);
  const { rows, columns } = windowCells(input, pooled, attributes);
  return n * c * rows.flat().length * columns.flat().length;
}

/**
 * Each output cell reads the window at its place, of its own channel. The window of a global pooling, which is the plane whatever its
 * size, is told by stride 1: it reads all.
 */
export function readsPooled(x: TensorType, attributes: Window2d): Reads {
  const { window, stride, padding } = attributes;
  const along = (axis: 1 | 2, side: 'height' | 'width', edges: number): AxisReads =>
    stride[side] === 1 && window[side] === x.shape[axis] && edges === 0 ? 'all' : readsWindow(attributes, side, axis);
  const rows = along(1, 'height', padding.top + padding.bottom);
  return [[readsSame(0), rows, along(2, 'width', padding.left + padding.right), readsSame(3)]];
}
