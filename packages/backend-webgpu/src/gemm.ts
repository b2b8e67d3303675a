import { elements, variants, workgroups, type Dispatch, type Variant, type WgslScratch, type WgslSite } from './kernel.ts';

/** A factor of a matrix product, whose elements are computed. Its side is the row in the left factor and the column in the right one. */
export interface GemmFactor {
  /**
   * Which neighbours lie side by side in memory, so that `load` returns four at once, as a `vec4<f32>`: those along the depth or those
   * along the side, whose size then divides by four. Default: none, and `load` returns an f32.
   */
  readonly vector?: 'depth' | 'side';
  /**
   * Body of a WGSL function of `batch` and `side` (i32) that returns a `vec4<i32>`: what an element's place owes to its side. It is
   * computed once, not at every step along the depth. Default: the side in `x`.
   */
  readonly origin?: string;
  /**
   * Body of a WGSL function of `batch`, `origin` and `k` (place along the depth) that returns the element or the four. It is called
   * within the matrix only; better select a value than branch, since it is printed many times.
   */
  readonly load: string;
}

/** Names of i32 that say where an element of the product is. */
export interface GemmPosition {
  readonly batch: string;
  readonly row: string;
  readonly column: string;
}

export interface GemmOptions {
  /** How many independent products; default 1. */
  readonly batch?: number;
  readonly rows: number;
  readonly columns: number;
  /** How many products each element sums; none give 0. */
  readonly depth: number;
  readonly left: GemmFactor;
  readonly right: GemmFactor;
  /** Stores one element, or with `vectorWrite` the four from the position on, along the columns, which then divide by four. */
  readonly write: (position: GemmPosition, value: string) => string;
  readonly vectorWrite?: boolean;
}

/** What a workgroup computes, and the part of it that each thread holds in registers, as vectors along the columns. */
export interface GemmTile {
  readonly rows: number;
  readonly columns: number;
  readonly threadRows: number;
  readonly threadColumns: number;
}

type MenuTile = GemmTile & { readonly speed: number };

/** Elements of both factors that a workgroup holds along the depth. */
const depthTile = 16;

/**
 * The menu. A thread with 8x8 elements reads 16 numbers from workgroup memory for 64 multiply-adds, one with 4x4 reads 8 for 16:
 * large tiles are better wherever they are full and there are enough of them for all cores. `speed` is what is left of the largest one's
 * speed, by those counts.
 */
const menu: readonly MenuTile[] = [
  { rows: 64, columns: 64, threadRows: 8, threadColumns: 8, speed: 1 },
  { rows: 64, columns: 32, threadRows: 8, threadColumns: 4, speed: 0.8 },
  { rows: 32, columns: 64, threadRows: 4, threadColumns: 8, speed: 0.8 },
  { rows: 32, columns: 32, threadRows: 4, threadColumns: 4, speed: 0.6 },
  { rows: 64, columns: 16, threadRows: 4, threadColumns: 4, speed: 0.5 },
  { rows: 16, columns: 16, threadRows: 4, threadColumns: 4, speed: 0.3 },
];

/**
 * Tiles that only timing chooses: larger ones, which fill half as many workgroups or fewer, and those whose threads hold fewer elements,
 * for devices where the registers of one workgroup leave no room for others.
 */
const timedMenu: readonly MenuTile[] = [
  { rows: 128, columns: 128, threadRows: 8, threadColumns: 8, speed: 1 },
  { rows: 128, columns: 64, threadRows: 8, threadColumns: 8, speed: 1 },
  { rows: 64, columns: 128, threadRows: 8, threadColumns: 8, speed: 1 },
  { rows: 64, columns: 64, threadRows: 4, threadColumns: 8, speed: 0.8 },
  { rows: 64, columns: 64, threadRows: 4, threadColumns: 4, speed: 0.6 },
];
/** Not worth timing: a tile estimated to take this many times as long as the best. */
const hopeless = 2.5;

/** With fewer workgroups some cores of a GPU have nothing to do. */
const enoughWorkgroups = 96;
/** Products of a split: fewer are not worth a second pass. */
const fewestProducts = 256;
const mostSplits = 64;
const splitTile = 32;

type Sizes = Pick<GemmOptions, 'batch' | 'rows' | 'columns' | 'depth'>;

/** Into how many parts the depth is cut: where small tiles alone give too few workgroups. A function of sizes, because it decides bits. */
export function gemmSplits({ batch = 1, rows, columns, depth }: Sizes): number {
  const tiles = batch * Math.ceil(rows / splitTile) * Math.ceil(columns / splitTile);
  return Math.max(1, Math.min(mostSplits, Math.ceil(enoughWorkgroups / tiles), Math.floor(depth / fewestProducts)));
}

/**
 * The tile that is estimated to be fastest, and the others that may be. None changes a bit, since every element sums its products in
 * their order, in the same splits.
 */
export function gemmTiles(sizes: Sizes): readonly [GemmTile, ...GemmTile[]] {
  const { batch = 1, rows, columns } = sizes;
  const splits = gemmSplits(sizes);
  const price = (tile: MenuTile): number => {
    const tiles = batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
    return (tiles * tile.rows * tile.columns * Math.max(1, enoughWorkgroups / (tiles * splits))) / tile.speed;
  };
  const best = menu.reduce((best, tile) => (price(tile) < price(best) ? tile : best));
  return [best, ...[...menu, ...timedMenu].filter((tile) => tile !== best && price(tile) <= hopeless * price(best))];
}

/**
 * Matrix products whose factors are computed: matmul and all three passes of a convolution (implicit GEMM) are this, with other
 * index functions. Tiles of both factors go through workgroup memory, the left one transposed; threads hold their elements in
 * registers. A deep product with few elements is split along its depth into partial sums, added by a second dispatch in a fixed order.
 */
export function gemm(site: WgslSite<unknown>, options: GemmOptions): readonly Dispatch[] {
  const { batch = 1, rows, columns, depth, vectorWrite = false } = options;
  const size = batch * rows * columns;
  const width = vectorWrite ? 4 : 1;
  const zero = vectorWrite ? 'vec4<f32>()' : '0.0';
  const unfold = `let column = i * ${width} % ${columns};
let row = (i * ${width} / ${columns}) % ${rows};
let batch = i * ${width} / ${rows * columns};
`;
  if (depth === 0) return [elements(size / width, `${unfold}${options.write(names, zero)}`)];
  const splits = gemmSplits(options);
  if (splits === 1) return [product(options, 1)];
  const partial: WgslScratch = site.scratch('f32', splits * size);
  const place = ({ batch: b, row, column }: GemmPosition): string =>
    `(split * ${size} + (${b} * ${rows} + ${row}) * ${columns} + ${column}) / ${width}`;
  const first = product(
    { ...options, write: (position, value) => (vectorWrite ? partial.write4 : partial.write)(place(position), value) },
    splits,
  );
  const second = `${unfold}var total = ${zero};
for (var s = 0; s < ${splits}; s++) { total += ${(vectorWrite ? partial.read4 : partial.read)(`s * ${size / width} + i`)}; }
${options.write(names, 'total')}`;
  return [first, elements(size / width, second)];
}

const names: GemmPosition = { batch: 'batch', row: 'row', column: 'column' };

const each = (count: number, print: (i: number) => string): string => Array.from({ length: count }, (_, i) => print(i)).join('');

function product(options: GemmOptions, splits: number): Dispatch {
  const [best, ...others] = gemmTiles(options).map((tile): Variant => ({
    name: `${tile.rows}x${tile.columns} by ${tile.threadRows}x${tile.threadColumns}`,
    print: () => productInTiles(options, splits, tile),
  }));
  return variants([best!, ...others]);
}

function productInTiles(options: GemmOptions, splits: number, tile: GemmTile): Dispatch {
  const { batch = 1, rows, columns, depth, left, right, write, vectorWrite = false } = options;
  const [down, across] = [tile.rows / tile.threadRows, tile.columns / tile.threadColumns];
  const threads = down * across;
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const perSplit = Math.ceil(depth / splits / depthTile) * depthTile;
  const [rowVectors, columnVectors] = [tile.threadRows / 4, tile.threadColumns / 4];
  const sides = [
    loader('left', left, { count: rows, depth, tile: tile.rows, first: 'row0', threads }),
    loader('right', right, { count: columns, depth, tile: tile.columns, first: 'column0', threads }),
  ];
  const cells = (print: (g: number, i: number, h: number) => string): string =>
    each(rowVectors, (g) => each(4, (i) => each(columnVectors, (h) => print(g, i, h))));
  const store = (g: number, i: number, h: number): string => {
    const sum = `sum_${g}_${i}_${h}`;
    const inside = `let row = row0 + (r + ${g * down}) * 4 + ${i};\nlet column = column0 + (c + ${h * across}) * 4;`;
    if (vectorWrite) return `{\n${inside}\nif (row < ${rows} && column < ${columns}) { ${write(names, sum)} }\n}\n`;
    const lanes = each(4, (lane) => {
      const at = { ...names, column: `(column + ${lane})` };
      return `if (${at.column} < ${columns}) { ${write(at, `${sum}[${lane}]`)} }\n`;
    });
    return `{\n${inside}\nif (row < ${rows}) {\n${lanes}}\n}\n`;
  };
  const body = `let split = group % ${splits};
let columnTile = (group / ${splits}) % ${columnTiles};
let rowTile = (group / ${splits * columnTiles}) % ${rowTiles};
let batch = group / ${splits * columnTiles * rowTiles};
let row0 = rowTile * ${tile.rows};
let column0 = columnTile * ${tile.columns};
let begin = split * ${perSplit};
let end = min(begin + ${perSplit}, ${depth});
let r = lane / ${across};
let c = lane % ${across};
${sides.map(({ prepare }) => prepare).join('')}${cells((g, i, h) => `var sum_${g}_${i}_${h} = vec4<f32>();\n`)}for (var k0 = begin; k0 < end; k0 += ${depthTile}) {
${sides.map(({ fill }) => fill).join('')}workgroupBarrier();
for (var k = 0; k < ${depthTile}; k++) {
${each(rowVectors, (g) => `let left_${g} = gemm_left[k * ${tile.rows / 4} + r + ${g * down}];\n`)}${each(columnVectors, (h) => `let right_${h} = gemm_right[k * ${tile.columns / 4} + c + ${h * across}];\n`)}${cells((g, i, h) => `sum_${g}_${i}_${h} = fma(vec4<f32>(left_${g}[${i}]), right_${h}, sum_${g}_${i}_${h});\n`)}}
workgroupBarrier();
}
${cells(store)}`;
  const tiles = batch * rowTiles * columnTiles;
  return {
    ...workgroups(tiles * splits, threads, body, sides.map(({ declarations }) => declarations).join('')),
    product: {
      multiplyAccumulates: tiles * tile.rows * tile.columns * Math.ceil(depth / depthTile) * depthTile,
      accumulators: tile.threadRows * tile.threadColumns,
    },
  };
}

/** How the threads of a workgroup bring a tile of one factor into workgroup memory, as vectors along its side. */
interface Loader {
  readonly declarations: string;
  /** Statements before the loop over the depth. */
  readonly prepare: string;
  /** Statements at `k0`, ended by a barrier that is not theirs. */
  readonly fill: string;
}

function loader(
  name: 'left' | 'right',
  { vector, origin = 'return vec4<i32>(side, 0, 0, 0);', load }: GemmFactor,
  side: { readonly count: number; readonly depth: number; readonly tile: number; readonly first: string; readonly threads: number },
): Loader {
  const { count, depth, tile, first, threads } = side;
  const vectors = tile / 4;
  const type = vector ? 'vec4<f32>' : 'f32';
  const declarations = `var<workgroup> gemm_${name}: array<vec4<f32>, ${depthTile * vectors}>;
fn gemm_${name}_origin(batch: i32, side: i32) -> vec4<i32> {\n${origin}\n}
fn gemm_${name}_load(batch: i32, origin: vec4<i32>, k: i32) -> ${type} {\n${load}\n}
`;
  // A unit is four neighbours along the side, at one place of the depth, or at four where those are what memory has side by side.
  const steps = vector === 'depth' ? depthTile / 4 : depthTile;
  const units = vectors * steps;
  const [step, vectorIndex] = vector === 'depth' ? [`lane % ${steps}`, `lane / ${steps}`] : [`lane / ${vectors}`, `lane % ${vectors}`];
  const origins = vector === 'side' ? 1 : 4;
  // Places beyond the last are read as the last: sums on them are never stored, and products beyond the depth are made zero.
  const at = (i: number): string => `min(${name}_side + ${i}, ${count - (vector === 'side' ? 4 : 1)})`;
  const lastStep = depth - (vector === 'depth' ? 4 : 1);
  const prepare = `let ${name}_step = ${step};
let ${name}_vector = ${vectorIndex};
let ${name}_side = ${first} + ${name}_vector * 4;
${each(origins, (i) => `let ${name}_origin_${i} = gemm_${name}_origin(batch, ${at(i)});\n`)}`;
  const read = (i: number): string =>
    `let ${name}_${i} = select(${type}(), gemm_${name}_load(batch, ${name}_origin_${i}, min(k, ${lastStep})), k < end);\n`;
  const put = (k: string, value: string): string => `gemm_${name}[(${k}) * ${vectors} + ${name}_vector] = ${value};\n`;
  const combine = (component: string): string => `vec4<f32>(${[0, 1, 2, 3].map((i) => `${name}_${i}${component}`).join(', ')})`;
  if (vector === 'depth') {
    const stores = each(4, (j) => put(`${name}_step * 4 + ${j}`, combine(`[${j}]`)));
    const guard = units < threads ? `if (lane < ${units}) ` : '';
    const body = `let k = k0 + ${name}_step * 4;\n${each(4, read)}${stores}`;
    return { declarations, prepare, fill: `${guard}{\n${body}}\n` };
  }
  const fill = `for (var step = ${name}_step; step < ${depthTile}; step += ${threads / vectors}) {
let k = k0 + step;
${each(origins, read)}${put('step', vector === 'side' ? `${name}_0` : combine(''))}}
`;
  return { declarations, prepare, fill };
}
