import { own, step } from '../kernel.ts';
import { fixed } from '../text.ts';
import { depthTile, stagesOf, type Core, type Side } from './tile.ts';

/** 16x16 threads. */
export const side = 16;
const threads = side * side;

/** Four floats to each row of a tile: neighbours along the depth come to lie in different banks, and rows stay aligned to 16 bytes. */
const skew = 4;
/** A tile is multiplied for longer than the next one takes to come: more of them would only take memory from other blocks. */
const mostStages = 3;

const thread = fixed`const int x = lane % ${side}, y = lane / ${side};\n`;

/** Elements that a thread has along each axis. */
export interface ScalarTile {
  readonly rowsEach: number;
  readonly columnsEach: number;
}

/** Multiplications and additions in float32, each product added with one rounding. A thread has runs of up to four neighbours, which one wide load brings. */
export function scalarCore({ rowsEach, columnsEach }: ScalarTile, byDepth: (of: Side) => boolean): Core {
  const [rows, columns] = [side * rowsEach, side * columnsEach];
  const [rowRun, columnRun] = [Math.min(4, rowsEach), Math.min(4, columnsEach)];
  const width = { left: rows + skew, right: columns + skew };
  const size = { left: depthTile * width.left, right: depthTile * width.right };
  const spread = (of: string, index: string, run: number): string =>
    fixed`${of} * ${run} + ${index} % ${run} + ${index} / ${run} * ${side * run}`;
  const load = (of: Side, index: string, at: string): string =>
    fixed`${of}[${index}] = gemm_${of}[stage * ${size[of]} + k * ${width[of]} + ${at}];`;
  return {
    threads,
    // 16 warps, as 64 sums a thread allow.
    resident: 2,
    rows,
    columns,
    stages: stagesOf(size.left + size.right, mostStages),
    size,
    keepsRuns: (of) => !byDepth(of),
    place: (of) => fixed`k * ${width[of]} + across`,
    declarations: own('float', 'sum', threads, [rowsEach, columnsEach]),
    begin: step(
      threads,
      fixed`SHOAL_UNROLL
for (int n = 0; n < ${rowsEach * columnsEach}; n++) sum[SHOAL_OWN][n / ${columnsEach}][n % ${columnsEach}] = 0.0f;`,
    ),
    multiply: (copy, arrive) =>
      `${copy}${step(
        threads,
        fixed`${thread}for (int k = 0; k < ${depthTile}; k++) {
  float left[${rowsEach}], right[${columnsEach}];
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) ${load('left', 'r', spread('y', 'r', rowRun))}
  SHOAL_UNROLL
  for (int c = 0; c < ${columnsEach}; c++) ${load('right', 'c', spread('x', 'c', columnRun))}
  SHOAL_UNROLL
  for (int r = 0; r < ${rowsEach}; r++) {
    SHOAL_UNROLL
    for (int c = 0; c < ${columnsEach}; c++) sum[SHOAL_OWN][r][c] = shoal_fma(left[r], right[c], sum[SHOAL_OWN][r][c]);
  }
}`,
      )}${arrive}`,
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
