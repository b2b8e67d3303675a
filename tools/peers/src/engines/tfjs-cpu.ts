import { tfjsEngine } from './tfjs.ts';
import type { Tfjs } from './tfjs-api.ts';
import { importPeer, peerVersion } from './third-party.ts';
import type { OpenEngine } from './engine.ts';

/** Plain JavaScript on the calling thread, whatever the threads. */
export const open: OpenEngine = async () => {
  const tf = await importPeer<Tfjs>('@tensorflow/tfjs');
  await importPeer('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  await tf.ready();
  return tfjsEngine(tf, { version: peerVersion('@tensorflow/tfjs-backend-cpu'), threads: 1, clock: 'performance.now', flags: {} });
};
