import { own, step } from '../kernel.ts';
import { fixed } from '../text.ts';
import { depthTile, side, threads, type Core, type Tile } from './tile.ts';

const thread = fixed`const int x = lane % ${side}, y = lane / ${side};\n`;

/** Multiplications and additions in float32, each product added with one rounding. A thread has runs of up to four neighbours, which one wide load brings. */
export function scalarCore({ rowsEach, columnsEach, rows, columns }: Tile): Core {
  const skew = 4;
  const [rowRun, columnRun] = [Math.min(4, rowsEach), Math.min(4, columnsEach)];
  const spread = (of: string, index: string, run: number): string =>
    fixed`${of} * ${run} + ${index} % ${run} + ${index} / ${run} * ${side * run}`;
  const load = (name: string, index: string, width: number, at: string): string =>
    fixed`${name}[${index}] = gemm_${name}[(buffer * ${depthTile} + k) * ${width + skew} + ${at}];`;
  return {
    skew,
    declarations: own('float', 'sum', threads, [rowsEach, columnsEach]),
    clear: fixed`SHOAL_UNROLL
for (int n = 0; n < ${rowsEach * columnsEach}; n++) sum[SHOAL_OWN][n / ${columnsEach}][n % ${columnsEach}] = 0.0f;
`,
    factor: (text) => text,
    multiply: step(
      threads,
      fixed`${thread}for (int k = 0; k < ${depthTile}; k++) {
  float left[${rowsEach}], right[${columnsEach}];
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) ${load('left', 'r', rows, spread('y', 'r', rowRun))}
  SHOAL_UNROLL
  for (int c = 0; c < ${columnsEach}; c++) ${load('right', 'c', columns, spread('x', 'c', columnRun))}
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) {
    SHOAL_UNROLL
    for (int c = 0; c < ${columnsEach}; c++) sum[SHOAL_OWN][r][c] = shoal_fma(left[r], right[c], sum[SHOAL_OWN][r][c]);
  }
}`,
    ),
    results: (body) => fixed`${thread}SHOAL_UNROLL
for (int r = 0; r < ${rowsEach}; r++) {
  SHOAL_UNROLL
  for (int c = 0; c < ${columnsEach}; c++) {
    const int down = ${spread('y', 'r', rowRun)}, across = ${spread('x', 'c', columnRun)};
    ${body('sum[SHOAL_OWN][r][c]')}
  }
}`,
  };
}
