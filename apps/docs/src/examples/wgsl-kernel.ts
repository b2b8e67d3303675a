import { elements, gemm, webgpu, wgslKernel, writeAt, readAt } from '@shoal/backend-webgpu';
import { apply1, createRuntime, input, type Op } from '@shoal/core';
import { reference, referenceKernel } from '@shoal/core/reference';
import { exp, relu } from '@shoal/math';
import { mathReference } from '@shoal/math/reference';
import { mathWebgpu } from '@shoal/math/webgpu';

const untaught = { vjp: { none: 'this page is about kernels' }, cost: () => ({}) } as const;

// y[row, channel] = x[row, channel] * gain[channel]
const gain: Op<object> = { name: 'example/gain', infer: ([x]) => [x!], ...untaught };

const gainReference = referenceKernel(gain, ({ inputs: [x, g], outputs: [y] }) =>
  x!.data.forEach((value, i) => (y!.data[i] = value * g!.data[i % g!.data.length]!)),
);

const gainWebgpu = wgslKernel(gain, {
  fusion: { epilogue: true, load: { 0: 'masked' } },
  emit({ inputs: [x, g], outputs: [y] }) {
    const channels = g!.size;
    const width = channels % 4 === 0 ? 4 : 1; // four neighbours are one access to memory
    const product = `${readAt(x!, 'at', width)} * ${readAt(g!, `at % ${channels}`, width)}`;
    return [elements(y!.size / width, `let at = i * ${width};\n${writeAt(y!, 'at', product, width)}`)];
  },
});

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

const productWebgpu = wgslKernel(product, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [x, w],
      outputs: [y],
    } = site;
    const [depth, columns] = w!.shape as readonly [number, number];
    return gemm(site, {
      rows: x!.shape[0]!,
      columns,
      depth,
      left: { load: `return ${x!.read(`origin.x * ${depth} + k`)};` },
      right: { load: `return ${w!.read(`k * ${columns} + origin.x`)};` },
      write: ({ row, column }, value) => y!.write(`${row} * ${columns} + ${column}`, value),
    });
  },
});

const [rows, depth, columns, cells, channels] = [29, 40, 47, 400, 68];
const [x, w] = [input('x', [rows, depth]), input('w', [depth, columns])];
const [image, g] = [input('image', [cells, channels]), input('g', [channels])];
const scaled = relu(apply1(gain, [exp(image), g], {})); // both are computed inside the gain's kernel
const program = { outputs: { product: relu(apply1(product, [x, w], {})), scaled } };
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101) / 50 - 1);
const feeds = { x: numbers(rows * depth), w: numbers(depth * columns), image: numbers(cells * channels), g: numbers(channels) };

const software = process.argv.includes('--software'); // SwiftShader, where there is no GPU
const runtimes = await Promise.all([
  createRuntime(reference(), [mathReference, { gainReference, productReference }]),
  createRuntime(webgpu({ software }), [mathWebgpu, { gainWebgpu, productWebgpu }]),
]);
const [defined, computed] = await Promise.all(
  runtimes.map(async (runtime) => {
    const executable = await runtime.compile(program);
    const { product: y, scaled: z } = await executable.run(feeds);
    return { steps: executable.schedule.steps.length, values: [...y!, ...z!] };
  }),
);
const apart = computed!.values.reduce((most, value, i) => Math.max(most, Math.abs(value - defined!.values[i]!)), 0);
console.log(`${computed!.values.length} numbers, at most ${apart.toExponential(0)} from the definition, in ${computed!.steps} steps`);
await Promise.all(runtimes.map((runtime) => runtime.dispose()));
