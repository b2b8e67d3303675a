import { collectKernels, tensorTiles, type KernelSource, type Precision, type TensorTile } from '@shoal/backend-cuda/testing';
import { conv2d } from '@shoal/conv';
import { input, type Value } from '@shoal/core';
import { expect, test } from 'vitest';
import { cannotMakePtx } from '../../../tools/cuda/src/generic-ptx.ts';
import { gradientTo } from '../cuda-products.ts';
import { cudaPlugins } from '../cuda.ts';
import { architectures, compileWithNvcc, ptxOf, type Architecture, type Resources } from './nvcc.ts';

const missing = cannotMakePtx();

/** So many groups that a tile for each is chosen. */
const groups = 260;

/** Two blocks share a multiprocessor's registers in float32, and some invariants of a loop are put away for it. */
const mostSpillBytes: Readonly<Record<Precision, number>> = { tf32: 0, float32: 64 };

interface Layer {
  readonly cells: number;
  readonly window: 1 | 2 | 3;
  /** Per group. */
  readonly channels: number;
  readonly filters: number;
  readonly build: (x: Value, w: Value) => Value;
}

/** A convolution of `groups` whose product is one tile each. */
function layerOf({ cells, window, channels, filters, build }: Layer): Value {
  const x = input('x', [1, cells / 8, 8, groups * channels]);
  return build(x, input('w', [window, window, channels, groups * filters]));
}

const options = { groups, padding: 'same' } as const;
const forward = (x: Value, w: Value): Value => conv2d(x, w, options);

/** All three passes with fours of channels, and one of three channels. */
const layersFor = (rows: number, columns: number): readonly Value[] =>
  [
    { cells: rows, window: 3, channels: 32, filters: columns, build: forward } as const,
    { cells: rows, window: 3, channels: 3, filters: columns, build: forward } as const,
    { cells: rows, window: 3, channels: columns, filters: 32, build: gradientTo(0, options) } as const,
    { cells: 64, window: 2, channels: rows / 4, filters: columns, build: gradientTo(1, options) } as const,
  ].map(layerOf);

interface Sides {
  readonly rows: number;
  readonly columns: number;
}

/** The kernels of a tile: a gradient's program computes the convolution as well, with another one perhaps. */
async function kernelsOf({ rows, columns }: Sides, precision: Precision): Promise<readonly KernelSource[]> {
  const kernels = await Promise.all(
    layersFor(rows, columns).map(async (z) => {
      const all = await collectKernels(cudaPlugins, (runtime) => runtime.compile({ outputs: { z } }), { precision });
      return all.findLast(({ body }) => body.includes('gemm_left'))!;
    }),
  );
  for (const { body } of kernels) {
    expect(body).toContain(`rowTile * ${rows};`);
    expect(body).toContain(`columnTile * ${columns};`);
  }
  return kernels;
}

/** Registers of a multiprocessor's quarter and of a warp's smallest share; shared memory, of which each block costs a KiB; most warps. */
const quarterRegisters = 16_384;
const registerShare = 256;
const sharedBytesOf: Readonly<Record<Architecture, number>> = { sm_80: 164 * 1024, sm_90: 228 * 1024 };
const mostWarps = 64;

function residentBlocks({ architecture, registers, sharedBytes }: Resources, threads: number): number {
  const perWarp = Math.ceil((registers * 32) / registerShare) * registerShare;
  const warps = Math.min(mostWarps, 4 * Math.floor(quarterRegisters / perWarp));
  return Math.min(Math.floor(warps / (threads / 32)), Math.floor(sharedBytesOf[architecture] / (sharedBytes + 1024)));
}

/** Floating-point operations for each byte that a step of depth brings for so many rows and columns. */
const intensity = (rows: number, columns: number): string => ((2 * rows * columns) / (4 * (rows + columns))).toFixed(1);

interface Menu {
  readonly title: string;
  readonly precision: Precision;
  readonly tile: Sides;
  /** What reads shared memory together: a warp's share of a tile, or a thread's. */
  readonly reader: Sides;
}

const warpOf = ({ rows, columns, warpsDown, warpsAcross }: TensorTile): Sides => ({
  rows: rows / warpsDown,
  columns: columns / warpsAcross,
});
const menu: readonly Menu[] = [
  ...tensorTiles.map((tile): Menu => ({ title: 'tf32', precision: 'tf32', tile, reader: warpOf(tile) })),
  ...[
    [128, 128],
    [128, 64],
    [64, 64],
  ].map(([rows, columns]): Menu => {
    const tile = { rows: rows!, columns: columns! };
    // Half a warp's threads have one row of places and share what they read.
    return { title: 'float32', precision: 'float32', tile, reader: { rows: tile.rows / 8, columns: tile.columns } };
  }),
];

/** The loop over tiles: from the label that the last branch back leads to. */
function mainLoop(ptx: string): string {
  const loops = [...ptx.matchAll(/^(\$L__BB\w+):/gm)].map(({ 1: label, index }) => {
    const end = ptx.lastIndexOf(`bra \t${label};`);
    return end > index ? ptx.slice(index, end) : '';
  });
  return loops.find((loop) => loop.includes('mma.sync')) ?? '';
}

const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;

const range = (values: readonly number[]): string => [...new Set([Math.min(...values), Math.max(...values)])].join('-');

const header = [
  '',
  'tile',
  'warps',
  'stages',
  'KiB',
  ...architectures.map((each) => `registers ${each}`),
  ...architectures.map((each) => `blocks ${each}`),
  'FLOP/B global',
  'FLOP/B shared',
];

function markdown(rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, i) => Math.max(3, name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |\n`;
  return line(header) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('');
}

test.skipIf(missing !== undefined)(
  `no product on tensor cores spills, its loop has no branch, and docs/cuda-tiles.md says what each tile takes${missing === undefined ? '' : ` skipped: ${missing}`}`,
  async () => {
    const entries = await Promise.all(menu.map(async (entry) => ({ ...entry, kernels: await kernelsOf(entry.tile, entry.precision) })));
    const kernels = entries.flatMap((entry) => entry.kernels);
    const tensor = entries.filter(({ precision }) => precision === 'tf32');
    const [found, ptx] = [await compileWithNvcc(kernels), await ptxOf(tensor.flatMap((entry) => entry.kernels))];

    for (const { kernels: own, reader } of tensor) {
      for (const { name } of own) {
        const loop = mainLoop(ptx.get(name)!);
        const instructions = {
          products: count(loop, /mma\.sync/g),
          waits: count(loop, /cp\.async\.wait_group/g),
          groups: count(loop, /cp\.async\.commit_group/g),
          barriers: count(loop, /bar\.sync/g),
          // But the one back, whose word is not in the text.
          branches: count(loop, /bra \t/g),
          loads: count(loop, /ld\.global/g),
        };
        expect({ name, ...instructions }).toEqual({
          name,
          products: (reader.rows / 16) * (reader.columns / 8) * 2,
          waits: 1,
          groups: 1,
          barriers: 1,
          branches: 0,
          loads: 0,
        });
        expect(count(loop, /cp\.async\.c[ag]\.shared\.global/g)).toBeGreaterThan(1);
      }
    }

    const spilling = entries.flatMap(({ title, precision, tile, kernels: own }) =>
      own.flatMap(({ name }, pass) => {
        const spilled = found.filter((each) => each.name === name && each.spillBytes > mostSpillBytes[precision]);
        return spilled.map((each) => ({ title, tile, pass, ...each }));
      }),
    );
    expect(spilling).toEqual([]);

    const rows = entries.map(({ title, tile, reader, kernels: own }) => {
      const resources = architectures.map((architecture) =>
        own.map(({ name }) => found.find((each) => each.name === name && each.architecture === architecture)!),
      );
      const [{ threads, body }] = own as readonly [KernelSource];
      const blocks = resources.map((each) => each.map((of) => residentBlocks(of, threads)));
      // Two warps for each quarter of a multiprocessor: one computes while the other waits.
      expect(Math.min(...blocks.flat()) * (threads / 32)).toBeGreaterThanOrEqual(8);
      return [
        title,
        `${tile.rows}x${tile.columns}`,
        `${threads / 32}`,
        /next = stage \+ 1 == (\d)/.exec(body)![1]!,
        `${resources[0]![0]!.sharedBytes / 1024}`,
        ...resources.map((each) => range(each.map(({ registers }) => registers))),
        ...blocks.map(range),
        intensity(tile.rows, tile.columns),
        intensity(reader.rows, reader.columns),
      ];
    });
    await expect(`${introduction}\n${markdown(rows)}`).toMatchFileSnapshot('../../../docs/cuda-tiles.md');
  },
  600_000,
);

const introduction = `# What the tiles of CUDA products take

Counted, not timed: what ptxas of CUDA 13.0.88 says of the kernels of a convolution (forward with 32 and with 3 channels, gradient to the
input, gradient to the weight) in each tile, and what follows from it. A test makes this page and compares it
(\`npx -y pnpm@12 exec vitest run --project node tests/src/cuda-driver/tiles.test.ts\`, with \`-u\` to write it anew).

- **stages**: tiles of both factors in shared memory, one multiplied and the others on their way; **KiB** is all of them.
- **registers**: of a thread, least and most of those kernels. Nothing of a tensor core kernel is spilled.
- **blocks**: that a multiprocessor holds at once by its registers, its shared memory (164 KiB on sm_80, 228 KiB on sm_90) and 64 warps.
- **FLOP/B global**: operations for each byte that a block copies. **FLOP/B shared**: for each byte that a warp reads of its tiles.

On tensor cores a loop over tiles of depth 16 has one wait, one barrier, no branch and no load from global memory but its copies.
`;
