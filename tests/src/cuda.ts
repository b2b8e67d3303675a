import { convCases } from '@shoal/conv/cases';
import { convCuda } from '@shoal/conv/cuda';
import { checksOf, evaluate } from '@shoal/conformance';
import type { Backend, CaseTable, Runtime } from '@shoal/core';
import type { CudaKernel } from '@shoal/backend-cuda';
import { coreCases } from '@shoal/core/cases';
import { collectKernels, emulatedBackend, type KernelOptions } from '@shoal/backend-cuda/testing';
import { mathCases } from '@shoal/math/cases';
import { mathCuda } from '@shoal/math/cuda';
import { poolCases } from '@shoal/pool/cases';
import { poolCuda } from '@shoal/pool/cuda';
import { residualCuda } from '@shoal/residual/cuda';
import { residualCases } from '@shoal/residual/cases';
import { test } from 'vitest';

/** The CUDA kernels of every plugin. */
export const cudaPlugins = [convCuda, mathCuda, poolCuda, residualCuda];

/** The conformance table, whole. */
export const allCases: readonly CaseTable[] = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];

/** Compiles the program of every check of every case, on a runtime that runs nothing. */
export const compileCases =
  (tables: readonly CaseTable[]) =>
  async (runtime: Runtime): Promise<void> => {
    for (const table of tables) {
      for (const one of table.cases) {
        for (const check of checksOf(one)) await evaluate(table, one, check, runtime, runtime);
      }
    }
  };

/**
 * Declares tests on the emulation, or one skipped test that says why there is none. The kernels of the programs that `work` compiles
 * are built before the first test, many at a time.
 */
export async function onEmulatedCuda(
  work: (runtime: Runtime) => Promise<unknown>,
  declare: (backend: Backend<CudaKernel>) => void,
  options: KernelOptions = {},
): Promise<void> {
  const kernels = await collectKernels(cudaPlugins, work, options);
  const backend = await emulatedBackend(kernels, options);
  if (typeof backend === 'string') test.skip(`cuda emulation tests skipped: ${backend}`);
  else declare(backend);
}
