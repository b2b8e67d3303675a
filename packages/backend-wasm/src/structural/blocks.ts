import type { FunctionBuilder, Local, Operand } from '../encoder/index.ts';
import type { Lanes } from '../kernel.ts';
import { atMost, ELEMENTWISE_GRAIN, forPiece, storeLanes, tilesFor, transposeSquare, VECTOR_BYTES } from '../lanes.ts';
import { ELEMENT_BYTES } from '../layout.ts';
import { countOf, decode, type Axis } from './axes.ts';

/** Neighbours of the source that are read together: a cache line. */
const LINE = 16;
/** Neighbours of the target that are written by one unit. */
const CHUNK = 1024;

/** A copy whose source and target have their neighbours along different axes: a transposition. Tensor 0 is the source, 1 the target. */
export interface Blocks {
  readonly outer: readonly Axis[];
  /** Neighbours in the source. */
  readonly lines: Axis;
  /** Neighbours in the target. */
  readonly columns: Axis;
  readonly units: number;
  readonly tiles: number;
  readonly perTile: number;
}

/** Null where the innermost axis needs no transposition, or no axis has neighbours in the source. */
export function blocksOf(axes: readonly Axis[]): Blocks | null {
  const columns = axes.at(-1);
  const lines = axes.slice(0, -1).find(({ strides }) => strides[0] === ELEMENT_BYTES);
  if (!columns || !lines || columns.strides[0] === ELEMENT_BYTES || columns.strides[1] !== ELEMENT_BYTES) return null;
  const outer = axes.filter((axis) => axis !== columns && axis !== lines);
  const units = countOf(outer) * Math.ceil(lines.size / LINE) * Math.ceil(columns.size / CHUNK);
  const perUnit = Math.min(LINE, lines.size) * Math.min(CHUNK, columns.size);
  return { outer, lines, columns, units, ...tilesFor(units, perUnit, ELEMENTWISE_GRAIN) };
}

/** Unit `unit`: up to {@link LINE} lines by {@link CHUNK} columns, in squares of four by four. */
export function emitBlock(
  f: FunctionBuilder,
  { outer, lines, columns }: Blocks,
  unit: Local<'i32'>,
  source: Operand<'i32'>,
  target: Operand<'i32'>,
): void {
  const { i32 } = f;
  const [lineBlocks, chunks] = [Math.ceil(lines.size / LINE), Math.ceil(columns.size / CHUNK)];
  const chunk = f.let(i32.remU(unit, chunks));
  const rest = f.let(i32.divU(unit, chunks));
  const block = f.let(i32.remU(rest, lineBlocks));
  const { offsets } = decode(f, f.let(i32.divU(rest, lineBlocks)), outer, 2);
  const at = (tensor: 0 | 1, base: Operand<'i32'>): Local<'i32'> => {
    const start = i32.add(i32.mul(block, LINE * lines.strides[tensor]!), i32.mul(chunk, CHUNK * columns.strides[tensor]!));
    return f.let(i32.add(i32.add(base, offsets[tensor]!), start));
  };
  const [from, to] = [at(0, source), at(1, target)];
  const first = f.let(i32.mul(chunk, CHUNK));
  const end = f.let(atMost(f, i32.add(first, CHUNK), columns.size - (columns.size % 4)));
  const part = (count: number): void => {
    const column = f.local.i32();
    f.for(column, first, end, 4, () => {
      emitSquares(f, lines, columns, from, to, count, 4);
      f.set(from, i32.add(from, 4 * columns.strides[0]!));
      f.set(to, i32.add(to, VECTOR_BYTES));
    });
    const tail = columns.size % 4;
    if (tail > 0) f.if(i32.eq(chunk, chunks - 1), () => emitSquares(f, lines, columns, from, to, count, tail as Lanes));
  };
  forPiece(f, { total: lines.size, size: LINE, isLast: () => i32.eq(block, lineBlocks - 1) }, part);
}

/** `count` lines by up to four columns. */
function emitSquares(
  f: FunctionBuilder,
  lines: Axis,
  columns: Axis,
  from: Local<'i32'>,
  to: Local<'i32'>,
  count: number,
  lanes: Lanes,
): void {
  for (let line = 0; line < count; line += 4) {
    // Columns that do not exist are not read: they may lie far outside the tensor.
    const loaded = Array.from({ length: 4 }, (_, i) => i).map((i) =>
      i < lanes ? f.let(f.v128.load(f.i32.add(from, i * columns.strides[0]!), line * ELEMENT_BYTES, 4)) : null,
    );
    const rows = transposeSquare(
      f,
      loaded.map((value) => value ?? loaded[0]!),
    );
    rows.slice(0, count - line).forEach((row, i) => storeLanes(f, f.i32.add(to, (line + i) * lines.strides[1]!), row, lanes));
  }
}
