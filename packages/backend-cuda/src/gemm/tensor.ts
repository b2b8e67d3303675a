import { own, step } from '../kernel.ts';
import { depthTile, stagesOf, type Core, type Side } from './tile.ts';

/** Rows, columns and depth of one `mma.sync.m16n8k8`. */
const [mmaRows, mmaColumns, mmaDepth] = [16, 8, 8];

/** What one block computes, and how its warps share it. */
export interface TensorTile {
  readonly rows: number;
  readonly columns: number;
  readonly warpsDown: number;
  readonly warpsAcross: number;
  /** Blocks that a multiprocessor must be able to hold at once, where the compiler's own choice spills. */
  readonly resident?: number;
}

/** Sides are multiples of 32, the number of banks. */
export const tensorTiles: readonly TensorTile[] = [
  { rows: 128, columns: 128, warpsDown: 2, warpsAcross: 4 },
  { rows: 128, columns: 64, warpsDown: 2, warpsAcross: 2 },
  { rows: 64, columns: 64, warpsDown: 2, warpsAcross: 2, resident: 4 },
  { rows: 128, columns: 32, warpsDown: 4, warpsAcross: 1 },
  { rows: 32, columns: 64, warpsDown: 2, warpsAcross: 2 },
  { rows: 32, columns: 32, warpsDown: 2, warpsAcross: 2 },
];

const mostStages = 4;

/**
 * Products on tensor cores: factors rounded to TF32 (10 bits after the point, ties away from zero) on their way from shared memory to
 * registers, sums in float32.
 *
 * **Fragments.** Where elements lie is what PTX says of m16n8k8: thread 4 g + t of a warp has rows g and g + 8 and depths t and t + 4 of
 * the left factor, column g and the same depths of the right one, and columns 2 t and 2 t + 1 of the product. A sum does not ask which depth
 * goes by which number, so depths t and t + 4 of the instruction are 2 t and 2 t + 1 of the tile, for both factors: neighbours, which one
 * load of 8 bytes brings where a tile has them side by side. Each thread has `slots` rows (of 8 in the warp) of the left factor.
 *
 * **Banks.** A copy of 16 bytes keeps four neighbours of memory together, so a tile lies as its factor does, without padding; groups
 * of eight floats change places by exclusive or:
 * - along the depth: element (k, a) at `16 a + (k ^ 8 (a / 2 % 2))`. A half warp loads 8 bytes from rows g to g + 3, 32 bytes each. Rows
 *   begin 16 banks apart, so every second one has the same banks; bit 3 of the offset tells these apart: 32 banks.
 * - across: element (k, a) at `width k + (a ^ 8 (k / 2 % 4))`, width a multiple of 32. Thread 4 g + t reads depth 2 t or 2 t + 1, where
 *   k / 2 % 4 is t. Single floats at a = 8 s + g (right): bank 8 (s ^ t) + g, 32 of them. Four at a = 4 g (left; slots 4 n to 4 n + 3 are
 *   neighbours), by quarter warps, where g is 2 q or 2 q + 1: the group of four is 2 (q ^ t) + g % 2, eight of them. Two at a = 2 g, by half warps:
 *   bits 1 and 2 are of g, bits 3 and 4 of t.
 *
 * Copies fill whole rows of 128 bytes in either way, eight threads with 16 bytes or 32 with 4.
 *
 * **Time.** Fragments have two buffers: those of the next eight depths are loaded while the present ones are multiplied, over the end of
 * a tile too, and so the wait for the next tile stands before the last product of this one.
 */
export function tensorCore({ rows, columns, warpsDown, warpsAcross, resident }: TensorTile, byDepth: (of: Side) => boolean): Core {
  const threads = 32 * warpsDown * warpsAcross;
  const [height, width] = [rows / warpsDown, columns / warpsAcross];
  const [down, across] = [height / mmaRows, width / mmaColumns];
  const size = { left: depthTile * rows, right: depthTile * columns };
  const lines = { left: rows, right: columns };
  const begins = { left: 'warpRow', right: 'warpColumn' };
  const slots = { left: 2 * down, right: across };
  const run = { left: byDepth('left') ? 1 : Math.min(4, slots.left), right: 1 };
  const where = `const int g = lane % 32 / 4, t = lane % 4;
const int warpRow = lane / 32 % ${warpsDown} * ${height}, warpColumn = lane / ${32 * warpsDown} * ${width};
`;
  /** The first row or column of thread group `g`, and where slot `s` is from there. */
  const groupLine = (of: Side, g: string): string => `${begins[of]} + ${g} * ${run[of]}`;
  const slotLine = (of: Side, s: string): string => {
    const n = run[of];
    return n === 1 ? `${s} * 8` : `${s} % ${n} + ${s} / ${n} * ${8 * n}`;
  };
  const keep = (of: Side, s: string, e: string, value: string): string => {
    const place = of === 'left' ? `[${s} / 2][${s} % 2 + ${e} * 2]` : `[${s}][${e}]`;
    return `${of}[SHOAL_OWN][to]${place} = shoal_tf32(${value});`;
  };
  const load = (of: Side, stage: string, k8: number): string => {
    const tile = `gemm_${of} + ${stage} * ${size[of]}`;
    if (byDepth(of))
      return `SHOAL_UNROLL
for (int s = 0; s < ${slots[of]}; s++) {
  float found[2];
  shoal_load<2>(found, ${tile} + (${groupLine(of, 'g')}) * ${depthTile} + (${k8} ^ g / 2 % 2 * 8) + t * 2 + (${slotLine(of, 's')}) * ${depthTile});
  ${keep(of, 's', '0', 'found[0]')}
  ${keep(of, 's', '1', 'found[1]')}
}
`;
    const n = run[of];
    return `SHOAL_UNROLL
for (int e = 0; e < 2; e++) {
  SHOAL_UNROLL
  for (int s = 0; s < ${slots[of]}; s += ${n}) {
    float found[${n}];
    shoal_load<${n}>(found, ${tile} + t * ${2 * lines[of]} + ${n === 1 ? `(${begins[of]} + s * 8 ^ t * 8) + g` : `(${groupLine(of, 'g')} ^ t * 8) + ${slotLine(of, 's')}`} + (${k8} + e) * ${lines[of]});
    SHOAL_UNROLL
    for (int i = 0; i < ${n}; i++) ${keep(of, '(s + i)', 'e', 'found[i]')}
  }
}
`;
  };
  const fragments = (stage: string, k8: number): string =>
    step(threads, `${where}const int to = ${(k8 / mmaDepth) % 2};\n${load('left', stage, k8)}${load('right', stage, k8)}`);
  const products = (k8: number): string =>
    step(
      threads,
      `SHOAL_UNROLL
for (int n = 0; n < ${down * across}; n++) SHOAL_MMA(sum, left, right, ${(k8 / mmaDepth) % 2}, n / ${across}, n % ${across});`,
    );
  return {
    threads,
    ...(resident === undefined ? {} : { resident }),
    rows,
    columns,
    stages: stagesOf(size.left + size.right, mostStages),
    size,
    keepsRuns: () => true,
    place: (of) => (byDepth(of) ? `across * ${depthTile} + (k ^ across / 2 % 2 * 8)` : `k * ${lines[of]} + (across ^ k / 2 % 4 * 8)`),
    declarations: `${own('float', 'sum', threads, [down, across, 4])}${own('float', 'left', threads, [2, down, 4])}${own('float', 'right', threads, [2, across, 2])}`,
    begin: `${step(
      threads,
      `SHOAL_UNROLL
for (int n = 0; n < ${down * across * 4}; n++) sum[SHOAL_OWN][n / ${across * 4}][n / 4 % ${across}][n % 4] = 0.0f;`,
    )}${fragments('stage', 0)}`,
    multiply(copy, arrive) {
      const last = depthTile - mmaDepth;
      const inner = Array.from(
        { length: last / mmaDepth },
        (_, i) => `${fragments('stage', (i + 1) * mmaDepth)}${i === 0 ? copy : ''}${products(i * mmaDepth)}`,
      );
      return `${inner.join('')}${arrive}${fragments('next', 0)}${products(last)}`;
    },
    results: (body) => `${where}SHOAL_UNROLL
for (int n = 0; n < ${down * across * 4}; n++) {
  const int down = ${groupLine('left', 'g')} + ${slotLine('left', `(n / ${across * 4} * 2 + n % 4 / 2)`)};
  const int across = ${groupLine('right', '(t * 2 + n % 2)')} + ${slotLine('right', `(n / 4 % ${across})`)};
  ${body(`sum[SHOAL_OWN][n / ${across * 4}][n / 4 % ${across}][n % 4]`)}
}`,
  };
}
