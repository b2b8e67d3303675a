import type { Tensorflow } from './engine.ts';

/** What the tables of cases cannot ask of the webgpu engine: WGSL promises nothing about NaN, and allows `exp` and `pow` larger errors. */
export const webgpuConformance = {
  lacks: ['nan'],
  /** `exp(x)` may be off by 3 + 2|x| units of rounding, `pow` as `exp2(y * log2(x))`: e^88 is off by 1.8e-6 on SwiftShader. */
  toleranceFactor: 4,
} as const;

/** Sets the webgpu engine, whose package the caller imports; false where WebGPU does not start. */
export async function startWebgpu(tf: Tensorflow): Promise<boolean> {
  const started = await tf.setBackend('webgpu').catch(() => false);
  // Else small tensors, and so all cases, would be computed on the CPU.
  if (started) tf.env().set('WEBGPU_CPU_FORWARD', false);
  return started;
}
