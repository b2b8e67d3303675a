import { blocks, elements, own, phase, shared, step, type CudaScratch, type CudaSite, type Launch } from '../kernel.ts';
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

function product(
  { batch = 1, rows, columns, depth, left, right, leftAdjacent = 'k', rightAdjacent = 'column' }: GemmOptions,
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
      inside: `row0 + across < ${rows}`,
      call: 'gemm_load_left(batch, row0 + across, from + k)',
    },
    {
      name: 'right',
      each: tile.columnsEach,
      width: tile.columns,
      byDepth: rightAdjacent === 'k',
      inside: `column0 + across < ${columns}`,
      call: 'gemm_load_right(batch, from + k, column0 + across)',
    },
  ];
  const fetchTiles = (from: string): string => step(threads, `const int from = ${from};\n${factors.map(fetch).join('')}`);
  const keepTiles = (to: string): string => `const int to = ${to};\n${factors.map((factor) => keep(factor, core)).join('')}`;
  const storage = factors.map(
    ({ name, each, width }) =>
      shared('float', `gemm_${name}`, 2 * depthTile * (width + core.skew)) + own('float', `fetched_${name}`, threads, [each]),
  );
  const body = `${storage.join('')}${core.declarations}auto gemm_load_left = [&](const int batch, const int row, const int k) -> float {
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
${fetchTiles('begin')}${phase(threads, core.clear + keepTiles('0'))}for (int k0 = begin; k0 < end; k0 += ${depthTile}) {
const int buffer = (k0 - begin) / ${depthTile} % 2;
${fetchTiles(`k0 + ${depthTile}`)}${core.multiply}${phase(threads, keepTiles('1 - buffer'))}}
${step(
  threads,
  core.results((sum) => {
    const position = { batch: 'batch', row: 'row', column: 'column' };
    return `const int row = row0 + down, column = column0 + across;
if (row < ${rows} && column < ${columns}) { ${write(position, sum)} }`;
  }),
)}`;
  return blocks(batch * rowTiles * columnTiles * splits, threads, body);
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
  `const int at = lane + n * ${threads};
  ${byDepth ? `const int k = at % ${depthTile}, across = at / ${depthTile};` : `const int across = at % ${width}, k = at / ${width};`}`;

const fetch = (factor: Factor): string => `SHOAL_UNROLL
for (int n = 0; n < ${factor.each}; n++) {
  ${fetched(factor)}
  fetched_${factor.name}[SHOAL_OWN][n] = from + k < end && ${factor.inside} ? ${factor.call} : 0.0f;
}
`;

const keep = (factor: Factor, { skew, factor: rounded }: Core): string => `SHOAL_UNROLL
for (int n = 0; n < ${factor.each}; n++) {
  ${fetched(factor)}
  gemm_${factor.name}[(to * ${depthTile} + k) * ${factor.width + skew} + across] = ${rounded(`fetched_${factor.name}[SHOAL_OWN][n]`)};
}
`;
