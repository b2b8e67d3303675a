import { tfjs } from '@shoal/backend-tfjs';
import { startWebgpu, webgpuConformance } from '@shoal/backend-tfjs/testing';
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
  if (!(await startWebgpu(tf))) throw new Error('WebGPU did not start in this browser');
  return createRuntime(tfjs(tf), [convTfjs, mathTfjs, poolTfjs, residualTfjs]);
}

export const describeOnTfjsWebgpu = (tables: readonly CaseTable[]): void =>
  describeCases(tables, makeTfjsWebgpu, { backend: 'tfjs-webgpu', makeOracle, ...webgpuConformance });
