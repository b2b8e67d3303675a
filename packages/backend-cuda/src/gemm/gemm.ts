import {
  blocks,
  elements,
  phase,
  shared,
  step,
  type CudaInput,
  type CudaScratch,
  type CudaSite,
  type CudaTable,
  type Launch,
} from '../kernel.ts';
import { fixed } from '../text.ts';
import { scalarCore, side, type ScalarTile } from './scalar.ts';
import { tensorCore, tensorTiles, type TensorTile } from './tensor.ts';
import { depthTile, type Core, type Side } from './tile.ts';

/** A factor of a product: a tensor of float32, seen as a matrix for each `batch`. */
export interface GemmFactor {
  readonly tensor: CudaInput;
  /**
   * Body of a lambda of `batch` (int), `k` and `row` or `column` (unsigned, which is cheaper to divide) that returns the element's index in
   * the tensor, or a negative one for 0. It computes, without branches: `k`, `row` and `column` may lie beyond their ends, and what it
   * returns there does not matter.
   */
  readonly index: string;
  /** Which of its indices steps through memory one by one. */
  readonly adjacent: 'k' | 'across';
  /**
   * Whether four neighbours along that index, from each multiple of four, have consecutive indices in the tensor, from a multiple of four,
   * or are 0 together; its range is a multiple of four.
   */
  readonly inFours: boolean;
}

export interface GemmOptions {
  /** How many independent products; default 1. */
  readonly batch?: number;
  readonly rows: number;
  readonly columns: number;
  /** How many products each element sums; 0 gives zeros. */
  readonly depth: number;
  readonly left: GemmFactor;
  readonly right: GemmFactor;
  /** What the lambdas look up. */
  readonly tables?: readonly CudaTable[];
  /** Stores one element; `batch`, `row` and `column` are names of int. */
  readonly write: (position: { readonly batch: string; readonly row: string; readonly column: string }, value: string) => string;
}

type Sizes = Pick<GemmOptions, 'batch' | 'rows' | 'columns' | 'depth'>;

/** Most elements that a thread has along an axis: 8x8 sums, 16 loads from shared memory for 64 products. */
const mostEach = 8;
/** Tiles that keep the largest devices busy; with fewer, tiles shrink and deep products are split along their depth. */
const enoughTiles = 256;
const splitDepth = 512;
const mostSplits = 64;

const tilesOf = ({ batch = 1, rows, columns }: Sizes, tile: { readonly rows: number; readonly columns: number }): number =>
  batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);

function splitsOf(tiles: number, depth: number): number {
  const wanted = Math.min(mostSplits, Math.ceil((2 * enoughTiles) / Math.max(1, tiles)), Math.floor(depth / splitDepth));
  return tiles < enoughTiles ? Math.max(1, wanted) : 1;
}

/** One for all sizes. */
const genericTile: ScalarTile = { rowsEach: 4, columnsEach: 4 };

function scalarTileOf(sizes: Sizes): ScalarTile {
  const each = (size: number): number => Math.min(mostEach, Math.max(1, 2 ** Math.ceil(Math.log2(size / side))));
  let [rowsEach, columnsEach] = [each(sizes.rows), each(sizes.columns)];
  const tiles = (): number => tilesOf(sizes, { rows: side * rowsEach, columns: side * columnsEach });
  // Below 4x4, loads from shared memory cost more than idle multiprocessors.
  while (tiles() < enoughTiles && Math.max(rowsEach, columnsEach) > 4) {
    if (rowsEach >= columnsEach) rowsEach /= 2;
    else columnsEach /= 2;
  }
  return { rowsEach, columnsEach };
}

/** Products that tensor cores compute while one number comes from the second cache: on A100 512 and 16 a cycle. */
const productsPerNumber = 32;

/** The tile that an estimate prefers: products with those in vain, numbers moved, and how much of the device has work. */
function tensorTileOf(sizes: Sizes): TensorTile {
  const time = (tile: TensorTile): number => {
    const tiles = tilesOf(sizes, tile);
    const splits = splitsOf(tiles, sizes.depth);
    const each = (tile.rows * tile.columns + productsPerNumber * (tile.rows + tile.columns)) / splits;
    return each * Math.max(1, (tiles * splits) / enoughTiles);
  };
  return tensorTiles.reduce((best, tile) => (time(tile) < time(best) ? tile : best));
}

/**
 * Matrix products whose factors' places are computed: matmul and all three passes of a convolution (implicit GEMM) are this, with
 * other index functions. Tiles of both factors are copied to shared memory while those before them are multiplied; a deep
 * product with few elements is split along `depth` into partial sums, added by a second launch in a fixed order. Tiles and splits
 * depend on the sizes alone, so the bits do.
 */
export function gemm(site: CudaSite<unknown>, options: GemmOptions): readonly Launch[] {
  const { batch = 1, rows, columns, depth } = options;
  const byDepth = (of: Side): boolean => options[of].adjacent === 'k';
  const core =
    site.precision === 'tf32'
      ? tensorCore(tensorTileOf(options), byDepth)
      : scalarCore(site.generic ? genericTile : scalarTileOf(options), byDepth);
  const splits = splitsOf(tilesOf(options, core), depth);
  if (splits === 1) return [product(site, options, core, 1, options.write)];
  const size = batch * rows * columns;
  const partial: CudaScratch = site.scratch('f32', splits * size);
  const first = product(site, options, core, splits, ({ batch: b, row, column }, value) =>
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

/** The name of a factor's other index, and where a tile begins along it. */
const acrossOf = { left: { name: 'row', begin: 'row0' }, right: { name: 'column', begin: 'column0' } } as const;
const sides: readonly Side[] = ['left', 'right'];

function product({ generic }: CudaSite<unknown>, options: GemmOptions, core: Core, splits: number, write: GemmOptions['write']): Launch {
  const { batch = 1, rows, columns, depth, tables = [] } = options;
  const { threads, stages } = core;
  const [rowTiles, columnTiles] = [Math.ceil(rows / core.rows), Math.ceil(columns / core.columns)];
  const perSplit = Math.ceil(depth / splits / depthTile) * depthTile;
  const copies = sides.map((of) => {
    const { tensor, adjacent, inFours } = options[of];
    const { begin } = acrossOf[of];
    return copyTile(core, of, {
      count: inFours && !generic && core.keepsRuns(of) ? 4 : 1,
      byDepth: adjacent === 'k',
      index: fixed`gemm_${of}_index(batch, from + k, ${begin} + across) | ((int)(from + k < end & ${begin} + across < ${sized(of === 'left' ? rows : columns)}) - 1)`,
      copy: tensor.copy,
    });
  });
  const copyStep = (from: string, into: string, text: string): string =>
    step(threads, fixed`const int from = ${from}, into = ${into};\n${text}shoal_commit(lane);`);
  const copyFirst = copyStep(fixed`begin + ahead * ${depthTile}`, 'ahead', fixed`if (from < end) {\n${copies.join('')}}\n`);
  // Beyond the end come zeros: without a branch, copies mix with products. No copy is left on its way when the block ends.
  const copyNext = copyStep(fixed`k0 + ${(stages - 1) * depthTile}`, fixed`stage == 0 ? ${stages - 1} : stage - 1`, copies.join(''));
  const arrive = phase(threads, fixed`shoal_wait<${stages - 2}>(lane);`);
  const storage = sides.map((of) => shared('float', `gemm_${of}`, stages * core.size[of]));
  const indices = sides.map(
    (of) => fixed`auto gemm_${of}_index = [&](const int batch, const unsigned k, const unsigned ${acrossOf[of].name}) -> int {
(void)batch;
${options[of].index}
};
`,
  );
  const body = fixed`${storage.join('')}${core.declarations}${indices.join('')}const int split = group % ${sized(splits)};
const int columnTile = (group / ${sized(splits)}) % ${sized(columnTiles)};
const int rowTile = (group / ${sized(splits * columnTiles)}) % ${sized(rowTiles)};
const int batch = group / ${sized(splits * columnTiles * rowTiles)};
const int row0 = rowTile * ${core.rows};
const int column0 = columnTile * ${core.columns};
const int begin = split * ${sized(perSplit)};
const int end = begin + ${sized(perSplit)} < ${sized(depth)} ? begin + ${sized(perSplit)} : ${sized(depth)};
SHOAL_ROLLED
for (int ahead = 0; ahead < ${stages - 1}; ahead++) {
${copyFirst}}
int stage = 0;
${arrive}${core.begin}SHOAL_ROLLED
for (int k0 = begin; k0 < end; k0 += ${depthTile}) {
const int next = stage + 1 == ${stages} ? 0 : stage + 1;
${core.multiply(copyNext, arrive)}stage = next;
}
${step(threads, fixed`shoal_wait<${0}>(lane);`)}${step(
    threads,
    core.results((sum) => {
      const position = { batch: 'batch', row: 'row', column: 'column' };
      return fixed`const int row = row0 + down, column = column0 + across;
if (row < ${sized(rows)} && column < ${sized(columns)}) { ${write(position, sum)} }`;
    }),
  )}`;
  return blocks(batch * rowTiles * columnTiles * splits, threads, body, {
    tables,
    ...(core.resident === undefined ? {} : { resident: core.resident }),
  });
}

/** How a factor's tiles are copied. */
interface TileCopy {
  /** Elements of one copy. */
  readonly count: 1 | 4;
  readonly byDepth: boolean;
  /** Index of the tile's element `k`, `across`; negative for 0. */
  readonly index: string;
  readonly copy: CudaInput['copy'];
}

/** Statements of a step: the thread's share of the tile at depth `from`, to stage `into`. Neighbouring threads copy neighbours in memory. */
function copyTile(core: Core, of: Side, { count, byDepth, index, copy }: TileCopy): string {
  const { threads, size } = core;
  const lines = of === 'left' ? core.rows : core.columns;
  const chunks = (lines * depthTile) / count;
  const [inner, outer] = byDepth ? ['k', 'across'] : ['across', 'k'];
  const perLine = (byDepth ? depthTile : lines) / count;
  const statements = fixed`const int ${inner} = at % ${perLine} * ${count}, ${outer} = at / ${perLine};
  ${copy(fixed`gemm_${of} + into * ${size[of]} + ${core.place(of)}`, index, count)}`;
  return fixed`SHOAL_UNROLL
for (int n = 0; n < ${Math.ceil(chunks / threads)}; n++) {
  const unsigned at = lane + n * ${threads};
  ${chunks % threads === 0 ? statements : fixed`if (at < ${chunks}) {\n${statements}\n}`}
}
`;
}
