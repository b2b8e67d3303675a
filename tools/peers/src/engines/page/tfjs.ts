import type { Tfjs } from '../tfjs-api.ts';
import { importPeer } from './peer.ts';

/** TensorFlow.js with one of its engines; its files for pages define the global `tf`. */
export async function loadTfjs<T extends Tfjs>(backend: string): Promise<T> {
  await importPeer('@tensorflow/tfjs/dist/tf.min.js');
  await importPeer(`@tensorflow/tfjs-backend-${backend}/dist/tf-backend-${backend}.min.js`);
  return (globalThis as unknown as { readonly tf: T }).tf;
}
