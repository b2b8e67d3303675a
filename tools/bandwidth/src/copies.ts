import { parseArgs } from 'node:util';
import { compile, ModuleBuilder, PAGE_BYTES, type FunctionBuilder, type Local } from '@shoal/backend-wasm/encoder';
import { median } from 'simple-statistics';

/**
 * How fast one thread moves bytes in WebAssembly: with vector stores, as kernels do, and with `memory.copy` and `memory.fill`, whose code is the
 * engine's. A store must read the line that it writes into, unless the processor knows that all of it will be written: where the second
 * group is faster, that is why.
 *
 *     node --conditions=@shoal/source tools/bandwidth/src/copies.ts --bytes 51380224
 */
const { values } = parseArgs({ options: { bytes: { type: 'string', default: '51380224' }, samples: { type: 'string', default: '15' } } });
const bytes = Math.ceil(Number(values.bytes) / PAGE_BYTES) * PAGE_BYTES;

const module = new ModuleBuilder({ fma: false, shared: false });
const parameters = { from: 'i32', to: 'i32' } as const;
type Ends = Readonly<Record<keyof typeof parameters, Local<'i32'>>>;

/** What moves through the processor, of `bytes`, and the code that moves `step` of them from one address to the other. */
const ways: Readonly<
  Record<string, { readonly passes: number; readonly step: number; readonly move: (f: FunctionBuilder, ends: Ends) => void }>
> = {
  'vector loads and stores': {
    passes: 2,
    step: 64,
    move: ({ v128 }, { from, to }) => [0, 16, 32, 48].forEach((at) => v128.store(to, v128.load(from, at), at)),
  },
  'vector stores': {
    passes: 1,
    step: 64,
    move: ({ v128, i32x4 }, { to }) => [0, 16, 32, 48].forEach((at) => v128.store(to, i32x4.const(0, 0, 0, 0), at)),
  },
  'memory.copy at once': { passes: 2, step: bytes, move: ({ memory }, { from, to }) => memory.copy(to, from, bytes) },
  'memory.copy by 64 KiB': { passes: 2, step: PAGE_BYTES, move: ({ memory }, { from, to }) => memory.copy(to, from, PAGE_BYTES) },
  'memory.fill': { passes: 1, step: bytes, move: ({ memory }, { to }) => memory.fill(to, 0, bytes) },
};
for (const [name, { step, move }] of Object.entries(ways)) {
  module.function({ name, parameters, export: true }, (f, { from, to }) => {
    const [source, end] = [f.local.i32(from), f.let(f.i32.add(from, bytes))];
    f.for(source, from, end, step, () => {
      move(f, { from: source, to });
      f.set(to, f.i32.add(to, step));
    });
  });
}
const memory = new WebAssembly.Memory({ initial: (2 * bytes) / PAGE_BYTES, maximum: 65536 });
new Uint8Array(memory.buffer).fill(1);
const instance = await WebAssembly.instantiate(compile(module.build()), { env: { memory } });
const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
for (let round = -3; round < Number(values.samples); round++) {
  for (const [name, found] of times) {
    const start = performance.now();
    (instance.exports[name] as (from: number, to: number) => void)(0, bytes);
    if (round >= 0) found.push(performance.now() - start);
  }
}
console.log(`${bytes} bytes, one thread, Node ${process.versions.node}`);
for (const [name, found] of times) {
  const milliseconds = median(found);
  const gigabytes = (ways[name]!.passes * bytes) / milliseconds / 1e6;
  console.log(`${name.padEnd(26)} ${milliseconds.toFixed(3)} ms, ${gigabytes.toFixed(1)} GB/s`);
}
