import type { Padding2d, Window2d } from './window.ts';

/**
 * Which cells along one axis of an input an output cell is computed from: `all` of them, wherever the output cell is, or those that
 * `cells` says for its position along one output axis.
 */
export type AxisReads = 'all' | AxisCells;

export interface AxisCells {
  /** The output axis whose position decides. */
  readonly along: number;
  /**
   * `positions` output cells further on, it reads the same `cells` input cells further on: the rule then holds for any whole number,
   * also outside of the tensor, as if it went on. Null where the rule holds within the tensor only.
   */
  readonly repeat: { readonly positions: number; readonly cells: number } | null;
  /** True where the output is a part cut out of the input: whoever reads all of it does not read all of the input. */
  readonly part?: boolean;
  /** The cells that the output cells at `position` read; none where they hold a constant. May lie outside of the input: padding. */
  cells(position: number): readonly number[];
}

/** What {@link Op.reads} gives: for each input, for each of its axes. */
export type Reads = readonly (readonly AxisReads[])[];

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Each output cell reads the input cell at its own position. */
export const readsSame = (along: number): AxisCells => ({
  along,
  repeat: { positions: 1, cells: 1 },
  cells: (position) => [position],
});

/** Every output cell reads the one cell there is. */
export const readsOnly = (along: number): AxisCells => ({ along, repeat: { positions: 1, cells: 0 }, cells: () => [0] });

/** Everything, along `rank` axes. */
export const readsAll = (rank: number): readonly AxisReads[] => upTo(rank).map(() => 'all');

/** A window that slides over a plane: `along` is the output axis, `axis` the side of the window, and `before` the padding there. */
export function readsWindow({ window, stride, dilation, padding }: Window2d, axis: 'height' | 'width', along: number): AxisCells {
  const before = padding[startOf[axis]];
  return {
    along,
    repeat: { positions: 1, cells: stride[axis] },
    cells: (position) => upTo(window[axis]).map((i) => position * stride[axis] - before + i * dilation[axis]),
  };
}

/** What a window that slides over a plane reaches of its *output*: the same, transposed. */
export function readsTransposedWindow({ window, stride, dilation, padding }: Window2d, axis: 'height' | 'width', along: number): AxisCells {
  const before = padding[startOf[axis]];
  return {
    along,
    repeat: { positions: stride[axis], cells: 1 },
    cells: (position) =>
      upTo(window[axis])
        .map((i) => (position + before - i * dilation[axis]) / stride[axis])
        .filter(Number.isInteger),
  };
}

const startOf = { height: 'top', width: 'left' } as const satisfies Record<string, keyof Padding2d>;
