import { atMost, cutRows, forPiece, startSums, storePack, sumProducts, type Stage, type WasmSite } from '@shoal/backend-wasm';
import type { Local, Operand } from '@shoal/backend-wasm/encoder';
import { sizeOf, type InPlace, type Shape } from '@shoal/core';
import { matrixOffset } from './batches.ts';

/** Where the elements of the operands are. Distances are in bytes. */
export interface ProductPlan {
  readonly batch: Shape;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** a(row, i) is `row * row + i * step` from the start of a's matrix. */
  readonly a: { readonly lead: Shape; readonly row: number; readonly step: number };
  /** b comes in panels of `columns` neighbours: b(i, column) is `panel * panel + i * step + (column within its panel) * 4` from the start of b's matrix. */
  readonly b: { readonly lead: Shape; readonly bytes: number; readonly columns: number; readonly panel: number; readonly step: number };
}

/** Terms that one float32 sum adds up before it joins the total: error grows with the length of a chain. */
const chain = 1024;
/** A total that several chains join stands in the result, so nothing that the epilogue reads may. */
export const productInPlace = ({ k }: Pick<ProductPlan, 'k'>): InPlace => ({ epilogue: k <= chain });

/** Rows, and multiply-adds, that a tile of work aims at. */
const rowsPerTile = 48;
const workPerTile = 2 ** 21;

/** Everything the emitters of one stage share. */
interface Emission {
  readonly stage: Stage;
  readonly plan: ProductPlan;
  readonly hasEpilogue: boolean;
}

/**
 * The product in micro-tiles of a few rows by one panel of columns, held in registers over the whole sum: each step reads a vector or
 * more of b and one number of each row of a. Every element of the result is summed in one order, whatever the tiles.
 */
export function emitProduct(site: WasmSite, plan: ProductPlan): void {
  const { m, n, k, batch, b } = plan;
  const panels = Math.ceil(n / b.columns);
  for (const { rows, count, start } of cutRows(m, site.engine.tileRows)) {
    const piecesPerTile = Math.max(1, Math.min(count, Math.floor(rowsPerTile / rows)));
    const rowBlocks = Math.ceil(count / piecesPerTile);
    const panelsPerTile = Math.max(1, Math.min(panels, Math.floor(workPerTile / (piecesPerTile * rows * b.columns * k))));
    const panelBlocks = Math.ceil(panels / panelsPerTile);
    site.stage({ tiles: n === 0 ? 0 : sizeOf(batch) * rowBlocks * panelBlocks }, (stage) => {
      const { f, tile } = stage;
      const { i32 } = f;
      const block = f.let(i32.divU(tile, panelBlocks));
      const matrix = f.let(i32.divU(block, rowBlocks));
      const share = (index: Operand<'i32'>, size: number, all: number): { readonly from: Local<'i32'>; readonly to: Local<'i32'> } => {
        const from = f.let(i32.mul(index, size));
        return { from, to: f.let(atMost(f, i32.add(from, size), all)) };
      };
      const pieces = share(i32.remU(block, rowBlocks), piecesPerTile, count);
      const columns = share(i32.remU(tile, panelBlocks), panelsPerTile, panels);
      const [a0, b0] = [stage.input(0), stage.input(1)];
      const aMatrix = f.let(i32.add(a0, matrixOffset(f, matrix, batch, plan.a.lead, m * k * 4)));
      const bMatrix = f.let(i32.add(b0, matrixOffset(f, matrix, batch, b.lead, b.bytes)));
      const [panel, piece] = [f.local.i32(), f.local.i32()];
      f.for(panel, columns.from, columns.to, 1, () => {
        const bPanel = f.let(i32.add(bMatrix, i32.mul(panel, b.panel)));
        const channel = f.let(i32.mul(panel, b.columns * 4));
        f.for(piece, pieces.from, pieces.to, 1, () => {
          const row = f.let(i32.add(i32.mul(piece, rows), start));
          const place = {
            a: f.let(i32.add(aMatrix, i32.mul(row, plan.a.row))),
            b: bPanel,
            y: f.let(i32.add(i32.mul(i32.add(i32.mul(matrix, m), row), n * 4), channel)),
            channel,
          };
          const emit = (lanes: number): void =>
            f.temporaries(() => emitMicroTile({ stage, plan, hasEpilogue: site.hasEpilogue }, place, rows, lanes));
          forPiece(f, { total: n, size: b.columns, isLast: () => i32.eq(panel, panels - 1) }, emit);
        });
      });
    });
  }
}

/** Addresses of a micro-tile's operands; `y` is an offset in the result. */
interface Place {
  readonly a: Local<'i32'>;
  readonly b: Local<'i32'>;
  readonly y: Local<'i32'>;
  readonly channel: Local<'i32'>;
}

function emitMicroTile({ stage, plan, hasEpilogue }: Emission, place: Place, rows: number, lanes: number): void {
  const { f } = stage;
  const { i32, f32x4, v128 } = f;
  const { k, n, a, b } = plan;
  const sums = startSums(f, rows, Math.ceil(lanes / 4));
  const each = (body: (sum: Local<'v128'>, offset: number) => void): void =>
    sums.forEach((ofRow, row) => ofRow.forEach((sum, v) => body(sum, row * n * 4 + v * 16)));
  const [from, at, end] = [f.let(place.a), f.let(place.b), f.local.i32()];
  const loop = (): void => sumProducts(f, sums, { at: from, step: a.step, rowBytes: a.row }, { at, step: b.step }, end);
  const finish = (): void =>
    sums.forEach((ofRow, row) => stage.storeAll(ofRow, { at: place.y, offset: row * n * 4, channel: place.channel }, lanes));
  if (k <= chain) {
    f.set(end, i32.add(at, k * b.step));
    loop();
    finish();
    return;
  }
  const y = f.let(i32.add(stage.output(0), place.y));
  const last = f.let(i32.add(at, k * b.step));
  const save = (): void => sums.forEach((ofRow, row) => storePack(f, y, ofRow, lanes, row * n * 4));
  save();
  f.loop((next) => {
    f.set(end, i32.add(at, chain * b.step));
    f.set(end, f.select(end, last, i32.ltU(end, last)));
    loop();
    each((sum, offset) => f.set(sum, f32x4.add(sum, v128.load(y, offset, 4))));
    save();
    each((sum) => f.set(sum, 0));
    f.brIf(next, i32.ltU(at, last));
  });
  if (!hasEpilogue) return;
  each((sum, offset) => f.set(sum, v128.load(y, offset, 4)));
  finish();
}
