import { ShapeError, ShoalError } from '../errors.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { checkArity, formatShape, type Shape } from '../tensor.ts';
import { concat } from './concat.ts';
import { slice } from './slice.ts';

export interface PadAttributes {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** How many cells are put between neighbours, per axis. */
  readonly interior: readonly number[];
  readonly value: number;
}

/** Surrounds a tensor with a constant, and may put the same constant between its elements. */
export const padOp: Op<PadAttributes> = {
  name: 'core/pad',
  infer(inputs, { before, after, interior }) {
    checkArity('core/pad', inputs, 1);
    const { shape, dtype } = inputs[0]!;
    checkCells(shape, { before, after, interior });
    return [{ shape: shape.map((n, axis) => before[axis]! + after[axis]! + n + Math.max(0, n - 1) * interior[axis]!), dtype }];
  },
  vjp({ inputs: [x], cotangents: [ct], attributes: { before, interior } }) {
    return [ct && slice(ct, { start: before, size: x!.shape, stride: interior.map((n) => n + 1) })];
  },
  cost: () => ({}),
  reads: ({ attributes: { before, interior } }) => [
    before.map((cells, along) => ({
      along,
      repeat: { positions: interior[along]! + 1, cells: 1 },
      cells: (position) => [(position - cells) / (interior[along]! + 1)].filter(Number.isInteger),
    })),
  ],
};

function checkCells(shape: Shape, lists: Readonly<Record<string, readonly number[]>>): void {
  if (Object.values(lists).every((list) => list.length === shape.length && list.every((n) => Number.isInteger(n) && n >= 0))) return;
  const written = Object.entries(lists).map(([name, list]) => `${name} [${list.join(',')}]`);
  throw new ShapeError({
    op: 'core/pad',
    fact: `${written.join(', ')} do not fit ${formatShape(shape)}`,
    next: 'Give one non-negative integer per axis',
  });
}

export function apply1Pad(x: Value, attributes: PadAttributes): Value {
  const { before, after, interior } = attributes;
  return [...before, ...after, ...interior].every((n) => n === 0) ? x : apply1(padOp, [x], attributes);
}

export interface PadOptions {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** `reflect` mirrors without repeating the edge, `circular` wraps around. Default `constant`. */
  readonly mode?: 'constant' | 'reflect' | 'circular';
  /** For `constant`; default 0. */
  readonly value?: number;
}

/**
 * Widens a tensor by `before[axis]` and `after[axis]` cells.
 *
 * @throws ShapeError when `reflect` wants more cells than the axis has beside its edge, or `circular` more than it has
 */
export function pad(x: Value, { before, after, mode = 'constant', value = 0 }: PadOptions): Value {
  if (mode === 'constant') return apply1Pad(x, { before: [...before], after: [...after], interior: x.shape.map(() => 0), value });
  if (mode !== 'reflect' && mode !== 'circular') {
    throw new ShoalError('ATTRIBUTE', { op: 'core/pad', fact: `unknown mode ${String(mode)}`, next: 'Use constant, reflect or circular' });
  }
  checkCells(x.shape, { before, after });
  return x.shape.reduce((padded, n, axis) => extend(padded, axis, n, before[axis]!, after[axis]!, mode), x);
}

/** One axis of a reflecting or circular padding, as a concatenation of slices: the gradient follows by itself. */
function extend(x: Value, axis: number, n: number, before: number, after: number, mode: 'reflect' | 'circular'): Value {
  if (before === 0 && after === 0) return x;
  const most = mode === 'reflect' ? n - 1 : n;
  if (before > most || after > most) {
    throw new ShapeError({
      op: 'core/pad',
      fact: `${mode} padding ${before}, ${after} of an axis of size ${n}`,
      next: `Pad by at most ${most}`,
    });
  }
  const part = (start: number, size: number): Value =>
    slice(x, { start: x.shape.map((_, i) => (i === axis ? start : 0)), size: x.shape.map((m, i) => (i === axis ? size : m)) });
  const cells = (positions: readonly number[]): Value[] => positions.map((position) => part(position, 1));
  const range = (count: number, at: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => at(i));
  const head = mode === 'reflect' ? cells(range(before, (i) => before - i)) : before > 0 ? [part(n - before, before)] : [];
  const tail = mode === 'reflect' ? cells(range(after, (i) => n - 2 - i)) : after > 0 ? [part(0, after)] : [];
  return concat([...head, x, ...tail], axis);
}
