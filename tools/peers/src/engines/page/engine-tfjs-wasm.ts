import { tfjsEngine } from '../tfjs.ts';
import type { Tfjs, TfjsWasm } from '../tfjs-api.ts';
import type { OpenPageEngine } from './page.ts';
import { peerUrl, peerVersion } from './peer.ts';
import { loadTfjs } from './tfjs.ts';

export const open: OpenPageEngine = async ({ threads }) => {
  const tf = await loadTfjs<Tfjs & { readonly wasm: TfjsWasm }>('wasm');
  tf.wasm.setWasmPaths(peerUrl('@tensorflow/tfjs-backend-wasm/dist/'));
  tf.wasm.setThreadsCount(threads);
  await tf.setBackend('wasm');
  await tf.ready();
  const used = (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT')) ? threads : 1;
  const version = await peerVersion('@tensorflow/tfjs-backend-wasm');
  return tfjsEngine(tf, { version, threads: used, clock: 'performance.now', flags: {} });
};
