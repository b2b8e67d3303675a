import { elements, workgroups, type Dispatch, type WgslScratch, type WgslSite } from './kernel.ts';

export interface GemmOptions {
  /** How many independent products; default 1. */
  readonly batch?: number;
  readonly rows: number;
  readonly columns: number;
  /** How many products each element sums. */
  readonly depth: number;
  /** Body of a WGSL function of `batch`, `row` and `k` (i32, in range) that returns the left factor. */
  readonly left: string;
  /** Body of a WGSL function of `batch`, `k` and `column` (i32, in range) that returns the right factor. */
  readonly right: string;
  /** Stores one element; `batch`, `row` and `column` are names of i32. */
  readonly write: (position: { readonly batch: string; readonly row: string; readonly column: string }, value: string) => string;
}

/** 8x8 threads, each with up to 4x4 elements 8 apart. */
const side = 8;
const depthTile = 16;
/** Below this many workgroups a deep product is split along its depth. */
const fewTiles = 64;
const splitDepth = 1024;

/**
 * Matrix products whose factors are computed: matmul and all three passes of a convolution (implicit GEMM) are this, with other
 * index functions. Tiles of both factors go through workgroup memory; a deep product with few elements is split along `depth`
 * into partial sums, added by a second dispatch in a fixed order. Tiles and splits depend on the sizes alone, so the bits do.
 */
export function gemm(site: WgslSite<unknown>, options: GemmOptions): readonly Dispatch[] {
  const { batch = 1, rows, columns, depth } = options;
  const micro = (size: number): number => (size > 2 * side ? 4 : size > side ? 2 : 1);
  const [rowsEach, columnsEach] = [micro(rows), micro(columns)];
  const tile: Tile = { rowsEach, columnsEach, rows: side * rowsEach, columns: side * columnsEach };
  const tiles = batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  const splits = tiles < fewTiles && depth >= 2 * splitDepth ? Math.min(64, Math.ceil(depth / splitDepth)) : 1;
  if (splits === 1) return [product(options, tile, 1, options.write)];
  const size = batch * rows * columns;
  const partial: WgslScratch = site.scratch('f32', splits * size);
  const first = product(options, tile, splits, ({ batch: b, row, column }, value) =>
    partial.write(`split * ${size} + (${b} * ${rows} + ${row}) * ${columns} + ${column}`, value),
  );
  const second = `let column = i % ${columns};
let row = (i / ${columns}) % ${rows};
let batch = i / ${rows * columns};
var total = 0.0;
for (var s = 0; s < ${splits}; s++) { total += ${partial.read(`s * ${size} + i`)}; }
${options.write({ batch: 'batch', row: 'row', column: 'column' }, 'total')}`;
  return [first, elements(size, second)];
}

interface Tile {
  readonly rowsEach: number;
  readonly columnsEach: number;
  readonly rows: number;
  readonly columns: number;
}

function product(
  { batch = 1, rows, columns, depth, left, right }: GemmOptions,
  tile: Tile,
  splits: number,
  write: GemmOptions['write'],
): Dispatch {
  const threads = side * side;
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const perSplit = Math.ceil(depth / splits / depthTile) * depthTile;
  const each = (count: number, print: (i: number) => string): string => Array.from({ length: count }, (_, i) => print(i)).join('');
  const cells = (print: (r: number, c: number) => string): string => each(tile.rowsEach, (r) => each(tile.columnsEach, (c) => print(r, c)));
  const declarations = `var<workgroup> gemm_left: array<f32, ${depthTile * tile.rows}>;
var<workgroup> gemm_right: array<f32, ${depthTile * tile.columns}>;
fn gemm_load_left(batch: i32, row: i32, k: i32) -> f32 {\n${left}\n}
fn gemm_load_right(batch: i32, k: i32, column: i32) -> f32 {\n${right}\n}
`;
  const body = `let split = group % ${splits};
let columnTile = (group / ${splits}) % ${columnTiles};
let rowTile = (group / ${splits * columnTiles}) % ${rowTiles};
let batch = group / ${splits * columnTiles * rowTiles};
let row0 = rowTile * ${tile.rows};
let column0 = columnTile * ${tile.columns};
let begin = split * ${perSplit};
let end = min(begin + ${perSplit}, ${depth});
let r = lane / ${side};
let c = lane % ${side};
${cells((r, c) => `var sum_${r}_${c} = 0.0;\n`)}for (var k0 = begin; k0 < end; k0 += ${depthTile}) {
  for (var at = lane; at < ${depthTile * tile.rows}; at += ${threads}) {
    let k = k0 + at % ${depthTile};
    let row = row0 + at / ${depthTile};
    var value = 0.0;
    if (k < end && row < ${rows}) { value = gemm_load_left(batch, row, k); }
    gemm_left[(at % ${depthTile}) * ${tile.rows} + at / ${depthTile}] = value;
  }
  for (var at = lane; at < ${depthTile * tile.columns}; at += ${threads}) {
    let k = k0 + at / ${tile.columns};
    let column = column0 + at % ${tile.columns};
    var value = 0.0;
    if (k < end && column < ${columns}) { value = gemm_load_right(batch, k, column); }
    gemm_right[at] = value;
  }
  workgroupBarrier();
  for (var k = 0; k < ${depthTile}; k++) {
${each(tile.rowsEach, (r) => `    let left_${r} = gemm_left[k * ${tile.rows} + r + ${r * side}];\n`)}${each(tile.columnsEach, (c) => `    let right_${c} = gemm_right[k * ${tile.columns} + c + ${c * side}];\n`)}${cells((r, c) => `    sum_${r}_${c} = fma(left_${r}, right_${c}, sum_${r}_${c});\n`)}  }
  workgroupBarrier();
}
${cells((r, c) => {
  const position = { batch: 'batch', row: `(row0 + r + ${r * side})`, column: `(column0 + c + ${c * side})` };
  return `if (${position.row} < ${rows} && ${position.column} < ${columns}) { ${write(position, `sum_${r}_${c}`)} }\n`;
})}`;
  return workgroups(batch * rowTiles * columnTiles * splits, threads, body, declarations);
}
