import { cudaKernel, type ConvolutionPass, type CudaInput, type CudaKernel, type CudaOutput } from '@shoal/backend-cuda';
import {
  apply1,
  expression as e,
  map,
  sizeOf,
  transpose,
  type Lowering,
  type Op,
  type Shape,
  type Size2d,
  type Value,
  type Window2d,
} from '@shoal/core';
import { outputShape, type Conv2dAttributes, type Conv2dGeometry } from '../geometry.ts';

export interface LibraryConvolutionAttributes extends Conv2dAttributes {
  readonly pass: ConvolutionPass;
  /** [n, h, w, in] */
  readonly x: Shape;
  /** [out, kh, kw, in / groups] */
  readonly w: Shape;
  /** [n, oh, ow, out] */
  readonly y: Shape;
}

/**
 * One pass of a convolution in the layout of libraries, weights [out, kh, kw, in / groups]. Inputs: x and w, w and y, or x and y; the
 * output is the third.
 */
export const libraryConvolution: Op<LibraryConvolutionAttributes> = {
  name: 'conv/cuda-library-convolution',
  infer: (_, { pass, x, w, y }) => [{ shape: { forward: y, 'backward-data': x, 'backward-filter': w }[pass], dtype: 'f32' }],
  vjp: { none: 'it stands only in lowered programs, after differentiation' },
  cost: ({ attributes: { w, y } }) => ({ multiplyAccumulates: sizeOf(y) * sizeOf(w.slice(1)) }),
};

/**
 * Libraries pad both sides of an axis alike. That says the same wherever it gives as many windows, as they start in the same places and
 * padding beyond the last of them is not read.
 */
function padsAlike({ input, output }: Conv2dGeometry, { window, stride, dilation, padding }: Window2d): boolean {
  const alike = (size: number, count: number, axis: keyof Size2d, before: number): boolean =>
    Math.floor((size + 2 * before - (window[axis] - 1) * dilation[axis] - 1) / stride[axis]) + 1 === count;
  return alike(input.height, output.height, 'height', padding.top) && alike(input.width, output.width, 'width', padding.left);
}

/** From Shoal's layout of weights to that of libraries, and back. */
const [toLibrary, fromLibrary] = [
  [3, 0, 1, 2],
  [1, 2, 3, 0],
] as const;

export interface LibraryOperands {
  readonly x?: Value;
  readonly weight?: Value;
  readonly y?: Value;
  readonly bias?: Value | undefined;
}

/** A pass as a library's, where the device has one and it can say the convolution: a question of shapes alone. Null for all others. */
export function byLibrary(
  pass: ConvolutionPass,
  { x, weight, y, bias }: LibraryOperands,
  geometry: Conv2dGeometry,
  attributes: Conv2dAttributes,
  { device }: Lowering,
): readonly [Value] | null {
  const { batch, input, channels, outputChannels, channelsPerGroup } = geometry;
  const { window, stride, dilation, padding, groups } = attributes;
  const shapes = {
    x: [batch, input.height, input.width, channels],
    w: [outputChannels, window.height, window.width, channelsPerGroup],
    y: outputShape(geometry),
  };
  const empty = Object.values(shapes).some((shape) => shape.includes(0));
  if (!device.flags['cudnn'] || empty || !padsAlike(geometry, attributes)) return null;
  const w = weight && transpose(weight, toLibrary);
  const operands = [x, w, y].filter((operand) => operand !== undefined);
  const result = apply1(libraryConvolution, operands, { pass, ...shapes, window, stride, dilation, padding, groups });
  if (pass === 'backward-filter') return [transpose(result, fromLibrary)];
  return [bias ? map([result, bias], (sum, b) => e.add(sum, b)) : result];
}

/** The kernels of Shoal's own, for what a library refuses. */
export interface OwnKernels {
  readonly forward: CudaKernel;
  readonly gradientInput: CudaKernel;
  readonly gradientWeight: CudaKernel;
}

/** Weights [out, kh, kw, in / groups] as [kh, kw, in / groups, out]: a matrix and its transpose. */
function asOwn<T extends CudaInput | CudaOutput>(tensor: T): T {
  const [out, height, width, inner] = tensor.shape as readonly [number, number, number, number];
  const rows = height * width * inner;
  const at = (index: string): string => `(${index}) % ${out} * ${rows} + (${index}) / ${out}`;
  const shape = [height, width, inner, out];
  if ('read' in tensor) {
    // Neighbours are apart in memory: four are copied one by one.
    const copy: CudaInput['copy'] = (to, index, count) => {
      const each = Array.from({ length: count }, (_, k) => tensor.copy(`${to} + ${k}`, `own < 0 ? -1 : ${at(`own + ${k}`)}`, 1));
      return `{ const int own = ${index}; ${each.join(' ')} }`;
    };
    return { ...tensor, shape, read: (index: string) => tensor.read(at(index)), copy };
  }
  return { ...tensor, shape, write: (index: string, value: string) => tensor.write(at(index), value) };
}

/** A library's convolution, or the kernels that would do it without one. */
export const libraryConvolutionCuda = ({ forward, gradientInput, gradientWeight }: OwnKernels): CudaKernel =>
  cudaKernel(libraryConvolution, {
    emit(site) {
      const { attributes, inputs, outputs } = site;
      const { pass, x, w, y, stride, dilation, padding, groups } = attributes;
      const call = site.convolution({ pass, x, w, y, stride, dilation, padding: { height: padding.top, width: padding.left }, groups });
      if (call) return [call];
      const [left, right] = inputs;
      const weightShape = [w[1]!, w[2]!, w[3]!, w[0]!];
      const own = { ...site, attributes: { ...attributes, inputShape: x, weightShape } as never };
      if (pass === 'forward') return forward.emit({ ...own, inputs: [left!, asOwn(right!)] });
      if (pass === 'backward-data') return gradientInput.emit({ ...own, inputs: [right!, asOwn(left!)] });
      return gradientWeight.emit({ ...own, outputs: outputs.map(asOwn) });
    },
  });
