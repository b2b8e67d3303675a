import { blocks, elements, own, phase, shared, step, type CudaScratch, type CudaSite, type CudaTable, type Launch } from '../kernel.ts';
import { fixed } from '../text.ts';
import { scalarCore } from './scalar.ts';
import { fitsTensorCore, tensorCore } from './tensor.ts';
import { depthTile, side, threads, type Core, type Tile } from './tile.ts';

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
  /** What the lambdas look up. */
  readonly tables?: readonly CudaTable[];
  /** Stores one element; `batch`, `row` and `column` are names of int. */
  readonly write: (position: { readonly batch: string; readonly row: string; readonly column: string }, value: string) => string;
}

/** Most elements that a thread has along an axis: 8x8 sums, 16 loads from shared memory for 64 products. */
const mostEach = 8;
/** Tiles that keep the largest devices busy; with fewer, tiles shrink and deep products are split along their depth. */
const enoughTiles = 256;
const splitDepth = 512;
const mostSplits = 64;

function tileOf({ batch = 1, rows, columns }: GemmOptions): Tile {
  const each = (size: number): number => Math.min(mostEach, Math.max(1, 2 ** Math.ceil(Math.log2(size / side))));
  let [rowsEach, columnsEach] = [each(rows), each(columns)];
  const tiles = (): number => batch * Math.ceil(rows / (side * rowsEach)) * Math.ceil(columns / (side * columnsEach));
  // Below 4x4, loads from shared memory cost more than idle multiprocessors.
  while (tiles() < enoughTiles && Math.max(rowsEach, columnsEach) > 4) {
    if (rowsEach >= columnsEach) rowsEach /= 2;
    else columnsEach /= 2;
  }
  return tileWith(rowsEach, columnsEach);
}

const tileWith = (rowsEach: number, columnsEach: number): Tile => ({
  rowsEach,
  columnsEach,
  rows: side * rowsEach,
  columns: side * columnsEach,
});

/** One for all sizes. */
const genericTile = tileWith(4, 4);

/**
 * Matrix products whose factors are computed: matmul and all three passes of a convolution (implicit GEMM) are this, with other
 * index functions. Tiles of both factors go through shared memory, the next one being fetched while one is multiplied; a deep
 * product with few elements is split along `depth` into partial sums, added by a second launch in a fixed order. Tiles and splits
 * depend on the sizes alone, so the bits do.
 */
export function gemm(site: CudaSite<unknown>, options: GemmOptions): readonly Launch[] {
  const { batch = 1, rows, columns, depth } = options;
  const tile = site.generic ? genericTile : tileOf(options);
  const core = site.precision === 'tf32' && fitsTensorCore(tile) ? tensorCore(tile) : scalarCore(tile);
  const tiles = batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  const wanted = Math.min(mostSplits, Math.ceil((2 * enoughTiles) / Math.max(1, tiles)), Math.floor(depth / splitDepth));
  const splits = tiles < enoughTiles ? Math.max(1, wanted) : 1;
  if (splits === 1) return [product(options, tile, core, 1, options.write)];
  const size = batch * rows * columns;
  const partial: CudaScratch = site.scratch('f32', splits * size);
  const first = product(options, tile, core, splits, ({ batch: b, row, column }, value) =>
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

/** A number that the sizes of a product decide. */
const sized = (count: number): string => `${count}`;

function product(
  { batch = 1, rows, columns, depth, left, right, leftAdjacent = 'k', rightAdjacent = 'column', tables = [] }: GemmOptions,
  tile: Tile,
  core: Core,
  splits: number,
  write: GemmOptions['write'],
): Launch {
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const perSplit = Math.ceil(depth / splits / depthTile) * depthTile;
  const factors: readonly Factor[] = [
    {
      name: 'left',
      each: tile.rowsEach,
      width: tile.rows,
      byDepth: leftAdjacent === 'k',
      inside: `row0 + across < ${sized(rows)}`,
      call: 'gemm_load_left(batch, row0 + across, from + k)',
    },
    {
      name: 'right',
      each: tile.columnsEach,
      width: tile.columns,
      byDepth: rightAdjacent === 'k',
      inside: `column0 + across < ${sized(columns)}`,
      call: 'gemm_load_right(batch, from + k, column0 + across)',
    },
  ];
  const fetchTiles = (from: string): string => step(threads, fixed`const int from = ${from};\n${factors.map(fetch).join('')}`);
  const keepTiles = (to: string): string => fixed`const int to = ${to};\n${factors.map((factor) => keep(factor, core)).join('')}`;
  const storage = factors.map(
    ({ name, each, width }) =>
      shared('float', `gemm_${name}`, 2 * depthTile * (width + core.skew)) + own('float', `fetched_${name}`, threads, [each]),
  );
  const body = fixed`${storage.join('')}${core.declarations}auto gemm_load_left = [&](const int batch, const int row, const int k) -> float {
(void)batch;
${left}
};
auto gemm_load_right = [&](const int batch, const int k, const int column) -> float {
(void)batch;
${right}
};
const int split = group % ${sized(splits)};
const int columnTile = (group / ${sized(splits)}) % ${sized(columnTiles)};
const int rowTile = (group / ${sized(splits * columnTiles)}) % ${sized(rowTiles)};
const int batch = group / ${sized(splits * columnTiles * rowTiles)};
const int row0 = rowTile * ${tile.rows};
const int column0 = columnTile * ${tile.columns};
const int begin = split * ${sized(perSplit)};
const int end = begin + ${sized(perSplit)} < ${sized(depth)} ? begin + ${sized(perSplit)} : ${sized(depth)};
${fetchTiles('begin')}${phase(threads, core.clear + keepTiles(fixed`0`))}for (int k0 = begin; k0 < end; k0 += ${depthTile}) {
const int buffer = (k0 - begin) / ${depthTile} % 2;
${fetchTiles(fixed`k0 + ${depthTile}`)}${core.multiply}${phase(threads, keepTiles(fixed`1 - buffer`))}}
${step(
  threads,
  core.results((sum) => {
    const position = { batch: 'batch', row: 'row', column: 'column' };
    return fixed`const int row = row0 + down, column = column0 + across;
if (row < ${sized(rows)} && column < ${sized(columns)}) { ${write(position, sum)} }`;
  }),
)}`;
  return blocks(batch * rowTiles * columnTiles * splits, threads, body, { tables });
}

/** One of the two factors, as its tiles are fetched. */
interface Factor {
  readonly name: 'left' | 'right';
  /** Elements that a thread fetches. */
  readonly each: number;
  readonly width: number;
  /** Neighbouring threads fetch along the depth. */
  readonly byDepth: boolean;
  /** Whether row or column `across` of the tile is one of the matrix. */
  readonly inside: string;
  readonly call: string;
}

/** The thread's element `n` of a tile: `k`, `across`. */
const fetched = ({ byDepth, width }: Factor): string =>
  fixed`const int at = lane + n * ${threads};
  ${byDepth ? fixed`const int k = at % ${depthTile}, across = at / ${depthTile};` : fixed`const int across = at % ${width}, k = at / ${width};`}`;

const fetch = (factor: Factor): string => fixed`SHOAL_UNROLL
for (int n = 0; n < ${factor.each}; n++) {
  ${fetched(factor)}
  fetched_${factor.name}[SHOAL_OWN][n] = from + k < end && ${factor.inside} ? ${factor.call} : 0.0f;
}
`;

const keep = (factor: Factor, { skew, factor: rounded }: Core): string => fixed`SHOAL_UNROLL
for (int n = 0; n < ${factor.each}; n++) {
  ${fetched(factor)}
  gemm_${factor.name}[(to * ${depthTile} + k) * ${factor.width + skew} + across] = ${rounded(fixed`fetched_${factor.name}[SHOAL_OWN][n]`)};
}
`;
