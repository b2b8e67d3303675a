import { runExternalFiles } from '@shoal/conformance/external';
import { describeCases } from '@shoal/conformance/vitest';
import { createRuntime, type Runtime } from '@shoal/core';
import { allCases, compileCases, cudaPlugins, onEmulatedCuda } from '../cuda.ts';
import { describeExternal, externalFiles } from './describe-external.ts';
import { makeOracle } from './oracle.ts';

// One file, so that kernels which several packages need are compiled once.
const compileAll = async (runtime: Runtime): Promise<void> => {
  await compileCases(allCases)(runtime);
  await runExternalFiles(externalFiles(), runtime);
};

await onEmulatedCuda(compileAll, (backend) => {
  const makeRuntime = () => createRuntime(backend, cudaPlugins);
  describeCases(allCases, makeRuntime, { backend: 'cuda, emulated', makeOracle });
  describeExternal('cuda, emulated', makeRuntime);
});
