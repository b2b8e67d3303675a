import { reduceOp } from '@shoal/core';
import type { FunctionBuilder, Local, Operand } from '../encoder/index.ts';
import { wasmKernel, type Lanes, type Stage } from '../kernel.ts';
import { storeLanes, VECTOR_BYTES, forUnits } from '../lanes.ts';
import { layoutOf } from '../layout.ts';
import { accumulator, type Accumulator } from './accumulate.ts';
import { axesOf, collapse, countOf, decode, type Axis } from './axes.ts';

/** Elements that a tile reads, about. */
const GRAIN = 16384;
/** Enough tiles for the threads there may be; further splitting only costs. */
const ENOUGH_TILES = 64;
/** Vectors that run side by side where the innermost axis stays: a cache line. */
const BLOCK = 4;
/** Vectors per round where the innermost axis is summed, each with its own accumulator, to hide the latency of additions. */
const UNROLL = 4;

/** A reduction as loops. Tensor 0 is the input, tensor 1 the output. */
interface Nest {
  /** Axes that stay, but for `across`. */
  readonly rows: readonly Axis[];
  /** Axes that are reduced, but for `along`. */
  readonly loops: readonly Axis[];
  /** The innermost axis: neighbouring elements are reduced (`along`), or are neighbouring results (`across`). */
  readonly along: Axis | null;
  readonly across: Axis | null;
}

/** Cells: results, or vectors of results, that belong to one row. Splits: parts of the outermost reduced axis, summed for themselves first. */
interface Plan extends Nest {
  readonly rowCount: number;
  readonly cells: number;
  readonly splits: number;
  readonly perSplit: number;
}

/**
 * Sum, maximum, minimum. Few results of many elements are computed in two stages: parts of fixed size, then their results in order, so that
 * the number of threads changes nothing.
 */
export const reduceWasm = wasmKernel(
  reduceOp,
  (site) => {
    const [x, y] = [site.inputs[0]!, site.outputs[0]!];
    const { kind, axes: reduced } = site.attributes;
    const own = [...layoutOf(y).strides];
    const strides = x.shape.map((_, axis) => (reduced.includes(axis) ? 0 : own.shift()!));
    const isReduced = ({ origin }: Axis): boolean => reduced.includes(origin[0]!);
    // Fused vectors along the channels are read at the position along the last axis, which must then stay an axis of its own.
    const isChannels = ({ origin }: Axis): boolean => site.fused[0]! && origin.includes(x.shape.length - 1);
    const axes = collapse(
      axesOf(x.shape, [layoutOf(x).strides, strides]),
      (outer, inner) => isReduced(outer) === isReduced(inner) && !isChannels(inner),
    );
    const plan = planOf(axes, isReduced);
    const make = (f: FunctionBuilder): Accumulator => accumulator(f, kind, x.dtype);
    if (plan.splits === 1) {
      const perTile = Math.max(1, Math.floor(GRAIN / Math.max(1, countOf(axes) / Math.max(1, plan.rowCount))));
      site.stage({ tiles: Math.ceil(plan.rowCount / perTile) }, (stage) => {
        forUnits(stage, plan.rowCount, perTile, (row) => emitRow(stage, plan, make, row, null, null));
      });
      return;
    }
    const cellBytes = kind === 'sum' && x.dtype === 'f32' ? 2 * VECTOR_BYTES : VECTOR_BYTES;
    const scratch = site.scratch(plan.splits * plan.rowCount * plan.cells * cellBytes);
    site.stage({ tiles: plan.rowCount * plan.splits }, (stage) => {
      const { f, tile } = stage;
      const row = f.let(f.i32.remU(tile, plan.rowCount));
      const split = f.let(f.i32.divU(tile, plan.rowCount));
      const saved = f.let(f.i32.add(stage.scratch(scratch), f.i32.mul(tile, plan.cells * cellBytes)));
      emitRow(stage, plan, make, row, split, saved);
    });
    const cells = plan.rowCount * plan.cells;
    const perTile = Math.max(1, Math.floor(GRAIN / 4 / plan.splits));
    site.stage({ tiles: Math.ceil(cells / perTile) }, (stage) => {
      const { f } = stage;
      const total = make(f);
      forUnits(stage, cells, perTile, (cell) => {
        const from = f.let(f.i32.add(stage.scratch(scratch), f.i32.mul(cell, cellBytes)));
        const end = f.let(f.i32.add(from, plan.splits * cells * cellBytes));
        const at = f.local.i32();
        total.reset();
        f.for(at, from, end, cells * cellBytes, () => total.takeSaved(at, 0));
        const row = f.let(f.i32.divU(cell, plan.cells));
        const position = f.let(f.i32.mul(f.i32.remU(cell, plan.cells), VECTOR_BYTES));
        const to = f.let(f.i32.add(f.i32.add(stage.output(0), decode(f, row, plan.rows, 2).offsets[1]!), position));
        emitResult(f, plan, total, to, position);
      });
    });
  },
  { fusion: { load: { 0: 'masked' } } },
);

function planOf(axes: readonly Axis[], isReduced: (axis: Axis) => boolean): Plan {
  const inner = axes.at(-1) ?? { size: 1, strides: [4, 0], origin: [0] };
  const along = axes.length === 0 || isReduced(inner) ? inner : null;
  const across = along ? null : inner;
  const rows = axes.filter((axis) => axis !== inner && !isReduced(axis));
  const loops = axes.filter((axis) => axis !== inner && isReduced(axis));
  const rowCount = countOf(rows);
  const cells = across ? Math.ceil(across.size / 4) : 1;
  const splittable = loops[0] ?? along;
  // Parts of the innermost axis are whole rounds of the vector loop.
  const unit = loops.length > 0 ? 1 : 4 * UNROLL;
  const wanted = Math.min(Math.floor(countOf(axes) / GRAIN / Math.max(1, rowCount)), Math.ceil(ENOUGH_TILES / Math.max(1, rowCount)));
  const parts = splittable && wanted > 1 ? Math.min(wanted, Math.ceil(splittable.size / unit)) : 1;
  const perSplit = splittable ? Math.ceil(splittable.size / parts / unit) * unit : 1;
  return {
    rows,
    loops,
    along,
    across,
    rowCount,
    cells,
    splits: splittable && perSplit > 0 ? Math.ceil(splittable.size / perSplit) : 1,
    perSplit,
  };
}

interface Bounds {
  readonly from: Operand<'i32'>;
  readonly to: Operand<'i32'>;
}

/** All cells of one row: written to the output, or for a split to `saved`. */
function emitRow(
  stage: Stage,
  plan: Plan,
  make: (f: FunctionBuilder) => Accumulator,
  row: Local<'i32'>,
  split: Local<'i32'> | null,
  saved: Local<'i32'> | null,
): void {
  const { f } = stage;
  const outermost = plan.loops[0] ?? plan.along;
  const { offsets } = decode(f, row, plan.rows, 2);
  const bounds = boundsOf(f, plan, outermost, split);
  const to = f.let(f.i32.add(stage.output(0), offsets[1]!));
  if (plan.along) {
    const lanes = Array.from({ length: plan.along.size >= 4 * UNROLL ? UNROLL : 1 }, () => make(f));
    lanes.forEach((lane) => lane.reset());
    const inner = plan.loops.length > 0 ? { from: 0, to: plan.along.size * 4 } : bounds;
    emitLoops(f, plan.loops, bounds, offsets[0]!, (at) => emitAlong(stage, plan.along!, lanes, inner, at));
    const [first, ...others] = lanes as [Accumulator, ...Accumulator[]];
    others.forEach((lane) => first.merge(lane));
    if (saved) first.save(saved, 0);
    else emitResult(f, plan, first, to, null);
    return;
  }
  emitAcross(stage, plan, make, offsets[0]!, bounds, saved ?? to, saved !== null);
}

/** Byte bounds along the outermost reduced axis. */
function boundsOf(f: FunctionBuilder, { perSplit, splits }: Plan, axis: Axis | null, split: Local<'i32'> | null): Bounds {
  if (!axis) return { from: 0, to: 0 };
  const stride = axis.strides[0]!;
  if (!split) return { from: 0, to: axis.size * stride };
  const from = f.let(f.i32.mul(split, perSplit * stride));
  const end = f.let(f.i32.add(from, perSplit * stride));
  return { from, to: f.let(f.select(f.i32.const(axis.size * stride), end, f.i32.eq(split, splits - 1))) };
}

function emitLoops(
  f: FunctionBuilder,
  loops: readonly Axis[],
  { from, to }: Bounds,
  base: Local<'i32'>,
  body: (at: Local<'i32'>) => void,
): void {
  const [axis, ...rest] = loops;
  if (!axis) return body(base);
  const position = f.local.i32();
  f.for(position, from, to, axis.strides[0]!, () => {
    const at = f.let(f.i32.add(base, position));
    emitLoops(f, rest, { from: 0, to: (rest[0]?.size ?? 0) * (rest[0]?.strides[0] ?? 0) }, at, body);
  });
}

/** Takes in the elements of the innermost axis, from byte `from` to `to`, which starts at byte `base`. */
function emitAlong(stage: Stage, axis: Axis, lanes: readonly Accumulator[], { from, to }: Bounds, base: Local<'i32'>): void {
  const { f } = stage;
  const round = lanes.length * VECTOR_BYTES;
  const position = f.local.i32(from);
  const rest = axis.size % 4;
  const end = (bytes: number): Operand<'i32'> =>
    typeof to === 'number' ? to - (to % bytes) : f.i32.add(from, f.i32.and(f.i32.sub(to, from), -bytes));
  const load = (offset: number): ReturnType<Stage['load']> =>
    stage.load(0, { at: f.i32.add(base, position), offset, channel: position, channelOffset: offset });
  f.for(position, from, end(round), round, () => lanes.forEach((lane, i) => lane.take(load(i * VECTOR_BYTES))));
  if (lanes.length > 1) f.for(position, position, end(VECTOR_BYTES), VECTOR_BYTES, () => lanes[0]!.take(load(0)));
  if (rest === 0) return;
  const tail = (): void => {
    f.set(position, (axis.size - rest) * 4);
    lanes[0]!.take(load(0), rest as Lanes);
  };
  if (typeof to === 'number') tail();
  else f.if(f.i32.eq(to, axis.size * 4), tail);
}

/** The cells of a row side by side, a block at a time. */
function emitAcross(
  stage: Stage,
  plan: Plan,
  make: (f: FunctionBuilder) => Accumulator,
  base: Local<'i32'>,
  bounds: Bounds,
  target: Local<'i32'>,
  save: boolean,
): void {
  const { f } = stage;
  const block = (position: Operand<'i32'>, cells: number): void => {
    const lanes = Array.from({ length: cells }, () => make(f));
    lanes.forEach((lane) => lane.reset());
    const start = f.let(f.i32.add(base, position));
    const channel = f.let(f.i32.add(position, 0));
    emitLoops(f, plan.loops, bounds, start, (at) =>
      lanes.forEach((lane, i) => lane.take(stage.load(0, { at, offset: i * VECTOR_BYTES, channel, channelOffset: i * VECTOR_BYTES }))),
    );
    lanes.forEach((lane, i) => {
      if (save) {
        const address = f.let(f.i32.add(target, f.i32.mul(channel, lane.bytes / VECTOR_BYTES)));
        lane.save(address, i * lane.bytes);
      } else {
        const at = f.let(f.i32.add(channel, i * VECTOR_BYTES));
        emitResult(f, plan, lane, f.let(f.i32.add(target, at)), at);
      }
    });
  };
  const whole = Math.floor(plan.cells / BLOCK);
  if (whole > 0) {
    const position = f.local.i32();
    f.for(position, 0, whole * BLOCK * VECTOR_BYTES, BLOCK * VECTOR_BYTES, () => block(position, BLOCK));
  }
  if (plan.cells % BLOCK > 0) block(whole * BLOCK * VECTOR_BYTES, plan.cells % BLOCK);
}

/** Writes a cell's results: one, or those of a vector, of which the last of a row may be incomplete. */
function emitResult(
  f: FunctionBuilder,
  { along, across, cells }: Plan,
  total: Accumulator,
  to: Local<'i32'>,
  position: Local<'i32'> | null,
): void {
  if (along || !across || !position) return storeLanes(f, to, total.joined(), 1);
  const result = f.let(total.result());
  const rest = across.size % 4;
  if (rest === 0) return storeLanes(f, to, result, 4);
  f.if(
    f.i32.eq(position, (cells - 1) * VECTOR_BYTES),
    () => storeLanes(f, to, result, rest as Lanes),
    () => storeLanes(f, to, result, 4),
  );
}
