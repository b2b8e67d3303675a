import { onnxEngine, type OnnxRuntime } from '../onnxruntime.ts';
import type { OpenPageEngine } from './page.ts';
import { importPeer, peerVersion } from './peer.ts';

export const open: OpenPageEngine = async ({ threads }) => {
  const ort = await importPeer<OnnxRuntime>('onnxruntime-web/dist/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = threads;
  const info = { version: await peerVersion('onnxruntime-web'), threads, clock: 'performance.now', flags: { provider: 'wasm' } };
  return onnxEngine(ort, info, { executionProviders: ['wasm'] });
};
