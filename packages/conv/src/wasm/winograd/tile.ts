import { forPiece, forVectors, loadPack, storePack, type Pack, type Stage } from '@shoal/backend-wasm';
import type { FunctionBuilder, I32, Local } from '@shoal/backend-wasm/encoder';
import type { WinogradPlan } from './convolution.ts';
import type { tilesOf } from '../../winograd/tiles.ts';
import type { transformSource } from '../../winograd/transforms.ts';
import { constantsFor, packed } from './arithmetic.ts';

/** A tensor that goes through a transform tile by tile. */
export interface TransformedTiles {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Side of a tile. */
  readonly side: number;
  readonly transform: typeof transformSource;
  readonly factors: readonly number[];
  /** Vectors that are computed side by side. */
  readonly vectors: number;
  /** From one point to the next in what is written. */
  readonly pointBytes: number;
}

/** Where a tile lies: in which image, and its first cell. */
export interface TilePlace {
  readonly image: Local<'i32'>;
  readonly row: Local<'i32'>;
  readonly column: Local<'i32'>;
}

/** The cells of the output that tile `index`, with so many cells on a side, stands for. */
export function placeOf(f: FunctionBuilder, { down, across }: ReturnType<typeof tilesOf>, side: number, index: Local<'i32'>): TilePlace {
  const { i32 } = f;
  const image = f.let(i32.divU(index, down * across));
  const within = f.let(i32.remU(index, down * across));
  return {
    image,
    row: f.let(i32.mul(i32.divU(within, across), side)),
    column: f.let(i32.mul(i32.remU(within, across), side)),
  };
}

/** Transforms one tile, which may lie partly outside. A tile that reaches over an edge is copied into a patch first, with zeros around it. */
export function emitTransformedTile(
  f: FunctionBuilder,
  tensor: TransformedTiles,
  { place, from, patch, to }: { readonly place: TilePlace } & Readonly<Record<'from' | 'patch' | 'to', Local<'i32'>>>,
): void {
  const { i32 } = f;
  const { height, width, channels, side } = tensor;
  const cellBytes = channels * 4;
  const first = f.local.i32();
  const rowBytes = f.local.i32(side * cellBytes);
  const inside = (): void => {
    const cell = i32.add(i32.mul(i32.add(i32.mul(place.image, height), place.row), width), place.column);
    f.set(first, i32.add(from, i32.mul(cell, cellBytes)));
    f.set(rowBytes, width * cellBytes);
  };
  const overEdge = (): void => {
    emitPatch(f, tensor, { place, from, patch });
    f.set(first, patch);
  };
  if (height < side || width < side) overEdge();
  else {
    const fits = (at: Local<'i32'>, size: number): I32 => i32.leU(at, size - side);
    f.if(i32.and(fits(place.row, height), fits(place.column, width)), inside, overEdge);
  }
  emitTransform(f, tensor, { first, rowBytes, to });
}

/** Copies a tile, with zeros for what lies outside. */
function emitPatch(
  f: FunctionBuilder,
  { height, width, channels, side }: TransformedTiles,
  { place: { image, row: top, column }, from, patch }: { readonly place: TilePlace } & Readonly<Record<'from' | 'patch', Local<'i32'>>>,
): void {
  const { i32 } = f;
  const cellBytes = channels * 4;
  f.memory.fill(patch, 0, side ** 2 * cellBytes);
  const [first, last] = [f.let(column), f.let(i32.add(column, side))];
  f.if(i32.ltS(first, 0), () => f.set(first, 0));
  f.if(i32.gtS(last, width), () => f.set(last, width));
  f.if(i32.gtS(last, first), () => {
    const row = f.local.i32();
    const to = f.let(i32.add(patch, i32.mul(i32.sub(first, column), cellBytes)));
    f.for(row, top, f.let(i32.add(top, side)), 1, () => {
      f.if(i32.ltU(row, height), () => {
        const cell = i32.add(i32.mul(i32.add(i32.mul(image, height), row), width), first);
        f.memory.copy(to, i32.add(from, i32.mul(cell, cellBytes)), i32.mul(i32.sub(last, first), cellBytes));
      });
      f.set(to, i32.add(to, side * cellBytes));
    });
  });
}

/** Channel by channel. Lanes beyond the last channel hold anything; nobody reads them. */
function emitTransform(
  f: FunctionBuilder,
  { channels, side, transform, factors, vectors, pointBytes }: TransformedTiles,
  { first, rowBytes, to }: Readonly<Record<'first' | 'rowBytes' | 'to', Local<'i32'>>>,
): void {
  const { i32 } = f;
  const firsts = [first];
  while (firsts.length < side) firsts.push(f.let(i32.add(firsts.at(-1)!, rowBytes)));
  const constants = constantsFor(f, factors);
  forVectors(f, channels, vectors, (offset, lanes) => {
    const [target, ...rows] = [to, ...firsts].map((start) => f.let(i32.add(start, offset)));
    const read = (row: number, column: number): Pack => loadPack(f, rows[row]!, column * channels * 4, Math.ceil(lanes / 4));
    f.temporaries(() =>
      transform(packed(f, constants), read, (point, values) => storePack(f, target!, values, values.length * 4, point * pointBytes)),
    );
  });
}

/** Transforms the products of one tile with one slice into output cells, and writes those that exist. */
export function emitOutputTile(
  plan: WinogradPlan,
  stage: Stage,
  { slice, from, place }: { readonly slice: Local<'i32'>; readonly from: Local<'i32'>; readonly place: TilePlace },
): void {
  const { f } = stage;
  const { i32 } = f;
  const { height, width, channels } = plan.target;
  const { outputSide: side } = plan.filtering;
  const cell = i32.add(i32.mul(i32.add(i32.mul(place.image, height), place.row), width), place.column);
  const at = f.let(i32.mul(cell, channels * 4));
  const whole = (): void => emitChannels(plan, stage, { slice, from, at, exists: null });
  if (height % side === 0 && width % side === 0) return whole();
  const [rows, columns] = [f.let(i32.sub(height, place.row)), f.let(i32.sub(width, place.column))];
  f.if(i32.and(i32.geS(rows, side), i32.geS(columns, side)), whole, () =>
    emitChannels(plan, stage, { slice, from, at, exists: { rows, columns } }),
  );
}

interface OutputPlace {
  readonly slice: Local<'i32'>;
  readonly from: Local<'i32'>;
  /** Byte offset of the first cell in the output. */
  readonly at: Local<'i32'>;
  /** How many rows and columns of the tile exist; null for all. */
  readonly exists: { readonly rows: Local<'i32'>; readonly columns: Local<'i32'> } | null;
}

/** All channels of the slice; the last slice may have fewer. */
function emitChannels(plan: WinogradPlan, stage: Stage, { slice, from, at, exists }: OutputPlace): void {
  const { f } = stage;
  const { i32 } = f;
  const { sizes, vectors } = plan;
  const size = plan.attributes.panel * plan.attributes.panelsPerSlice;
  const first = f.let(i32.mul(slice, size * 4));
  const constants = constantsFor(f, plan.filtering.factors.products);
  forPiece(f, { total: sizes.outer, size, isLast: () => i32.eq(slice, sizes.slices - 1) }, (channels) =>
    forVectors(f, channels, vectors, (offset, lanes) => {
      const product = f.let(i32.add(from, offset));
      const channel = f.let(i32.add(first, offset));
      const cell = f.let(i32.add(at, channel));
      f.temporaries(() => emitCells(plan, stage, { constants, product, channel, cell, exists, lanes }));
    }),
  );
}

interface CellsPlace extends Pick<OutputPlace, 'exists'> {
  readonly constants: ReturnType<typeof constantsFor>;
  readonly product: Local<'i32'>;
  readonly channel: Local<'i32'>;
  readonly cell: Local<'i32'>;
  /** How many channels: some vectors of four, or less than one. */
  readonly lanes: number;
}

/** Some vectors of channels of the cells of a tile. */
function emitCells(plan: WinogradPlan, stage: Stage, { constants, product, channel, cell, exists, lanes }: CellsPlace): void {
  const { f } = stage;
  const { i32, f32x4 } = f;
  const { width, channels } = plan.target;
  const { pointOf, products } = plan.filtering;
  const vectors = Math.ceil(lanes / 4);
  const bias = plan.hasBias ? loadPack(f, f.let(i32.add(stage.input(2), channel)), 0, vectors) : null;
  const read = (row: number, column: number): Pack => loadPack(f, product, pointOf(row, column) * plan.productPointBytes, vectors);
  const guarded = (present: I32 | null, body: () => void): void => (present ? f.if(present, body) : body());
  products(packed(f, constants), read, (row, cells) => {
    guarded(exists && row > 0 ? i32.gtS(exists.rows, row) : null, () => {
      cells.forEach((values, column) => {
        guarded(exists && column > 0 ? i32.gtS(exists.columns, column) : null, () => {
          const results = bias ? values.map((value, v) => f.let(f32x4.add(value, bias[v]!))) : values;
          stage.storeAll(results, { at: cell, offset: (row * width + column) * channels * 4, channel }, lanes);
        });
      });
    });
  });
}
