/**
 * Runs the conformance tables on every backend that opens here, and writes what was found for the site: `dist/data/support-matrix.json`,
 * and the same as Markdown beside it. A backend that does not open is named with the reason.
 *
 * `--quick`: nothing if there is a matrix already; otherwise one without the slow columns, so that the site starts soon.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cuda } from '@shoal/backend-cuda';
import { tfjs } from '@shoal/backend-tfjs';
import { importEngine, type EngineName } from '@shoal/backend-tfjs/node';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { evaluateTables, matrixMarkdown, supportMatrix, type EvaluateOptions, type NotMeasured, type Result } from '@shoal/conformance';
import { convCuda } from '@shoal/conv/cuda';
import { convReference } from '@shoal/conv/reference';
import { convTfjs } from '@shoal/conv/tfjs';
import { convWasm } from '@shoal/conv/wasm';
import { convWebgpu } from '@shoal/conv/webgpu';
import { ShoalError, type Runtime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathCuda } from '@shoal/math/cuda';
import { mathReference } from '@shoal/math/reference';
import { mathTfjs } from '@shoal/math/tfjs';
import { mathWasm } from '@shoal/math/wasm';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolCuda } from '@shoal/pool/cuda';
import { poolReference } from '@shoal/pool/reference';
import { poolTfjs } from '@shoal/pool/tfjs';
import { poolWasm } from '@shoal/pool/wasm';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualCuda } from '@shoal/residual/cuda';
import { residualReference } from '@shoal/residual/reference';
import { residualTfjs } from '@shoal/residual/tfjs';
import { residualWasm } from '@shoal/residual/wasm';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { tables } from './tables.ts';
import { measureTfjsWebgpu } from './tfjs-webgpu.ts';

interface Column {
  readonly name: string;
  /** Takes more than a few seconds. */
  readonly slow?: boolean;
  /** What was found, or why nothing was. */
  readonly measure: () => Promise<readonly Result[] | string>;
}

const oracle = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);

/** Runs the tables on a runtime of this process. */
const here = (open: () => Promise<Runtime | string>, options?: EvaluateOptions): Column['measure'] => {
  return async () => {
    const runtime = await open();
    if (typeof runtime === 'string') return runtime;
    const results = await evaluateTables(tables, runtime, oracle, options);
    await runtime.dispose();
    return results;
  };
};

const onTfjs = (engine: EngineName): Column => ({
  name: `tfjs-${engine}`,
  slow: true,
  measure: here(async () => createRuntime(tfjs(await importEngine(engine)), [convTfjs, mathTfjs, poolTfjs, residualTfjs])),
});

const onSoftwareWebgpu = async (): Promise<Runtime | string> => {
  const backend = await softwareBackend();
  return typeof backend === 'string' ? backend : createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
};

/** On a device; where there is none, the reason. The project's tests run the same tables in an emulation on the CPU, which is no measurement of a device. */
const onCuda = (convolution: 'kernels' | 'cudnn') => async (): Promise<Runtime | string> =>
  createRuntime(cuda({ convolution }), [convCuda, mathCuda, poolCuda, residualCuda]).catch((cause: unknown) => {
    if (cause instanceof ShoalError && cause.code === 'UNSUPPORTED') return cause.message;
    throw cause;
  });

const columns: readonly Column[] = [
  {
    name: 'reference',
    measure: here(() => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference])),
  },
  { name: 'wasm', measure: here(() => createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm])) },
  { name: 'webgpu', slow: true, measure: here(onSoftwareWebgpu, { lacks: ['nan'] }) },
  onTfjs('cpu'),
  onTfjs('wasm'),
  { name: 'tfjs-webgpu', slow: true, measure: () => measureTfjsWebgpu() },
  { name: 'cuda', slow: true, measure: here(onCuda('kernels')) },
  { name: 'cuda-cudnn', slow: true, measure: here(onCuda('cudnn')) },
];

const target = 'dist/data/support-matrix.json';
const quick = process.argv.includes('--quick');
if (quick && existsSync(target)) process.exit();

const results: Record<string, readonly Result[]> = {};
const notMeasured: NotMeasured[] = [];

for (const { name, slow = false, measure } of columns) {
  const start = performance.now();
  const found = quick && slow ? 'left out of this quick matrix; building the site measures it' : await measure();
  if (typeof found === 'string') {
    notMeasured.push({ name, reason: found });
    console.error(`${name}: not measured: ${found}`);
    continue;
  }
  results[name] = found;
  const failed = found.filter(({ ok }) => !ok).length;
  console.error(`${name}: ${found.length} checks, ${failed} wrong, ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
await oracle.dispose();

const matrix = supportMatrix(tables, results, notMeasured);
mkdirSync('dist/data', { recursive: true });
writeFileSync(target, `${JSON.stringify(matrix)}\n`);
writeFileSync('dist/data/support-matrix.md', matrixMarkdown(matrix));
