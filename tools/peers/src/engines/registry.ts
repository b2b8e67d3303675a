import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { peerFlags, thirdParty } from './third-party.ts';

/** How an engine's process is started, and what is said of it. */
export interface EngineEntry {
  readonly name: string;
  /** `shoal`: what is measured; `peer`: what it is compared with; `control`: what shows the noise of the comparison; `floor`: what nobody can beat. */
  readonly kind: 'shoal' | 'peer' | 'control' | 'floor';
  readonly title: string;
  /** Whether it needs the packages of `third-party`. */
  readonly installed: boolean;
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

/** The system's: Debian's torch is not seen by other Pythons. */
const python = (): string => ['/usr/bin/python3'].find((path) => existsSync(path)) ?? 'python3';

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
  { name: 'shoal-chromium', kind: 'shoal', title: 'Shoal, a page in Chromium', installed: false, command: nodeEngine('shoal-chromium.ts') },
  { name: 'tfjs-wasm', kind: 'peer', title: 'TensorFlow.js, WebAssembly', installed: true, command: nodeEngine('tfjs-wasm.ts', peerFlags) },
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
  { name: 'ort-node', kind: 'peer', title: 'ONNX Runtime, native', installed: true, command: nodeEngine('onnxruntime-node.ts', peerFlags) },
  { name: 'jax-js', kind: 'peer', title: 'jax-js, WebAssembly', installed: true, command: nodeEngine('jax-js.ts', peerFlags) },
  {
    name: 'pytorch',
    kind: 'peer',
    title: 'PyTorch, native',
    installed: false,
    command: (threads) => [python(), source('pytorch.py'), String(threads)],
  },
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

/** Whether the packages of `third-party` are there. */
export const peersInstalled = (): boolean => existsSync(`${thirdParty}node_modules/.modules.yaml`);
