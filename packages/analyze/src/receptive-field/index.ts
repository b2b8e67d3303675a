import { formatShape, leavesOf, ShoalError, sizeOf, stridesOf, type Shape, type Value } from '@shoal/core';
import { centreOf, type Span, type Table } from './table.ts';
import { trace, type Sight, type Sights } from './trace.ts';
import { keepAxes, mainAxis, spanOf, type Track } from './track.ts';

/** How far the elements of a tensor see along one axis of the image, in image cells. */
export interface AxisField {
  /** Cells from the first to the last that one element depends on; for an element that sees most, if they differ. */
  readonly size: number | 'whole image';
  /**
   * The same without the paths that read the whole image whatever its size, such as global pooling in an attention. Equal to `size`
   * where there are none, null where there are no others.
   */
  readonly local: number | null;
  /** From the middle of what one element sees to that of its neighbour (also called total or effective stride). Null where nothing moves. */
  readonly jump: number | null;
  /** Where the middle of what the first element sees lies; 0 is the middle of the first image cell. Null with `jump`. */
  readonly start: number | null;
  /**
   * How far apart the middles of paths are that meet on the way, by addition or concatenation, where they are farthest. At 0 all paths
   * to an element look at the same place.
   */
  readonly misalignment: number;
}

/** See {@link receptiveField}. */
export interface ReceptiveField {
  readonly height: AxisField;
  readonly width: AxisField;
  /** Ops that do not say what they read, which were taken to read the whole image. */
  readonly assumed: readonly string[];
}

/** A box of image cells, ends included. Null where an element depends on none. */
export interface SeenBox {
  readonly rows: Span | null;
  readonly columns: Span | null;
}

export interface ReceptiveFieldOptions {
  /** The image [n,h,w,c]; default the only input of four axes. */
  readonly image?: Value;
}

/**
 * The receptive field of the elements of a tensor: the smallest box of image cells that holds all that one element is computed from
 * (Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", Distill, 2019).
 *
 * Tensors are taken to go on beyond their edges, as they would within a larger image, so that the field is the network's and may be
 * larger than the image. Where paths of different length or stride meet, the box holds what all of them see. Gaps within the box count: those of
 * a dilated window, or of a strided 1x1 convolution. Channels are looked at together.
 *
 * @throws ShoalError `GRAPH` when it is not clear which input is the image, or `output` does not depend on it
 */
export function receptiveField(output: Value, options: ReceptiveFieldOptions = {}): ReceptiveField {
  const { sightsOf, assumed } = trace([output], options.image ?? imageOf(output), false);
  return { ...fieldOf(output, sightsOf(output)), assumed: [...assumed] };
}

/** What one element of a tensor depends on, in a tensor that ends where it ends: less than its receptive field, at the edges. */
export function seenBy(
  output: Value,
  element: { readonly row: number; readonly column: number },
  options: ReceptiveFieldOptions = {},
): SeenBox {
  const image = options.image ?? imageOf(output);
  const sights = trace([output], image, true).sightsOf(output);
  const [, height, width] = image.shape;
  if (!sights) throw independent(output);
  const along = ({ track, whole }: Sight, size: number): Span | null => {
    const kept = track && keepAxes(track, output.shape, planeAxes(output.shape));
    return whole || (track && !kept) ? [0, size - 1] : kept && spanOf(kept, (axis) => (axis === 1 ? element.row : element.column));
  };
  return { rows: along(sights[0], height!), columns: along(sights[1], width!) };
}

/** The image of a graph: its only input of four axes. */
export function imageOf(output: Value): Value {
  const images = leavesOf([output]).filter(({ origin, shape }) => origin.kind === 'input' && shape.length === 4);
  if (images.length === 1) return images[0]!;
  throw new ShoalError('GRAPH', {
    op: 'receptive-field',
    fact: images.length === 0 ? 'no input is an image [n,h,w,c]' : `there are ${images.length} inputs [n,h,w,c]`,
    next: 'Say which one is meant: { image }',
  });
}

const independent = (output: Value): ShoalError =>
  new ShoalError('GRAPH', {
    op: 'receptive-field',
    fact: `the value ${formatShape(output.shape)} does not depend on the image`,
    next: 'Give one that is computed from it',
  });

/** Both fields of a value, from what {@link trace} found. */
export function fieldOf(output: Value, sights: Sights | null): Pick<ReceptiveField, 'height' | 'width'> {
  if (!sights) throw independent(output);
  return { height: axisField(output, sights[0]), width: axisField(output, sights[1]) };
}

function axisField({ shape }: Value, { track, whole, misalignment }: Sight): AxisField {
  const plane = track && keepAxes(track, shape, planeAxes(shape));
  const main = plane && mainAxis(plane, shape);
  const spans = plane && (main && plane.digits.every(({ axis }) => axis === main.axis) ? main.table.spans : everySpan(plane, shape));
  const widest = spans && Math.max(...spans.map((span) => (span ? span[1] - span[0] + 1 : 0)));
  const local = widest === 0 ? null : widest;
  return {
    size: whole || local === null ? 'whole image' : local,
    local,
    ...(main ? motionOf(main.table) : { jump: null, start: null }),
    misalignment,
  };
}

/** All axes but the batch and the channels, which are looked at together. */
const planeAxes = (shape: Shape): readonly number[] => shape.map((_, axis) => axis).slice(1, -1);

/** What each element of the plane sees, where several axes decide. */
function everySpan(plane: Track, shape: Shape): readonly (Span | null)[] {
  const axes = planeAxes(shape);
  const strides = stridesOf(axes.map((axis) => shape[axis]!));
  const indexIn = (element: number) => (axis: number) => Math.floor(element / strides[axis - 1]!) % shape[axis]!;
  return Array.from({ length: sizeOf(axes.map((axis) => shape[axis]!)) }, (_, element) => spanOf(plane, indexIn(element)));
}

/** Elements that hold a constant see nothing and have no middle: the others say where theirs would be. */
function motionOf(table: Table): Pick<AxisField, 'jump' | 'start'> {
  const middles = table.spans.flatMap((span, position) => (span ? [[position, centreOf(span)] as const] : []));
  const [first, last] = [middles[0], middles.at(-1)];
  if (!first || !last) return { jump: null, start: null };
  const steps = last[0] - first[0];
  const jump = table.shift === null ? (steps === 0 ? null : (last[1] - first[1]) / steps) : table.shift / table.spans.length;
  return { jump, start: jump === null ? null : first[1] - first[0] * jump };
}
