import { onnxEngine, type OnnxMemory, type OnnxRuntime, type OnnxTensor } from '../onnxruntime.ts';
import type { OpenPageEngine } from './page.ts';
import { adapterFlags, importPeer, peerVersion } from './peer.ts';

/** The part of its API that only its build for WebGPU has. */
interface OnnxRuntimeWebgpu extends OnnxRuntime {
  readonly env: OnnxRuntime['env'] & { readonly webgpu: { readonly device: Promise<GPUDevice> } };
  readonly Tensor: OnnxRuntime['Tensor'] & {
    fromGpuBuffer(buffer: GPUBuffer, options: { readonly dataType: 'float32'; readonly dims: readonly number[] }): OnnxTensor;
  };
}

/** Inputs and results stay on the device. */
async function deviceMemory(ort: OnnxRuntimeWebgpu): Promise<OnnxMemory> {
  const device = await ort.env.webgpu.device;
  const buffers: GPUBuffer[] = [];
  return {
    tensor(values, dims) {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      // Sizes are rounded up as the runtime rounds its own.
      const buffer = device.createBuffer({ size: Math.ceil(values.byteLength / 16) * 16, usage });
      device.queue.writeBuffer(buffer, 0, values as Float32Array<ArrayBuffer>);
      buffers.push(buffer);
      return ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims });
    },
    async finish(result) {
      await device.queue.onSubmittedWorkDone();
      result.dispose();
    },
    release: () => buffers.forEach((buffer) => buffer.destroy()),
  };
}

export const open: OpenPageEngine = async () => {
  const ort = await importPeer<OnnxRuntimeWebgpu>('onnxruntime-web/dist/ort.webgpu.min.mjs');
  const flags = { provider: 'webgpu', ...(await adapterFlags()) };
  const info = { version: await peerVersion('onnxruntime-web'), threads: 1, clock: 'performance.now', flags };
  ort.env.wasm.numThreads = 1;
  return onnxEngine(ort, info, { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' }, () => deviceMemory(ort));
};
