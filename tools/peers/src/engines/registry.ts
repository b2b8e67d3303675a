import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cudaVariants } from './cuda-variants.ts';
import { peerFlags, thirdParty } from './third-party.ts';

/** How an engine's process is started, and what is said of it. */
export interface EngineEntry {
  readonly name: string;
  /** `shoal`: what is measured; `peer`: what it is compared with; `control`: what shows the noise of the comparison; `floor`: what nobody can beat. */
  readonly kind: 'shoal' | 'peer' | 'control' | 'floor';
  readonly title: string;
  /** Whether it needs the packages of `third-party`. */
  readonly installed: boolean;
  /** Takes part only where it is named: engines on GPUs, whose times are worth the wait only where there is one. */
  readonly named?: true;
  /** It rounds factors to 10 bits after the point: what it may be off by is larger. */
  readonly rounds?: boolean;
  /** It reads works as ONNX models, and does not make them itself. */
  readonly readsOnnx?: true;
  readonly command: (threads: number) => readonly string[];
}

const source = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** An engine that is a module of this folder. It reads packages as the coordinator does: from their sources in tests, built otherwise. */
export const nodeEngine =
  (module: string, flags: readonly string[] = []): EngineEntry['command'] =>
  (threads) => {
    const conditions = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
    return [process.execPath, ...flags, ...conditions, source('host.ts'), source(module), String(threads)];
  };

/** An engine in Chromium: the module `page/engine-NAME.ts`. */
const pageEngine =
  (name: string): EngineEntry['command'] =>
  (threads) => [...nodeEngine('chromium.ts', peerFlags)(threads), name];

/** The one that is named, or the system's: Debian's torch is not seen by other Pythons. */
const python = (): string => process.env['SHOAL_PYTHON'] ?? ['/usr/bin/python3'].find((path) => existsSync(path)) ?? 'python3';

export const engines: readonly EngineEntry[] = [
  { name: 'shoal', kind: 'shoal', title: 'Shoal, Node, default flags', installed: false, command: nodeEngine('shoal-node.ts') },
  {
    name: 'shoal-wide',
    kind: 'shoal',
    title: 'Shoal, Node with --experimental-wasm-revectorize',
    installed: false,
    command: nodeEngine('shoal-node.ts', ['--experimental-wasm-revectorize']),
  },
  { name: 'shoal-strict', kind: 'shoal', title: 'Shoal, Node, precision strict', installed: false, command: nodeEngine('shoal-strict.ts') },
  { name: 'shoal-chromium', kind: 'shoal', title: 'Shoal, a page in Chromium', installed: false, command: pageEngine('shoal') },
  {
    name: 'shoal-webgpu',
    kind: 'shoal',
    title: 'Shoal, WebGPU, Node',
    installed: false,
    named: true,
    command: nodeEngine('shoal-webgpu-node.ts'),
  },
  {
    name: 'shoal-webgpu-gpu',
    kind: 'shoal',
    title: 'Shoal, WebGPU, Node, on a GPU alone',
    installed: false,
    named: true,
    command: (threads) => [...nodeEngine('shoal-webgpu-node.ts')(threads), 'hardware'],
  },
  {
    name: 'shoal-webgpu-chromium',
    kind: 'shoal',
    title: 'Shoal, WebGPU, a page in Chromium',
    installed: false,
    named: true,
    command: pageEngine('shoal-webgpu'),
  },
  { name: 'tfjs-wasm', kind: 'peer', title: 'TensorFlow.js, WebAssembly', installed: true, command: nodeEngine('tfjs-wasm.ts', peerFlags) },
  {
    name: 'tfjs-wasm-chromium',
    kind: 'peer',
    title: 'TensorFlow.js, WebAssembly, a page in Chromium',
    installed: true,
    command: pageEngine('tfjs-wasm'),
  },
  {
    name: 'tfjs-cpu',
    kind: 'peer',
    title: 'TensorFlow.js, plain JavaScript',
    installed: true,
    command: nodeEngine('tfjs-cpu.ts', peerFlags),
  },
  {
    name: 'ort-web',
    kind: 'peer',
    title: 'ONNX Runtime Web, WebAssembly, in Node',
    installed: true,
    command: nodeEngine('onnxruntime-web.ts', peerFlags),
  },
  {
    name: 'ort-web-chromium',
    kind: 'peer',
    title: 'ONNX Runtime Web, WebAssembly, a page in Chromium',
    installed: true,
    command: pageEngine('ort'),
  },
  { name: 'ort-node', kind: 'peer', title: 'ONNX Runtime, native', installed: true, command: nodeEngine('onnxruntime-node.ts', peerFlags) },
  { name: 'jax-js', kind: 'peer', title: 'jax-js, WebAssembly', installed: true, command: nodeEngine('jax-js-wasm.ts', peerFlags) },
  {
    name: 'pytorch',
    kind: 'peer',
    title: 'PyTorch, native',
    installed: false,
    command: (threads) => [python(), source('pytorch.py'), String(threads)],
  },
  ...(['tfjs', 'ort', 'jax'] as const).map((name): EngineEntry => {
    const title = { tfjs: 'TensorFlow.js', ort: 'ONNX Runtime Web', jax: 'jax-js' }[name];
    return {
      name: `${name}-webgpu`,
      kind: 'peer',
      title: `${title}, WebGPU, a page in Chromium`,
      installed: true,
      named: true,
      command: pageEngine(`${name}-webgpu`),
    };
  }),
  ...Object.keys(cudaVariants).map((variant): EngineEntry => ({
    name: variant === 'kernels' ? 'shoal-cuda' : `shoal-cuda-${variant.replace('kernels-', '')}`,
    kind: 'shoal',
    title: `Shoal, CUDA, Node, ${variant}`,
    installed: false,
    named: true,
    ...(variant.endsWith('tf32') ? { rounds: true } : {}),
    command: (threads) => [...nodeEngine('shoal-cuda.ts')(threads), variant],
  })),
  ...(['float32', 'tf32'] as const).flatMap((precision): readonly EngineEntry[] => {
    const common = { kind: 'peer', installed: false, named: true, ...(precision === 'tf32' ? { rounds: true } : {}) } as const;
    const suffix = precision === 'tf32' ? '-tf32' : '';
    return [
      ...(['eager', 'graph'] as const).map((mode): EngineEntry => ({
        ...common,
        name: `pytorch-cuda${mode === 'graph' ? '-graph' : ''}${suffix}`,
        title: `PyTorch, CUDA, ${precision}, ${mode === 'graph' ? 'captured as a CUDA graph' : 'eager'}`,
        command: (threads) => [python(), source('pytorch.py'), String(threads), 'cuda', precision, mode],
      })),
      {
        ...common,
        name: `ort-cuda${suffix}`,
        title: `ONNX Runtime, CUDA provider, ${precision}`,
        readsOnnx: true,
        command: (threads) => [python(), source('onnxruntime_cuda.py'), String(threads), precision],
      },
    ];
  }),
  {
    name: 'shoal-again',
    kind: 'control',
    title: 'the same as shoal: equal things have this ratio here',
    installed: false,
    command: nodeEngine('shoal-node.ts'),
  },
  { name: 'copy', kind: 'floor', title: 'copying as many bytes', installed: false, command: nodeEngine('copy.ts') },
];

/** Peers that cannot take part, each with the reason. */
export const notMeasured: readonly { readonly name: string; readonly reason: string }[] = [
  {
    name: 'litert',
    reason: 'LiteRT.js (@litertjs/core) runs .tflite files in a browser; there is none of this work, and no converter from JavaScript',
  },
];

export const engineNames = engines.map(({ name }) => name);
/** Those that take part where none is named. */
export const usualEngineNames = engines.flatMap(({ name, named }) => (named ? [] : [name]));

/** Whether the packages of `third-party` are there. */
export const peersInstalled = (): boolean => existsSync(`${thirdParty}node_modules/.modules.yaml`);
