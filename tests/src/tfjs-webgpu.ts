import { tfjs } from '@shoal/backend-tfjs';
import { createRuntime, type CaseTable, type Runtime } from '@shoal/core';
import { describeCases } from '@shoal/conformance/vitest';
import { convTfjs } from '@shoal/conv/tfjs';
import { mathTfjs } from '@shoal/math/tfjs';
import { poolTfjs } from '@shoal/pool/tfjs';
import { residualTfjs } from '@shoal/residual/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import { makeOracle } from './conformance/oracle.ts';

/** A runtime on the webgpu engine of TensorFlow.js, with every plugin. */
export async function makeTfjsWebgpu(): Promise<Runtime> {
  await tf.setBackend('webgpu');
  // Else small tensors, and so all cases, would be computed on the CPU.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  return createRuntime(tfjs(tf), [convTfjs, mathTfjs, poolTfjs, residualTfjs]);
}

/** WGSL allows `exp(x)` an error of 3 + 2|x| units of rounding and `pow` that of `exp2(y * log2(x))`: e^88 is off by 1.8e-6 on SwiftShader. */
const toleranceFactor = 4;

export const describeOnTfjsWebgpu = (tables: readonly CaseTable[]): void =>
  describeCases(tables, makeTfjsWebgpu, { backend: 'tfjs-webgpu', makeOracle, lacks: ['nan'], toleranceFactor });
