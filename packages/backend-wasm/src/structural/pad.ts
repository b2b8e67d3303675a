import { padOp, sizeOf, type PadAttributes, type TensorType } from '@shoal/core';
import type { Local, Operand, V128 } from '../encoder/index.ts';
import { toF32x4, toI32x4 } from '../encoder/values.ts';
import { wasmKernel, type Stage, type WasmSite } from '../kernel.ts';
import { ELEMENTWISE_GRAIN, forLanes, storeLanes, tilesFor, forUnits } from '../lanes.ts';
import { layoutOf } from '../layout.ts';
import { axesOf, bytes, countOf, decode, type Axis } from './axes.ts';
import { emitCopies, emitFill } from './copy.ts';

/** An axis and its padding: `size` cells of the input, `before` and `after` around them, all in elements of the axes inside. */
interface PaddedAxis {
  readonly size: number;
  readonly before: number;
  readonly after: number;
}

/** Cells between neighbours: the padding's number everywhere, then the input in its place. */
function emitSpread(site: WasmSite<PadAttributes>, value: V128): void {
  const [x, y] = [site.inputs[0]!, site.outputs[0]!];
  const { before, interior } = site.attributes;
  const { strides } = layoutOf(y);
  const to = before.reduce((sum, cells, axis) => sum + cells * strides[axis]!, 0);
  const toStrides = strides.map((stride, axis) => stride * (interior[axis]! + 1));
  emitFill(site.stage, sizeOf(y.shape), value);
  emitCopies(site, [{ input: 0, shape: x.shape, from: 0, fromStrides: layoutOf(x).strides, to, toStrides }]);
}

/** Joins each axis with the unpadded ones inside it: a padded row of pixels is one long row. `apart` keeps the channels for themselves. */
function joinAxes({ shape }: TensorType, { before, after }: PadAttributes, apart: boolean): readonly PaddedAxis[] {
  const joined: PaddedAxis[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const own = { size: shape[axis]!, before: before[axis]!, after: after[axis]! };
    const inner = joined[0];
    const isPlain = inner?.before === 0 && inner.after === 0 && !(apart && axis === shape.length - 2);
    if (inner && isPlain) joined[0] = { size: own.size * inner.size, before: own.before * inner.size, after: own.after * inner.size };
    else joined.unshift(own);
  }
  return joined;
}

/** Row by row, each byte written once. */
export const padWasm = wasmKernel(
  padOp,
  (site) => {
    const [x, y] = [site.inputs[0]!, site.outputs[0]!];
    const { attributes } = site;
    const value = y.dtype === 'f32' ? toF32x4(attributes.value) : toI32x4(attributes.value);
    if (attributes.interior.some((cells) => cells > 0)) return emitSpread(site, value);
    const joined = joinAxes(x, attributes, site.fused[0]!);
    const inner = joined.at(-1) ?? { size: 1, before: 0, after: 0 };
    const outer = joined.slice(0, -1);
    const padded = ({ size, before, after }: PaddedAxis): number => before + size + after;
    const strides = [layoutOf({ shape: joined.map(({ size }) => size) }).strides, layoutOf({ shape: joined.map(padded) }).strides];
    const rows: readonly Axis[] = axesOf(joined.map(padded), strides).slice(0, -1);
    const rowSize = padded(inner);
    const { tiles, perTile } = tilesFor(rowSize === 0 ? 0 : countOf(rows), rowSize, ELEMENTWISE_GRAIN);
    const start = outer.reduce((sum, { before }, axis) => sum + before * strides[0]![axis]!, 0);
    site.stage({ tiles }, (stage) => {
      const { f } = stage;
      forUnits(stage, countOf(rows), perTile, (row) => {
        const { offsets, positions } = decode(f, row, rows, 2);
        const to = f.let(f.i32.add(stage.output(0), offsets[1]!));
        const fill = (from: number, count: number): void =>
          forLanes(f, count, (at, lanes) => storeLanes(f, f.i32.add(to, at), value, lanes, bytes(from)));
        const copy = (): void => {
          fill(0, inner.before);
          emitCopy(stage, f.let(f.i32.sub(offsets[0]!, start)), to, inner);
          fill(inner.before + inner.size, inner.after);
        };
        const tests = outer.flatMap(({ size, before, after }, axis) =>
          before + after === 0 ? [] : [f.i32.ltU(f.i32.sub(positions[axis]!, before), size)],
        );
        if (tests.length === 0) copy();
        else
          f.if(
            tests.reduce((all, test) => f.i32.and(all, test)),
            copy,
            () => fill(0, rowSize),
          );
      });
    });
  },
  { fusion: { load: { 0: 'masked' } } },
);

/** The input's part of a row. */
function emitCopy({ f, load }: Stage, from: Local<'i32'>, to: Local<'i32'>, { size, before }: PaddedAxis): void {
  const place = (at: Operand<'i32'>): Parameters<Stage['load']>[1] => ({ at: f.i32.add(from, at), channel: at });
  forLanes(f, size, (at, lanes) => storeLanes(f, f.i32.add(to, at), load(0, place(at)), lanes, bytes(before)));
}
