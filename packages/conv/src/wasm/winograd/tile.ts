import { loadPack, type Pack, type Stage } from '@shoal/backend-wasm';
import type { I32, Local } from '@shoal/backend-wasm/encoder';
import type { WinogradPlan } from './convolution.ts';
import { outputSide, points, sourceSide } from './tiles.ts';
import { constantsFor, transformProducts, transformSource } from './transforms.ts';

const vectorBytes = 16;

/** Where a tile lies: first cells, the source's perhaps outside. */
export interface TilePlace {
  readonly image: Local<'i32'>;
  readonly targetRow: Local<'i32'>;
  readonly targetColumn: Local<'i32'>;
  readonly sourceRow: Local<'i32'>;
  readonly sourceColumn: Local<'i32'>;
}

/** Transforms the source of one tile. A tile that reaches over an edge is copied into a patch first, with zeros around it. */
export function emitSourceTile(
  plan: WinogradPlan,
  stage: Stage,
  { place, patch, to }: { readonly place: TilePlace; readonly patch: Local<'i32'>; readonly to: Local<'i32'> },
): void {
  const { f } = stage;
  const { i32 } = f;
  const { height, width, channels } = plan.source;
  const cellBytes = channels * 4;
  const from = f.local.i32();
  const rowBytes = f.local.i32(sourceSide * cellBytes);
  const inside = (): void => {
    const cell = i32.add(i32.mul(i32.add(i32.mul(place.image, height), place.sourceRow), width), place.sourceColumn);
    f.set(from, i32.add(stage.input(0), i32.mul(cell, cellBytes)));
    f.set(rowBytes, width * cellBytes);
  };
  const overEdge = (): void => {
    emitPatch(plan, stage, place, patch);
    f.set(from, patch);
  };
  if (height < sourceSide || width < sourceSide) overEdge();
  else {
    const fits = (first: Local<'i32'>, size: number): I32 => i32.leU(first, size - sourceSide);
    f.if(i32.and(fits(place.sourceRow, height), fits(place.sourceColumn, width)), inside, overEdge);
  }
  emitSourceTransform(plan, stage, from, rowBytes, to);
}

/** Copies the source of a tile, with zeros for what lies outside. */
function emitPatch({ source }: WinogradPlan, stage: Stage, { image, sourceRow, sourceColumn }: TilePlace, patch: Local<'i32'>): void {
  const { f } = stage;
  const { i32 } = f;
  const { height, width, channels } = source;
  const cellBytes = channels * 4;
  f.memory.fill(patch, 0, points * cellBytes);
  const [first, last] = [f.let(sourceColumn), f.let(i32.add(sourceColumn, sourceSide))];
  f.if(i32.ltS(first, 0), () => f.set(first, 0));
  f.if(i32.gtS(last, width), () => f.set(last, width));
  f.if(i32.gtS(last, first), () => {
    const row = f.local.i32();
    const to = f.let(i32.add(patch, i32.mul(i32.sub(first, sourceColumn), cellBytes)));
    f.for(row, sourceRow, f.let(i32.add(sourceRow, sourceSide)), 1, () => {
      f.if(i32.ltU(row, height), () => {
        const cell = i32.add(i32.mul(i32.add(i32.mul(image, height), row), width), first);
        f.memory.copy(to, i32.add(stage.input(0), i32.mul(cell, cellBytes)), i32.mul(i32.sub(last, first), cellBytes));
      });
      f.set(to, i32.add(to, sourceSide * cellBytes));
    });
  });
}

/** Channel by channel. Lanes beyond the last channel hold anything; nobody reads them. */
function emitSourceTransform(plan: WinogradPlan, { f }: Stage, from: Local<'i32'>, rowBytes: Local<'i32'>, to: Local<'i32'>): void {
  const { i32, v128 } = f;
  const { channels } = plan.source;
  const rows = [f.let(from)];
  while (rows.length < sourceSide) rows.push(f.let(i32.add(rows.at(-1)!, rowBytes)));
  const target = f.let(to);
  const constants = constantsFor(f, 'source');
  const transform = (vectors: number): void =>
    f.temporaries(() =>
      transformSource(
        f,
        constants,
        (row, column) => loadPack(f, rows[row]!, column * channels * 4, vectors),
        (point, values) => values.forEach((value, v) => v128.store(target, value, point * plan.sourcePointBytes + v * vectorBytes, 4)),
      ),
    );
  const count = Math.ceil(channels / 4);
  const whole = Math.floor(count / plan.vectors);
  const i = f.local.i32();
  const stepBytes = plan.vectors * vectorBytes;
  f.for(i, 0, whole, 1, () => {
    transform(plan.vectors);
    for (const pointer of [...rows, target]) f.set(pointer, i32.add(pointer, stepBytes));
  });
  const rest = count % plan.vectors;
  if (rest > 0) transform(rest);
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
  const cell = i32.add(i32.mul(i32.add(i32.mul(place.image, height), place.targetRow), width), place.targetColumn);
  const at = f.let(i32.mul(cell, channels * 4));
  const whole = (): void => emitChannels(plan, stage, { slice, from, at, exists: null });
  if (height % outputSide === 0 && width % outputSide === 0) return whole();
  const [rows, columns] = [f.let(i32.sub(height, place.targetRow)), f.let(i32.sub(width, place.targetColumn))];
  f.if(i32.and(i32.geS(rows, outputSide), i32.geS(columns, outputSide)), whole, () =>
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

/** All channels of the slice. */
function emitChannels(plan: WinogradPlan, stage: Stage, { slice, from, at, exists }: OutputPlace): void {
  const { f } = stage;
  const { i32 } = f;
  const { sizes, vectors } = plan;
  const sliceChannels = plan.attributes.panel * plan.attributes.panelsPerSlice;
  const channelsOfLast = sizes.outer - (sizes.slices - 1) * sliceChannels;
  const step = vectors * vectorBytes;
  const wholeBytes = (channels: number): number => Math.floor((channels * 4) / step) * step;
  const isLast = f.let(i32.eq(slice, sizes.slices - 1));
  const bytes = f.let(f.select(i32.const(wholeBytes(channelsOfLast)), i32.const(wholeBytes(sliceChannels)), isLast));
  const product = f.let(from);
  const channel = f.let(i32.mul(slice, sliceChannels * 4));
  const cell = f.let(i32.add(at, channel));
  const constants = constantsFor(f, 'products');
  const emit = (lanes: number, offset: number): void =>
    f.temporaries(() => emitCells(plan, stage, { constants, product, channel, cell, exists, lanes, offset }));
  const end = f.let(i32.add(product, bytes));
  f.if(i32.ltU(product, end), () => {
    f.loop((next) => {
      emit(vectors * 4, 0);
      f.set(channel, i32.add(channel, step));
      f.set(cell, i32.add(cell, step));
      f.brIf(next, i32.ltU(f.tee(product, i32.add(product, step)), end));
    });
  });
  const rest = channelsOfLast - wholeBytes(channelsOfLast) / 4;
  if (rest === 0) return;
  f.if(isLast, () => {
    for (let first = 0; first < rest; first += 4) emit(Math.min(4, rest - first), first * 4);
  });
}

interface CellsPlace extends Omit<OutputPlace, 'slice' | 'from' | 'at'> {
  readonly constants: ReturnType<typeof constantsFor>;
  readonly product: Local<'i32'>;
  readonly channel: Local<'i32'>;
  readonly cell: Local<'i32'>;
  /** How many channels: some vectors of four, or less than one. */
  readonly lanes: number;
  /** Bytes from where the pointers stand. */
  readonly offset: number;
}

/** Some vectors of channels of 4x4 cells. */
function emitCells(plan: WinogradPlan, stage: Stage, { constants, product, channel, cell, exists, lanes, offset }: CellsPlace): void {
  const { f } = stage;
  const { i32, f32x4 } = f;
  const { width, channels } = plan.target;
  const bias = plan.hasBias ? loadPack(f, f.let(i32.add(stage.input(2), channel)), offset, Math.ceil(lanes / 4)) : null;
  const read = (row: number, column: number): Pack =>
    loadPack(f, product, (row * sourceSide + column) * plan.productPointBytes + offset, Math.ceil(lanes / 4));
  const guarded = (present: I32 | null, body: () => void): void => (present ? f.if(present, body) : body());
  transformProducts(f, constants, read, (row, cells) => {
    guarded(exists && row > 0 ? i32.gtS(exists.rows, row) : null, () => {
      cells.forEach((values, column) => {
        guarded(exists && column > 0 ? i32.gtS(exists.columns, column) : null, () => {
          const results = bias ? values.map((value, v) => f.let(f32x4.add(value, bias[v]!))) : values;
          const place = { at: cell, offset: (row * width + column) * channels * 4 + offset, channel, channelOffset: offset };
          stage.storeAll(results, place, lanes);
        });
      });
    });
  });
}
