import { runExternalFiles } from '@shoal/conformance/external';
import { describeCases } from '@shoal/conformance/vitest';
import type { CudaKernel } from '@shoal/backend-cuda';
import { createRuntime, type Backend, type Runtime } from '@shoal/core';
import { allCases, compileCases, cudaPlugins, onEmulatedCuda } from '../cuda.ts';
import { describeExternal, externalFiles } from './describe-external.ts';
import { makeOracle } from './oracle.ts';

// One file, so that kernels which several packages need are compiled once.
const compileAll = async (runtime: Runtime): Promise<void> => {
  await compileCases(allCases)(runtime);
  await runExternalFiles(externalFiles(), runtime);
};

const declare = (name: string) => (backend: Backend<CudaKernel>) => {
  const makeRuntime = () => createRuntime(backend, cudaPlugins);
  describeCases(allCases, makeRuntime, { backend: name, makeOracle });
  describeExternal(name, makeRuntime);
};

await onEmulatedCuda(compileAll, declare('cuda, emulated'));
await onEmulatedCuda(compileAll, declare('cuda, generic kernels, emulated'), { generic: true });
