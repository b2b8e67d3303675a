import type { LeavesMoments } from '@shoal/backend-wasm';
import { sizeOf, type Op, type Padding2d, type Shape, type Size2d, type TensorType } from '@shoal/core';
import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';

/** Positions along one axis that a window reads: `count` of them, `step` apart. */
export interface Taps {
  readonly count: number;
  readonly step: number;
}

/**
 * A convolution over part of the output: every `targetStep`-th row and column from `target` on. A forward convolution is one
 * phase; the gradient to the input of a convolution with stride s is s x s of them, each a small convolution with stride 1, so
 * that no zero is ever inserted and multiplied.
 */
export interface TapPhase {
  /** How many rows and columns of the output belong to the phase. */
  readonly grid: Size2d;
  /** First output cell. */
  readonly target: Cell;
  /** First source cell that the first output cell reads. */
  readonly source: Cell;
  readonly rows: Taps;
  readonly columns: Taps;
  /** Which row and column of the weights each tap multiplies, in tap order. */
  readonly weightRows: readonly number[];
  readonly weightColumns: readonly number[];
}

export interface Cell {
  readonly row: number;
  readonly column: number;
}

/** A convolution as the micro-kernel sees it: no padding is left, the source is large enough for every tap. */
export interface TapPlan {
  /** Zeros around the source, so that no tap falls outside. */
  readonly padding: Padding2d;
  /** Source cells from one output cell of a phase to the next. */
  readonly sourceStep: Size2d;
  /** Output cells from one cell of a phase to the next. */
  readonly targetStep: Size2d;
  readonly phases: readonly TapPhase[];
}

/** The numbers from 0 to one below `count`. */
export const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** One axis of a phase, before the source is padded: `first` may be negative. */
interface AxisPhase {
  readonly count: number;
  readonly target: number;
  readonly first: number;
  readonly taps: Taps;
  readonly weights: readonly number[];
}

/** Output o reads the cells o * stride - before + i * dilation; the stride is the plan's `sourceStep`. */
function forwardAxis(output: number, window: number, dilation: number, before: number): readonly AxisPhase[] {
  return [
    {
      count: output,
      target: 0,
      first: -before,
      taps: { count: window, step: dilation },
      weights: range(window),
    },
  ];
}

/**
 * Input cell h hears from output o = (h + before - i * dilation) / stride for every tap i that makes this whole. Cells with equal
 * h mod stride share their taps: h = target + stride * j hears from o = j + (target + before - i * dilation) / stride.
 */
function backwardAxis(input: number, window: number, stride: number, dilation: number, before: number): readonly AxisPhase[] {
  return range(Math.min(stride, input)).map((target): AxisPhase => {
    const weights = range(window)
      .toReversed()
      .filter((i) => (target + before - i * dilation) % stride === 0);
    const offsets = weights.map((i) => (target + before - i * dilation) / stride);
    return {
      count: Math.ceil((input - target) / stride),
      target,
      first: offsets[0] ?? 0,
      taps: { count: weights.length, step: offsets.length > 1 ? offsets[1]! - offsets[0]! : 1 },
      weights,
    };
  });
}

/** Zeros needed before and after one axis of the source. */
function paddingOf(phases: readonly AxisPhase[], size: number, step: number): readonly [before: number, after: number] {
  let [before, after] = [0, 0];
  for (const { count, first, taps } of phases) {
    if (taps.count === 0) continue;
    before = Math.max(before, -first);
    after = Math.max(after, first + (count - 1) * step + (taps.count - 1) * taps.step + 1 - size);
  }
  return [before, after];
}

function combine(
  rows: readonly AxisPhase[],
  columns: readonly AxisPhase[],
  source: Size2d,
  sourceStep: Size2d,
  targetStep: Size2d,
): TapPlan {
  const [top, bottom] = paddingOf(rows, source.height, sourceStep.height);
  const [left, right] = paddingOf(columns, source.width, sourceStep.width);
  const phases = rows.flatMap((row) =>
    columns.map((column): TapPhase => {
      const reads = row.taps.count > 0 && column.taps.count > 0;
      return {
        grid: { height: row.count, width: column.count },
        target: { row: row.target, column: column.target },
        source: reads ? { row: row.first + top, column: column.first + left } : { row: 0, column: 0 },
        rows: reads ? row.taps : { count: 0, step: 1 },
        columns: reads ? column.taps : { count: 0, step: 1 },
        weightRows: reads ? row.weights : [],
        weightColumns: reads ? column.weights : [],
      };
    }),
  );
  return { padding: { top, bottom, left, right }, sourceStep, targetStep, phases };
}

const one: Size2d = { height: 1, width: 1 };

export function forwardPlan({ input, output }: Conv2dGeometry, { window, stride, dilation, padding }: Conv2dAttributes): TapPlan {
  return combine(
    forwardAxis(output.height, window.height, dilation.height, padding.top),
    forwardAxis(output.width, window.width, dilation.width, padding.left),
    input,
    stride,
    one,
  );
}

export function backwardPlan({ input, output }: Conv2dGeometry, { window, stride, dilation, padding }: Conv2dAttributes): TapPlan {
  return combine(
    backwardAxis(input.height, window.height, stride.height, dilation.height, padding.top),
    backwardAxis(input.width, window.width, stride.width, dilation.width, padding.left),
    output,
    one,
    stride,
  );
}

/** How the weights of a plan are laid out for the micro-kernel. */
export interface PackAttributes {
  /** Output channels side by side in one panel. */
  readonly panel: number;
  readonly groups: number;
  /** Whether the plan runs backwards: its output channels are the weight's input channels. */
  readonly transposed: boolean;
  readonly phases: readonly Pick<TapPhase, 'weightRows' | 'weightColumns'>[];
}

export interface PackSizes {
  /** Channels that a tap reads, and channels that are written, in each group. */
  readonly inner: number;
  readonly outer: number;
  readonly panels: number;
  /** Elements of one panel of each phase. */
  readonly panelSizes: readonly number[];
  /** Where each phase starts, in elements. */
  readonly starts: readonly number[];
  readonly total: number;
}

/** Phase by phase, group by group: `[panel][row][column][inner][lane]`; lanes beyond the last channel hold anything. */
export function packSizes(weightShape: Shape, { panel, groups, transposed, phases }: PackAttributes): PackSizes {
  const [, , channelsPerGroup, outputChannels] = weightShape;
  const [inner, outer] = transposed ? [outputChannels! / groups, channelsPerGroup!] : [channelsPerGroup!, outputChannels! / groups];
  const panels = Math.ceil(outer / panel);
  const panelSizes = phases.map(({ weightRows, weightColumns }) => weightRows.length * weightColumns.length * inner * panel);
  let total = 0;
  const starts = panelSizes.map((size) => {
    const start = total;
    total += size * panels * groups;
    return start;
  });
  return { inner, outer, panels, panelSizes, starts, total };
}

export interface TapAttributes extends Omit<TapPlan, 'padding'>, PackAttributes, LeavesMoments {
  readonly phases: readonly TapPhase[];
  readonly weightShape: Shape;
  readonly outputShape: Shape;
}

/** A result, and its moments where they are left. */
export const resultAndMoments = (_: unknown, { outputShape, moments }: LeavesMoments & { readonly outputShape: Shape }): TensorType[] =>
  [outputShape, ...(moments ? [moments] : [])].map((shape) => ({ shape, dtype: 'f32' }));

const internal = { none: 'it stands only in lowered programs, after differentiation' } as const;

/** Weights in panels. Input: the weight; output: f32 [total]. */
export const packWeight: Op<PackAttributes> = {
  name: 'conv/wasm-pack-weight',
  infer: ([weight], attributes) => [{ shape: [packSizes(weight!.shape, attributes).total], dtype: 'f32' }],
  vjp: internal,
  cost: () => ({}),
};

/** A planned convolution. Inputs: the padded source, packed weights and, optionally, a bias of one number per output channel. */
export const tapConvolution: Op<TapAttributes> = {
  name: 'conv/wasm-taps',
  infer: resultAndMoments,
  vjp: internal,
  cost: ({ attributes: { phases, weightShape, outputShape, ...pack } }) => {
    const { inner } = packSizes(weightShape, { ...pack, phases });
    const cells = phases.reduce((sum, { grid, rows, columns }) => sum + grid.height * grid.width * rows.count * columns.count, 0);
    return { multiplyAccumulates: (sizeOf(outputShape) / (outputShape[1]! * outputShape[2]!)) * cells * inner };
  },
};
