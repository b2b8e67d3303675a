import { onnxEngine, type OnnxRuntime } from './onnxruntime.ts';
import { importPeer, peerVersion } from './third-party.ts';
import type { OpenEngine } from './engine.ts';

export const open: OpenEngine = async ({ threads }) => {
  // Its build for Node: the others fetch their worker, which Node does not for files.
  const ort = await importPeer<OnnxRuntime>('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  const info = { version: peerVersion('onnxruntime-web'), threads, clock: 'performance.now', flags: { provider: 'wasm' } };
  return onnxEngine(ort, info, { executionProviders: ['wasm'] });
};
