import { dirname, join, sep } from 'node:path';
import { tfjsEngine } from './tfjs.ts';
import type { Tfjs, TfjsWasm } from './tfjs-api.ts';
import { importPeer, peerVersion, resolvePeer } from './third-party.ts';
import type { OpenEngine } from './engine.ts';

export const open: OpenEngine = async ({ threads }) => {
  const tf = await importPeer<Tfjs>('@tensorflow/tfjs');
  const { setThreadsCount, setWasmPaths } = await importPeer<TfjsWasm>('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(resolvePeer('@tensorflow/tfjs-backend-wasm')), sep));
  setThreadsCount(threads);
  await tf.setBackend('wasm');
  await tf.ready();
  // It has threads in pages only.
  const used = (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT')) ? threads : 1;
  return tfjsEngine(tf, { version: peerVersion('@tensorflow/tfjs-backend-wasm'), threads: used, clock: 'performance.now', flags: {} });
};
