import { Unsupported } from '../engine.ts';
import { tfjsEngine } from '../tfjs.ts';
import type { Tfjs } from '../tfjs-api.ts';
import type { OpenPageEngine } from './page.ts';
import { adapterFlags, peerVersion } from './peer.ts';
import { loadTfjs } from './tfjs.ts';

interface WebgpuEngine {
  readonly queue: GPUQueue;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

export const open: OpenPageEngine = async () => {
  const tf = await loadTfjs<Tfjs & { backend(): WebgpuEngine }>('webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Unsupported('its WebGPU engine does not start here');
  await tf.ready();
  const info = {
    version: await peerVersion('@tensorflow/tfjs-backend-webgpu'),
    threads: 1,
    clock: 'performance.now',
    flags: await adapterFlags(),
  };
  return tfjsEngine(tf, info, () => {
    // It collects commands, and a caller who waits for a result submits them.
    const backend = tf.backend();
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    return backend.queue.onSubmittedWorkDone();
  });
};
