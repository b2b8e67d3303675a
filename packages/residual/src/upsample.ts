import {
  checkDtype,
  concat,
  map,
  nhwc,
  reshape,
  ShapeError,
  ShoalError,
  size2d,
  slice,
  type Nhwc,
  type Shape,
  type Size2d,
  type Size2dOption,
  type TensorType,
  type Value,
} from '@shoal/core';

/** Either the output size in cells, or a whole factor. */
export interface UpsampleOptions {
  readonly output?: Size2dOption;
  readonly scale?: Size2dOption;
}

/** The output size that the options ask for. */
export function resolveOutput(op: string, x: TensorType, { output, scale }: UpsampleOptions): Size2d {
  const [, h, w] = nhwc(op, x.shape);
  if ((output === undefined) === (scale === undefined)) {
    throw new ShoalError('ATTRIBUTE', {
      op,
      fact: output === undefined ? 'neither output nor scale is given' : 'output and scale are both given',
      next: 'Give one of them',
    });
  }
  if (output !== undefined) return size2d(op, 'size', output);
  const factor = size2d(op, 'scale', scale!);
  return { height: h * factor.height, width: w * factor.width };
}

/** Checks the input of a resampling and gives its shape. @throws ShapeError for empty planes */
export function checkResampled(op: string, shape: Shape, dtype: TensorType['dtype']): Nhwc {
  checkDtype(op, 'x', dtype, 'f32');
  const sizes = nhwc(op, shape);
  if (sizes[1] < 1 || sizes[2] < 1)
    throw new ShapeError({ op, fact: `${sizes[1]}x${sizes[2]} has no cells to read`, next: 'Give an input of at least 1x1' });
  return sizes;
}

/** `x` read at whole positions along one axis: a broadcast where each cell repeats equally often, else one slice per position. */
export function readAlong(x: Value, axis: number, positions: readonly number[]): Value {
  const size = x.shape[axis]!;
  const times = positions.length / size;
  const sized = (n: number): number[] => x.shape.map((own, i) => (i === axis ? n : own));
  if (Number.isInteger(times) && positions.every((position, i) => position === Math.floor(i / times))) {
    const [before, after] = [x.shape.slice(0, axis + 1), x.shape.slice(axis + 1)];
    return reshape(
      map([reshape(x, [...before, 1, ...after])], (a) => a, [...before, times, ...after]),
      sized(positions.length),
    );
  }
  const start = (at: number): number[] => x.shape.map((_, i) => (i === axis ? at : 0));
  return concat(
    positions.map((position) => slice(x, { start: start(position), size: sized(1) })),
    axis,
  );
}
