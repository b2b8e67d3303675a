import {
  checkOptions,
  formatShape,
  nhwc,
  reshape,
  ShapeError,
  ShoalError,
  size2d,
  transpose,
  type Shape,
  type Size2d,
  type Size2dOption,
  type Value,
} from '@shoal/core';

export interface BlockOptions {
  /** Height and width of a block, in cells. */
  readonly block: Size2dOption;
  /**
   * Which depth channel cell (i, j) of a block and channel k of the image share, for blocks of `bh` x `bw` and `c` channels:
   * `block-first` (i * bw + j) * c + k, as TensorFlow and ONNX's DCR; `channel-first` k * bh * bw + i * bw + j, as PyTorch and
   * ONNX's CRD. Default `block-first`.
   */
  readonly order?: 'block-first' | 'channel-first';
}

/**
 * Moves each block of the plane into channels, losing nothing: `x` [n, h, w, c], any dtype -> [n, h / bh, w / bw, bh * bw * c]
 * (Redmon and Farhadi, "YOLO9000", CVPR 2017, as the passthrough layer). A reshape, a transpose and a reshape.
 *
 * @throws ShapeError when `x` is not NHWC, the block is not positive or does not divide height and width; ShoalError `ATTRIBUTE`
 *   for an unknown option or order
 */
export function spaceToDepth(x: Value, options: BlockOptions): Value {
  const op = 'pool/space-to-depth';
  const { block, channelFirst } = resolve(op, options);
  const [n, h, w, c] = nhwc(op, x.shape);
  divide(op, x.shape, 'height', h, block.height);
  divide(op, x.shape, 'width', w, block.width);
  const [oh, ow] = [h / block.height, w / block.width];
  const blocks = reshape(x, [n, oh, block.height, ow, block.width, c]);
  return reshape(transpose(blocks, channelFirst ? [0, 1, 3, 5, 2, 4] : [0, 1, 3, 2, 4, 5]), [n, oh, ow, block.height * block.width * c]);
}

/**
 * Moves channels out into blocks of the plane: `x` [n, h, w, bh * bw * c], any dtype -> [n, h * bh, w * bw, c] (Shi et al., "Real-time
 * single image and video super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016). Undoes
 * {@link spaceToDepth} with the same options.
 *
 * @throws ShapeError when `x` is not NHWC, the block is not positive or its cells do not divide the channels; ShoalError `ATTRIBUTE`
 *   for an unknown option or order
 */
export function depthToSpace(x: Value, options: BlockOptions): Value {
  const op = 'pool/depth-to-space';
  const { block, channelFirst } = resolve(op, options);
  const [n, h, w, depth] = nhwc(op, x.shape);
  const cells = block.height * block.width;
  divide(op, x.shape, 'channels', depth, cells);
  const c = depth / cells;
  const split = reshape(x, channelFirst ? [n, h, w, c, block.height, block.width] : [n, h, w, block.height, block.width, c]);
  return reshape(transpose(split, channelFirst ? [0, 1, 4, 2, 5, 3] : [0, 1, 3, 2, 4, 5]), [n, h * block.height, w * block.width, c]);
}

function resolve(op: string, options: BlockOptions): { readonly block: Size2d; readonly channelFirst: boolean } {
  checkOptions(op, options, ['block', 'order']);
  const { order = 'block-first' } = options;
  if (order !== 'block-first' && order !== 'channel-first') {
    throw new ShoalError('ATTRIBUTE', { op, fact: `unknown order '${String(order)}'`, next: "Use 'block-first' or 'channel-first'" });
  }
  return { block: size2d(op, 'block', options.block), channelFirst: order === 'channel-first' };
}

function divide(op: string, shape: Shape, axis: string, size: number, by: number): void {
  if (size % by !== 0) {
    throw new ShapeError({
      op,
      fact: `${by} does not divide the ${axis} of ${formatShape(shape)}`,
      next: 'Pad, slice, or use another block',
    });
  }
}
