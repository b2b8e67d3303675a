import { apply1, transpose, type Lowering, type Shape, type Value } from '@shoal/core';
import type { Conv2dAttributes } from '../../geometry.ts';
import { isLongEnough, isPlain, type WinogradQuestion } from '../../winograd/question.ts';
import { points, tilesOf, windowSide } from '../../winograd/tiles.ts';
import { winogradConvolution } from './convolution.ts';
import { winogradWeight } from './weight.ts';

/**
 * Multiply-adds in the time that it takes to write a number to memory or to read it: GPUs of all sizes do 20 to 40 for each float32
 * of their bandwidth.
 */
const memory = 30;
/** Winograd must be estimated to be faster by this much: it rounds worse than the direct way. */
const margin = 1.1;

/** Whether F(4x4, 3x3) is estimated to be faster than the direct way: a function of shapes, so that equal programs give equal bits. */
export function winogradPays(question: WinogradQuestion): boolean {
  if (!isLongEnough(question)) return false;
  const { inner, outer, outputShape, isStatic } = question;
  const [batch, height, width] = outputShape;
  const weights = inner * outer;
  const taps = windowSide ** 2;
  const direct = taps * weights * (batch! * height! * width! + memory);
  const tiles = tilesOf(outputShape).count;
  // Each transformed number is written and read again.
  const transformed = points * (tiles * (weights + 2 * memory * (inner + outer)) + memory * weights);
  const transform = isStatic ? 0 : (points + taps) * memory * weights;
  return margin * (transformed + transform) < direct;
}

/** A convolution that Winograd's way is faster for and that the device allows, said so; null for all others. */
export function applyWinograd(
  { source, weight, bias }: { readonly source: Value; readonly weight: Value; readonly bias?: Value | undefined },
  convolution: Conv2dAttributes,
  { outputShape, transposed }: { readonly outputShape: Shape; readonly transposed: boolean },
  { device, isStatic }: Lowering,
): readonly [Value] | null {
  if (device.flags['winograd'] !== true || !isPlain(convolution)) return null;
  const own = transposed ? transpose(weight, [0, 1, 3, 2]) : weight;
  const [, , inner, outer] = own.shape;
  if (!winogradPays({ inner: inner!, outer: outer!, outputShape, isStatic: isStatic(weight) })) return null;
  const first = (before: number): number => (transposed ? before - (windowSide - 1) : -before);
  const { top, left } = convolution.padding;
  const origin = { row: first(top), column: first(left) };
  const transformed = apply1(winogradWeight, [own], { turned: transposed });
  return [apply1(winogradConvolution, [source, transformed, ...(bias ? [bias] : [])], { outputShape, origin })];
}
