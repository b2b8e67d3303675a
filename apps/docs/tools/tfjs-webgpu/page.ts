import { tfjs } from '@shoal/backend-tfjs';
import { startWebgpu, webgpuConformance } from '@shoal/backend-tfjs/testing';
import { evaluateTables, type Result } from '@shoal/conformance';
import { convReference } from '@shoal/conv/reference';
import { convTfjs } from '@shoal/conv/tfjs';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { mathTfjs } from '@shoal/math/tfjs';
import { poolReference } from '@shoal/pool/reference';
import { poolTfjs } from '@shoal/pool/tfjs';
import { residualReference } from '@shoal/residual/reference';
import { residualTfjs } from '@shoal/residual/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import { tables } from '../tables.ts';

declare global {
  /** For the tool that opens this page. A string says why nothing was measured. */
  var measure: (names: readonly string[] | null) => Promise<readonly Result[] | string>;
}

globalThis.measure = async (names) => {
  if (!(await startWebgpu(tf))) return 'WebGPU did not start in this Chromium';
  const runtime = await createRuntime(tfjs(tf), [convTfjs, mathTfjs, poolTfjs, residualTfjs]);
  const oracle = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
  const asked = tables.filter(({ name }) => names?.includes(name) ?? true);
  const results = await evaluateTables(asked, runtime, oracle, webgpuConformance);
  // What was thrown does not travel; its message does.
  return results.map((result) => ({ ...result, cause: undefined }));
};
