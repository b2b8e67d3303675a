import { blocks, elements, own, phase, shared, type CudaScratch, type CudaSite, type Launch } from './kernel.ts';

export interface GemmOptions {
  /** How many independent products; default 1. */
  readonly batch?: number;
  readonly rows: number;
  readonly columns: number;
  /** How many products each element sums; 0 gives zeros. */
  readonly depth: number;
  /** Body of a lambda of `batch`, `row` and `k` (int, in range) that returns the left factor. */
  readonly left: string;
  /** Body of a lambda of `batch`, `k` and `column` (int, in range) that returns the right factor. */
  readonly right: string;
  /** Which index of the left factor steps through memory one by one. Decides speed alone; default `k`. */
  readonly leftAdjacent?: 'k' | 'row';
  /** The same of the right factor; default `column`. */
  readonly rightAdjacent?: 'k' | 'column';
  /** Stores one element; `batch`, `row` and `column` are names of int. */
  readonly write: (position: { readonly batch: string; readonly row: string; readonly column: string }, value: string) => string;
}

/** 16x16 threads. */
const side = 16;
const threads = side * side;
const depthTile = 16;
/** Most elements that a thread has along an axis: 8x8 sums, 16 loads from shared memory for 64 products. */
const mostEach = 8;
/** Tiles that keep the largest devices busy; with fewer, tiles shrink and deep products are split along their depth. */
const enoughTiles = 256;
const splitDepth = 512;
const mostSplits = 64;

interface Tile {
  readonly rowsEach: number;
  readonly columnsEach: number;
  readonly rows: number;
  readonly columns: number;
}

function tileOf({ batch = 1, rows, columns }: GemmOptions): Tile {
  const each = (size: number): number => Math.min(mostEach, Math.max(1, 2 ** Math.ceil(Math.log2(size / side))));
  let [rowsEach, columnsEach] = [each(rows), each(columns)];
  const tiles = (): number => batch * Math.ceil(rows / (side * rowsEach)) * Math.ceil(columns / (side * columnsEach));
  // Below 4x4, loads from shared memory cost more than idle multiprocessors.
  while (tiles() < enoughTiles && Math.max(rowsEach, columnsEach) > 4) {
    if (rowsEach >= columnsEach) rowsEach /= 2;
    else columnsEach /= 2;
  }
  return { rowsEach, columnsEach, rows: side * rowsEach, columns: side * columnsEach };
}

/**
 * Matrix products whose factors are computed: matmul and all three passes of a convolution (implicit GEMM) are this, with other
 * index functions. Tiles of both factors go through shared memory, the next one being fetched while one is multiplied; a deep
 * product with few elements is split along `depth` into partial sums, added by a second launch in a fixed order. Tiles and splits
 * depend on the sizes alone, so the bits do.
 */
export function gemm(site: CudaSite<unknown>, options: GemmOptions): readonly Launch[] {
  const { batch = 1, rows, columns, depth } = options;
  const tile = tileOf(options);
  const tiles = batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  const wanted = Math.min(mostSplits, Math.ceil((2 * enoughTiles) / Math.max(1, tiles)), Math.floor(depth / splitDepth));
  const splits = tiles < enoughTiles ? Math.max(1, wanted) : 1;
  if (splits === 1) return [product(options, tile, 1, options.write)];
  const size = batch * rows * columns;
  const partial: CudaScratch = site.scratch('f32', splits * size);
  const first = product(options, tile, splits, ({ batch: b, row, column }, value) =>
    partial.write(`split * ${size} + (${b} * ${rows} + ${row}) * ${columns} + ${column}`, value),
  );
  const second = `const int column = i % ${columns};
const int row = (i / ${columns}) % ${rows};
const int batch = i / ${rows * columns};
(void)batch;
float total = 0.0f;
for (int s = 0; s < ${splits}; s++) total += ${partial.read(`s * ${size} + i`)};
${options.write({ batch: 'batch', row: 'row', column: 'column' }, 'total')}`;
  return [first, elements(size, second)];
}

/** Floats added to each row of a tile in shared memory, against bank conflicts; rows stay aligned to 16 bytes. */
const skew = 4;

function product(
  { batch = 1, rows, columns, depth, left, right, leftAdjacent = 'k', rightAdjacent = 'column' }: GemmOptions,
  { rowsEach, columnsEach, ...tile }: Tile,
  splits: number,
  write: GemmOptions['write'],
): Launch {
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const perSplit = Math.ceil(depth / splits / depthTile) * depthTile;
  const [leftRow, rightRow] = [tile.rows + skew, tile.columns + skew];
  // A thread has runs of up to four neighbours, which one wide load from shared memory brings.
  const [rowRun, columnRun] = [Math.min(4, rowsEach), Math.min(4, columnsEach)];
  const spread = (thread: string, index: string, run: number): string =>
    `${thread} * ${run} + ${index} % ${run} + ${index} / ${run} * ${side * run}`;
  /** Where element `index` of those that a thread fetches lies in the tile. */
  const fetched = (adjacent: boolean, width: number): string =>
    adjacent ? `const int k = at % ${depthTile}, across = at / ${depthTile};` : `const int across = at % ${width}, k = at / ${width};`;
  const fetch = (name: string, each: number, adjacent: boolean, width: number, limit: number, first: string, call: string): string =>
    `SHOAL_UNROLL
for (int n = 0; n < ${each}; n++) {
  const int at = lane + n * ${threads};
  ${fetched(adjacent, width)}
  ${name}[n] = from + k < end && ${first} + across < ${limit} ? ${call} : 0.0f;
}
`;
  const keep = (name: string, each: number, adjacent: boolean, width: number, row: number): string =>
    `SHOAL_UNROLL
for (int n = 0; n < ${each}; n++) {
  const int at = lane + n * ${threads};
  ${fetched(adjacent, width)}
  gemm_${name}[(to * ${depthTile} + k) * ${row} + across] = fetched_${name}[n];
}
`;
  const [byK, byRightK] = [leftAdjacent === 'k', rightAdjacent === 'k'];
  const fetchTile = `${fetch('fetched_left', rowsEach, byK, tile.rows, rows, 'row0', 'gemm_load_left(batch, row0 + across, from + k)')}${fetch('fetched_right', columnsEach, byRightK, tile.columns, columns, 'column0', 'gemm_load_right(batch, from + k, column0 + across)')}`;
  const keepTile = keep('left', rowsEach, byK, tile.rows, leftRow) + keep('right', columnsEach, byRightK, tile.columns, rightRow);
  const fetchedArrays = `float fetched_left[${rowsEach}], fetched_right[${columnsEach}];\n`;
  const clear = `SHOAL_UNROLL
for (int n = 0; n < ${rowsEach * columnsEach}; n++) sum[SHOAL_OWN][n / ${columnsEach}][n % ${columnsEach}] = 0.0f;`;
  const multiply = `for (int k = 0; k < ${depthTile}; k++) {
  float left[${rowsEach}], right[${columnsEach}];
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) left[r] = gemm_left[(buffer * ${depthTile} + k) * ${leftRow} + ${spread('y', 'r', rowRun)}];
  SHOAL_UNROLL
  for (int c = 0; c < ${columnsEach}; c++) right[c] = gemm_right[(buffer * ${depthTile} + k) * ${rightRow} + ${spread('x', 'c', columnRun)}];
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) {
    SHOAL_UNROLL
    for (int c = 0; c < ${columnsEach}; c++) sum[SHOAL_OWN][r][c] = shoal_fma(left[r], right[c], sum[SHOAL_OWN][r][c]);
  }
}
`;
  const body = `${shared('float', 'gemm_left', 2 * depthTile * leftRow)}${shared('float', 'gemm_right', 2 * depthTile * rightRow)}${own('float', 'sum', threads, [rowsEach, columnsEach])}auto gemm_load_left = [&](const int batch, const int row, const int k) -> float {
(void)batch;
${left}
};
auto gemm_load_right = [&](const int batch, const int k, const int column) -> float {
(void)batch;
${right}
};
const int split = group % ${splits};
const int columnTile = (group / ${splits}) % ${columnTiles};
const int rowTile = (group / ${splits * columnTiles}) % ${rowTiles};
const int batch = group / ${splits * columnTiles * rowTiles};
const int row0 = rowTile * ${tile.rows};
const int column0 = columnTile * ${tile.columns};
const int begin = split * ${perSplit};
const int end = begin + ${perSplit} < ${depth} ? begin + ${perSplit} : ${depth};
${phase(threads, `${clear}\n${fetchedArrays}const int from = begin, to = 0;\n${fetchTile}${keepTile}`)}for (int k0 = begin; k0 < end; k0 += ${depthTile}) {
const int buffer = (k0 - begin) / ${depthTile} % 2;
${phase(
  threads,
  `const int x = lane % ${side}, y = lane / ${side};
const int from = k0 + ${depthTile}, to = 1 - buffer;
${fetchedArrays}${fetchTile}${multiply}${keepTile}`,
)}}
${phase(
  threads,
  `const int x = lane % ${side}, y = lane / ${side};
SHOAL_UNROLL
for (int r = 0; r < ${rowsEach}; r++) {
  SHOAL_UNROLL
  for (int c = 0; c < ${columnsEach}; c++) {
    const int row = row0 + ${spread('y', 'r', rowRun)}, column = column0 + ${spread('x', 'c', columnRun)};
    if (row < ${rows} && column < ${columns}) { ${write({ batch: 'batch', row: 'row', column: 'column' }, 'sum[SHOAL_OWN][r][c]')} }
  }
}`,
)}`;
  return blocks(batch * rowTiles * columnTiles * splits, threads, body);
}
