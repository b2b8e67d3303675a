import type { Shape } from '@shoal/core';
import type { FunctionBuilder, Local, Operand, V128 } from '../encoder/index.ts';
import type { Stage, WasmSite } from '../kernel.ts';
import { ELEMENTWISE_GRAIN, forLanes, storeLanes, tilesFor, forUnits } from '../lanes.ts';
import { ELEMENT_BYTES } from '../layout.ts';
import { axesOf, bytes, collapse, countOf, decode, type Axis } from './axes.ts';
import { blocksOf, emitBlock, type Blocks } from './blocks.ts';

/** Fills the first `size` elements of output 0. `value` is a constant: it costs nothing to repeat. */
export function emitFill(stage: WasmSite['stage'], size: number, value: V128): void {
  const tiles = Math.ceil(size / ELEMENTWISE_GRAIN);
  stage({ tiles }, ({ f, tile, output }) => {
    const from = f.let(f.i32.mul(tile, bytes(ELEMENTWISE_GRAIN)));
    const address = f.let(f.i32.add(output(0), from));
    const rest = size - (tiles - 1) * ELEMENTWISE_GRAIN;
    const part = (count: number): void => forLanes(f, count, (at, lanes) => storeLanes(f, f.i32.add(address, at), value, lanes));
    if (rest === ELEMENTWISE_GRAIN) part(rest);
    else
      f.if(
        f.i32.eq(tile, tiles - 1),
        () => part(rest),
        () => part(ELEMENTWISE_GRAIN),
      );
  });
}

/** Moves a box of elements: from input `input`, from byte `from` on, to output 0, from byte `to` on. Strides are in bytes and per axis of `shape`. */
export interface BoxCopy {
  readonly input: number;
  readonly shape: Shape;
  readonly from: number;
  readonly fromStrides: readonly number[];
  readonly to: number;
  readonly toStrides: readonly number[];
}

/**
 * Copies boxes in one stage: their tiles follow each other. Where an input is a fused expression, its box must be whole rows of neighbours:
 * it is evaluated along the last axis, which then stays an axis of its own.
 */
export function emitCopies({ stage, fused }: Pick<WasmSite, 'stage' | 'fused'>, copies: readonly BoxCopy[]): void {
  let tiles = 0;
  const parts = copies
    .filter(({ shape }) => !shape.includes(0))
    .map((copy) => {
      const rank = copy.shape.length;
      const axes = collapse(
        axesOf(copy.shape, [copy.fromStrides, copy.toStrides]),
        (_, { origin }) => !(fused[copy.input] && origin.includes(rank - 1)),
      );
      const part = fused[copy.input] ? null : blocksOf(axes);
      const own = part ? { ...part, emit: blocksEmitter(part, copy) } : rowsOf(axes, copy, fused[copy.input] === true);
      const first = tiles;
      tiles += own.tiles;
      return { ...own, first };
    });
  stage({ tiles }, (own) => {
    const { f, tile } = own;
    f.block((done) => {
      parts.forEach(({ emit, units, tiles: count, perTile, first }, i) => {
        const part = (): void => {
          const relative = f.let(f.i32.sub(tile, first));
          forUnits({ f, tile: relative }, units, perTile, (unit) => emit(own, unit));
        };
        if (i === parts.length - 1) return part();
        f.if(f.i32.ltU(tile, first + count), () => {
          part();
          f.br(done);
        });
      });
    });
  });
}

/** A box as units of work: rows, or blocks where it is a transposition. */
interface Part {
  readonly units: number;
  readonly tiles: number;
  readonly perTile: number;
  readonly emit: (stage: Stage, unit: Local<'i32'>) => void;
}

const blocksEmitter =
  (blocks: Blocks, copy: BoxCopy): Part['emit'] =>
  ({ f, input, output }, unit) =>
    emitBlock(f, blocks, unit, f.let(f.i32.add(input(copy.input), copy.from)), f.let(f.i32.add(output(0), copy.to)));

function rowsOf(axes: readonly Axis[], copy: BoxCopy, isFused: boolean): Part {
  const last = axes.at(-1) ?? { size: 1, strides: [ELEMENT_BYTES, ELEMENT_BYTES], origin: [] };
  const { outer, inner } = isFused ? { outer: axes.slice(0, -1), inner: last } : splitLong(axes.slice(0, -1), last);
  const units = countOf(outer);
  return { units, ...tilesFor(units, inner.size, ELEMENTWISE_GRAIN), emit: (stage, row) => emitRow(stage, copy, outer, inner, row) };
}

/** A row that is too long for one tile is cut where it divides evenly into whole vectors. */
function splitLong(outer: readonly Axis[], inner: Axis): { readonly outer: readonly Axis[]; readonly inner: Axis } {
  if (inner.size <= 2 * ELEMENTWISE_GRAIN) return { outer, inner };
  for (let pieces = Math.ceil(inner.size / ELEMENTWISE_GRAIN); pieces < inner.size / 256; pieces++) {
    if (inner.size % pieces !== 0) continue;
    const size = inner.size / pieces;
    return {
      outer: [...outer, { size: pieces, strides: inner.strides.map((stride) => stride * size), origin: [] }],
      inner: { ...inner, size },
    };
  }
  return { outer, inner };
}

function emitRow(stage: Stage, copy: BoxCopy, outer: readonly Axis[], inner: Axis, row: Local<'i32'>): void {
  const { f } = stage;
  const { offsets } = decode(f, row, outer, 2);
  const from = f.let(f.i32.add(offsets[0]!, copy.from));
  const to = f.let(f.i32.add(f.i32.add(stage.output(0), copy.to), offsets[1]!));
  const [fromStride, toStride] = inner.strides as readonly [number, number];
  const read = (at: Operand<'i32'>): V128 => stage.load(copy.input, { at: f.i32.add(from, at), channel: at });
  if (fromStride !== ELEMENT_BYTES) emitGather(f, f.let(f.i32.add(stage.input(copy.input), from)), to, inner, toStride);
  else if (toStride === ELEMENT_BYTES) forLanes(f, inner.size, (at, lanes) => storeLanes(f, f.i32.add(to, at), read(at), lanes));
  else emitScatter(f, read, to, inner.size, toStride);
}

/** Elements that lie apart become neighbours, or lie apart in another way. */
function emitGather(f: FunctionBuilder, from: Local<'i32'>, to: Local<'i32'>, { size, strides }: Axis, toStride: number): void {
  const stride = strides[0]!;
  forLanes(f, size, (offset, lanes) => {
    const value = f.let(
      Array.from({ length: lanes - 1 }, (_, i) => i + 1).reduce<V128>(
        (gathered, lane) => f.v128.load32Lane(f.i32.add(from, lane * stride), gathered, lane),
        f.v128.load32Zero(from),
      ),
    );
    if (toStride === ELEMENT_BYTES) storeLanes(f, f.i32.add(to, offset), value, lanes);
    else {
      const at = f.let(f.i32.add(to, f.i32.mul(offset, toStride / ELEMENT_BYTES)));
      for (let lane = 0; lane < lanes; lane++) f.v128.store32Lane(f.i32.add(at, lane * toStride), value, lane);
    }
    f.set(from, f.i32.add(from, lanes * stride));
  });
}

/** Neighbours that will lie apart. */
function emitScatter(f: FunctionBuilder, read: (at: Operand<'i32'>) => V128, to: Local<'i32'>, count: number, stride: number): void {
  forLanes(f, count, (offset, lanes) => {
    const value = f.let(read(offset));
    const at = f.let(f.i32.add(to, f.i32.mul(offset, stride / ELEMENT_BYTES)));
    for (let lane = 0; lane < lanes; lane++) f.v128.store32Lane(f.i32.add(at, lane * stride), value, lane);
  });
}
