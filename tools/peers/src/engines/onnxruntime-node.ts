import { onnxEngine, type OnnxRuntime } from './onnxruntime.ts';
import { importPeer, peerVersion } from './third-party.ts';
import type { OpenEngine } from './engine.ts';

export const open: OpenEngine = async ({ threads }) => {
  const { default: ort } = await importPeer<{ readonly default: OnnxRuntime }>('onnxruntime-node');
  const info = { version: peerVersion('onnxruntime-node'), threads, clock: 'performance.now', flags: { provider: 'cpu' } };
  return onnxEngine(ort, info, { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 });
};
