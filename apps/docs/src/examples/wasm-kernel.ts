import {
  createRuntime,
  cutRows,
  ELEMENTWISE_GRAIN,
  forLanes,
  forUnits,
  panelColumns,
  startSums,
  sumProducts,
  tilesFor,
  wasm,
  wasmKernel,
} from '@shoal/backend-wasm';
import { apply1, input, supported, unsupported, type Op } from '@shoal/core';
import { reference, referenceKernel } from '@shoal/core/reference';
import { exp, relu } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';

const untaught = { vjp: { none: 'this page is about kernels' }, cost: () => ({}) } as const;

// y[row, channel] = x[row, channel] * gain[channel]
const gain: Op<object> = { name: 'example/gain', infer: ([x]) => [x!], ...untaught };

const gainReference = referenceKernel(gain, ({ inputs: [x, g], outputs: [y] }) =>
  x!.data.forEach((value, i) => (y!.data[i] = value * g!.data[i % g!.data.length]!)),
);

const gainWasm = wasmKernel(
  gain,
  ({ inputs: [x], stage: addStage }) => {
    const [rows, channels] = x!.shape as readonly [number, number];
    const { tiles, perTile } = tilesFor(rows, channels, ELEMENTWISE_GRAIN);
    addStage({ tiles }, (stage) => {
      const { f } = stage;
      forUnits(stage, rows, perTile, (row) => {
        const first = f.let(f.i32.mul(row, channels * 4));
        forLanes(f, channels, (channel, lanes) => {
          const place = { at: f.let(f.i32.add(first, channel)), channel };
          const factors = f.v128.load(f.i32.add(stage.input(1), channel), 0, 4);
          stage.store(f.f32x4.mul(stage.load(0, place), factors), place, lanes);
        });
      });
    });
  },
  { fusion: { epilogue: true, load: { 0: 'masked' } } },
);

// y[row, column] = the sum over k of x[row, k] * w[k, column]
const product: Op<object> = {
  name: 'example/product',
  infer: ([x, w]) => [{ shape: [x!.shape[0]!, w!.shape[1]!], dtype: 'f32' }],
  ...untaught,
};

const productReference = referenceKernel(product, ({ inputs: [x, w], outputs: [y] }) => {
  const [depth, columns] = w!.shape as readonly [number, number];
  y!.data.forEach((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    for (let k = 0; k < depth; k++) y!.data[i]! += x!.data[row * depth + k]! * w!.data[k * columns + column]!;
  });
});

const productWasm = wasmKernel(
  product,
  ({ inputs: [x, w], engine, stage }) => {
    const [depth, columns] = w!.shape as readonly [number, number];
    const panel = panelColumns(engine.wide, columns);
    const panels = columns / panel;
    for (const { rows, count, start } of cutRows(x!.shape[0]!, engine.tileRows)) {
      stage({ tiles: count * panels }, ({ f, tile, input: address, storeAll }) => {
        const { i32 } = f;
        const firstRow = f.let(i32.add(i32.mul(i32.divU(tile, panels), rows), start));
        const column = f.let(i32.mul(i32.remU(tile, panels), panel * 4));
        const left = { at: f.let(i32.add(address(0), i32.mul(firstRow, depth * 4))), step: 4, rowBytes: depth * 4 };
        const right = { at: f.let(i32.add(address(1), column)), step: columns * 4 };
        const sums = startSums(f, rows, panel / 4);
        sumProducts(f, sums, left, right, f.let(i32.add(right.at, depth * columns * 4)));
        const at = f.let(i32.add(i32.mul(firstRow, columns * 4), column));
        sums.forEach((vectors, row) => storeAll(vectors, { at, offset: row * columns * 4, channel: column }, panel));
      });
    }
  },
  { supports: ({ inputs: [, w] }) => (w!.shape[1]! % 16 === 0 ? supported : unsupported('columns are no multiple of 16')) },
);

const [rows, depth, columns, cells, channels] = [29, 40, 48, 400, 65];
const [x, w] = [input('x', [rows, depth]), input('w', [depth, columns])];
const [image, g] = [input('image', [cells, channels]), input('g', [channels])];
const scaled = relu(apply1(gain, [exp(image), g], {})); // both are computed inside the gain's kernel
const program = { outputs: { product: apply1(product, [x, w], {}), scaled } };
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101) / 50 - 1);
const feeds = { x: numbers(rows * depth), w: numbers(depth * columns), image: numbers(cells * channels), g: numbers(channels) };

const runtimes = await Promise.all([
  createRuntime(reference(), [mathReference, { gainReference, productReference }]),
  createRuntime(wasm({ threads: 1 }), [mathWasm, { gainWasm, productWasm }]),
  createRuntime(wasm({ threads: 3 }), [mathWasm, { gainWasm, productWasm }]),
]);
const [defined, alone, together] = await Promise.all(
  runtimes.map(async (runtime) => {
    const { product: y, scaled: z } = await (await runtime.compile(program)).run(feeds);
    return [...y!, ...z!];
  }),
);
const apart = alone!.reduce((most, value, i) => Math.max(most, Math.abs(value - defined![i]!)), 0);
console.log(`${alone!.length} numbers, at most ${apart.toExponential(0)} from the definition`);
console.log(`three threads: ${alone!.every((value, i) => value === together![i]) ? 'the same bits' : 'other bits'}`);
await Promise.all(runtimes.map((runtime) => runtime.dispose()));
