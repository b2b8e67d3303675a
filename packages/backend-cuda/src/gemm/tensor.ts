import { own, step } from '../kernel.ts';
import { depthTile, threads, type Core, type Tile } from './tile.ts';

/** Rows, columns and depth of one `mma.sync.m16n8k8`. */
const [mmaRows, mmaColumns, mmaDepth] = [16, 8, 8];
/** The block's eight warps lie two down and four across. */
const [warpsDown, warpsAcross] = [2, 4];

/** Whether warps have whole products to do. */
export const fitsTensorCore = ({ rows, columns }: Tile): boolean =>
  rows % (warpsDown * mmaRows) === 0 && columns % (warpsAcross * mmaColumns) === 0;

/**
 * Products on tensor cores: factors rounded to TF32 (10 bits after the point, ties away from zero), sums in float32. Where the
 * elements of its fragments lie is what PTX says of m16n8k8: thread 4 g + t of a warp has rows g and g + 8 and depths t and t + 4 of the left
 * factor, column g and the same depths of the right one, and columns 2 t and 2 t + 1 of the product.
 */
export function tensorCore({ rows, columns }: Tile): Core {
  // Rows of a tile 8 banks apart: the 4x8 elements that a warp loads at once lie in 32 banks.
  const skew = 8;
  const [height, width] = [rows / warpsDown, columns / warpsAcross];
  const [down, across] = [height / mmaRows, width / mmaColumns];
  const place = `const int g = lane % 32 / 4, t = lane % 4;
const int warpRow = lane / 32 % ${warpsDown} * ${height}, warpColumn = lane / ${32 * warpsDown} * ${width};
`;
  const at = (name: string, size: number, depth: string, index: string): string =>
    `gemm_${name}[(buffer * ${depthTile} + k8 + ${depth}) * ${size + skew} + ${index}]`;
  return {
    skew,
    declarations: `${own('float', 'sum', threads, [down, across, 4])}${own('float', 'left', threads, [down, 4])}${own('float', 'right', threads, [across, 2])}`,
    clear: `SHOAL_UNROLL
for (int n = 0; n < ${down * across * 4}; n++) sum[SHOAL_OWN][n / ${across * 4}][n / 4 % ${across}][n % 4] = 0.0f;
`,
    factor: (text) => `shoal_tf32(${text})`,
    multiply: `SHOAL_UNROLL
for (int k8 = 0; k8 < ${depthTile}; k8 += ${mmaDepth}) {
${step(
  threads,
  `${place}SHOAL_UNROLL
for (int n = 0; n < ${4 * down}; n++) left[SHOAL_OWN][n / 4][n % 4] = ${at('left', rows, 't + n % 4 / 2 * 4', `warpRow + n / 4 * ${mmaRows} + g + n % 2 * 8`)};
SHOAL_UNROLL
for (int n = 0; n < ${2 * across}; n++) right[SHOAL_OWN][n / 2][n % 2] = ${at('right', columns, 't + n % 2 * 4', `warpColumn + n / 2 * ${mmaColumns} + g`)};`,
)}${step(
      threads,
      `SHOAL_UNROLL
for (int n = 0; n < ${down * across}; n++) SHOAL_MMA(sum, left, right, n / ${across}, n % ${across});`,
    )}}
`,
    results: (body) => `${place}SHOAL_UNROLL
for (int n = 0; n < ${down * across * 4}; n++) {
  const int down = warpRow + n / ${across * 4} * ${mmaRows} + g + n % 4 / 2 * 8;
  const int across = warpColumn + n / 4 % ${across} * ${mmaColumns} + 2 * t + n % 2;
  ${body(`sum[SHOAL_OWN][n / ${across * 4}][n / 4 % ${across}][n % 4]`)}
}`,
  };
}
