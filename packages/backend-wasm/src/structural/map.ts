import { expression as e, mapOp, type MapAttributes, type TensorType } from '@shoal/core';
import type { FunctionBuilder, Local, Operand, V128 } from '../encoder/index.ts';
import { wasmKernel, type Lanes, type Stage, type WasmSite } from '../kernel.ts';
import { atMost, ELEMENTWISE_GRAIN, storeLanes, VECTOR_BYTES, forUnits } from '../lanes.ts';
import { layoutOf } from '../layout.ts';
import { printExpression } from '../print.ts';
import { axesOf, broadcastStrides, bytes, collapse, countOf, decode, type Axis, type Decoded } from './axes.ts';

/** The loop nest of a map. Tensor 0 is the output, the others are the inputs. */
interface Nest {
  readonly outer: readonly Axis[];
  readonly inner: Axis;
}

const scalarAxis = (tensors: number): Axis => ({ size: 1, strides: Array.from({ length: tensors }, () => 0), origin: [] });

function nestOf(inputs: readonly TensorType[], { expression, shape }: MapAttributes): Nest {
  const strides = [layoutOf({ shape }).strides, ...inputs.map((input) => broadcastStrides(input.shape, shape))];
  const counted = new Set(e.linearize(expression).flatMap(({ expression: x }) => (x.kind === 'coordinate' ? [x.axis] : [])));
  const free = ({ origin }: Axis): boolean => !origin.some((axis) => counted.has(axis));
  const axes = collapse(axesOf(shape, strides), (outer, inner) => free(outer) && free(inner));
  // Every dense tensor moves by one element or not at all along the last axis that is longer than 1.
  return { outer: axes.slice(0, -1), inner: axes.at(-1) ?? scalarAxis(strides.length) };
}

/**
 * Elementwise work. The innermost axis runs four elements at a time with an exact end, so that a map may overwrite one of its inputs; the
 * others are counted as rows. A tile is a range of rows, or a part of one row where rows are long.
 */
export const mapWasm = wasmKernel(mapOp, emitMap, { fusion: { keepsLoads: true }, inPlace: () => ({ inputs: 'all' }) });

function emitMap(site: WasmSite<MapAttributes>): void {
  const { inputs, attributes, stage } = site;
  const { outer, inner } = nestOf(inputs, attributes);
  const rows = countOf(outer);
  const rowBytes = bytes(inner.size);
  const tensors = inputs.length + 1;
  const pieces = Math.ceil(inner.size / ELEMENTWISE_GRAIN);
  const row = (own: Stage, at: Local<'i32'>, from: Operand<'i32'>, to: Operand<'i32'>): void =>
    emitRow(own, site, outer, inner, decode(own.f, at, outer, tensors), from, to);
  if (pieces > 1) {
    stage({ tiles: rows * pieces }, (own) => {
      const { f, tile } = own;
      const at = f.let(f.i32.divU(tile, pieces));
      const from = f.let(f.i32.mul(f.i32.remU(tile, pieces), bytes(ELEMENTWISE_GRAIN)));
      row(own, at, from, f.let(atMost(f, f.i32.add(from, bytes(ELEMENTWISE_GRAIN)), rowBytes)));
    });
    return;
  }
  const rowsPerTile = Math.max(1, Math.floor(ELEMENTWISE_GRAIN / Math.max(1, inner.size)));
  stage({ tiles: inner.size === 0 ? 0 : Math.ceil(rows / rowsPerTile) }, (own) => {
    forUnits(own, rows, rowsPerTile, (at) => row(own, at, 0, rowBytes));
  });
}

/** Part of a row, bytes `from` to `to`: `to` is a multiple of 16 bytes away from `from`, or the row's end. */
function emitRow(
  stage: Stage,
  site: WasmSite<MapAttributes>,
  outer: readonly Axis[],
  inner: Axis,
  row: Decoded,
  from: Operand<'i32'>,
  to: Operand<'i32'>,
): void {
  const { f } = stage;
  const rowBytes = bytes(inner.size);
  const whole = rowBytes - (rowBytes % VECTOR_BYTES);
  const vector = (at: Operand<'i32'>, lanes: Lanes): void => emitVector(stage, site, outer, inner, row, at, lanes);
  const rest = inner.size % 4;
  if (typeof from === 'number' && typeof to === 'number') {
    if (whole > 0) {
      const at = f.local.i32();
      f.for(at, from, whole, VECTOR_BYTES, () => vector(at, 4));
    }
    if (rest > 0) vector(whole, rest as Lanes);
    return;
  }
  const at = f.local.i32();
  const end = f.let(f.i32.and(f.i32.sub(to, from), -VECTOR_BYTES));
  f.for(at, from, f.i32.add(from, end), VECTOR_BYTES, () => vector(at, 4));
  if (rest > 0) f.if(f.i32.eq(to, rowBytes), () => vector(whole, rest as Lanes));
}

function emitVector(
  stage: Stage,
  { attributes: { expression }, fused, kept }: WasmSite<MapAttributes>,
  outer: readonly Axis[],
  inner: Axis,
  { offsets, positions }: Decoded,
  at: Operand<'i32'>,
  lanes: Lanes,
): void {
  const { f } = stage;
  const address = (pointer: Local<'i32'>, tensor: number): Operand<'i32'> => {
    const start = f.i32.add(pointer, offsets[tensor]!);
    return inner.strides[tensor] === 0 || at === 0 ? start : f.i32.add(start, at);
  };
  // Fused expressions are of the output's shape, and read tensors of that shape or numbers: channels do not matter.
  const place = fused.includes(true) ? { at: f.let(f.i32.add(offsets[0]!, at)), channel: 0 } : null;
  const loaded = fused.map((isFused, index) => (isFused && place ? f.let(stage.load(index, place)) : null));
  kept.forEach((output, index) => {
    if (output !== null) storeLanes(f, address(stage.output(output), 0), loaded[index]!, lanes);
  });
  const result = printExpression(f, expression, {
    input: (index) =>
      loaded[index] ??
      (inner.strides[index + 1] === 0
        ? f.v128.load32Splat(address(stage.input(index), index + 1))
        : f.v128.load(address(stage.input(index), index + 1), 0, 4)),
    coordinate: (axis) => coordinate(f, axis, outer, inner, positions, at),
  });
  storeLanes(f, address(stage.output(0), 0), result, lanes);
}

function coordinate(
  f: FunctionBuilder,
  axis: number,
  outer: readonly Axis[],
  inner: Axis,
  positions: readonly Local<'i32'>[],
  at: Operand<'i32'>,
): V128 {
  if (inner.origin.includes(axis)) {
    const first = typeof at === 'number' ? f.i32x4.splat(at / 4) : f.i32x4.splat(f.i32.shrU(at, 2));
    return f.i32x4.add(first, f.i32x4.const(0, 1, 2, 3));
  }
  const found = outer.findIndex(({ origin }) => origin.includes(axis));
  // An axis of size 1 has only position 0.
  return f.i32x4.splat(found < 0 ? 0 : positions[found]!);
}
