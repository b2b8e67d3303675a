/**
 * Runs the conformance tables on every backend that opens here, and writes what was found for the site: `dist/data/support-matrix.json`,
 * and the same as Markdown beside it. A backend that does not open is named with the reason.
 *
 * `--quick`: nothing if there is a matrix already; otherwise one without the slow columns, so that the site starts soon.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tfjs } from '@shoal/backend-tfjs';
import { importEngine, type EngineName } from '@shoal/backend-tfjs/node';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { evaluateTables, matrixMarkdown, supportMatrix, type EvaluateOptions, type Result } from '@shoal/conformance';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { convTfjs } from '@shoal/conv/tfjs';
import { convWasm } from '@shoal/conv/wasm';
import { convWebgpu } from '@shoal/conv/webgpu';
import type { Runtime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { mathCases } from '@shoal/math/cases';
import { mathReference } from '@shoal/math/reference';
import { mathTfjs } from '@shoal/math/tfjs';
import { mathWasm } from '@shoal/math/wasm';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { poolTfjs } from '@shoal/pool/tfjs';
import { poolWasm } from '@shoal/pool/wasm';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';
import { residualTfjs } from '@shoal/residual/tfjs';
import { residualWasm } from '@shoal/residual/wasm';
import { residualWebgpu } from '@shoal/residual/webgpu';

interface Column {
  readonly name: string;
  readonly options?: EvaluateOptions;
  /** Takes more than a few seconds. */
  readonly slow?: boolean;
  /** A runtime, or why there is none. */
  readonly open: () => Promise<Runtime | string>;
}

const onTfjs = (engine: EngineName): Column => ({
  name: `tfjs-${engine}`,
  slow: true,
  open: async () => createRuntime(tfjs(await importEngine(engine)), [convTfjs, mathTfjs, poolTfjs, residualTfjs]),
});

const columns: readonly Column[] = [
  { name: 'reference', open: () => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]) },
  { name: 'wasm', open: () => createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm]) },
  {
    name: 'webgpu',
    slow: true,
    options: { lacks: ['nan'] },
    open: async () => {
      const backend = await softwareBackend();
      return typeof backend === 'string' ? backend : createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
    },
  },
  onTfjs('cpu'),
  onTfjs('wasm'),
];

const target = 'dist/data/support-matrix.json';
const quick = process.argv.includes('--quick');
if (quick && existsSync(target)) process.exit();

const tables = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];
const oracle = await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);
const results: Record<string, readonly Result[]> = {};
const notMeasured: { readonly name: string; readonly reason: string }[] = [];

for (const { name, options, slow = false, open } of columns) {
  const start = performance.now();
  const runtime = quick && slow ? 'left out of this quick matrix; building the site measures it' : await open();
  if (typeof runtime === 'string') {
    notMeasured.push({ name, reason: runtime });
    console.error(`${name}: not measured: ${runtime}`);
    continue;
  }
  results[name] = await evaluateTables(tables, runtime, oracle, options);
  await runtime.dispose();
  const failed = results[name].filter(({ ok }) => !ok).length;
  console.error(`${name}: ${results[name].length} checks, ${failed} wrong, ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
await oracle.dispose();

const matrix = { ...supportMatrix(tables, results), notMeasured };
mkdirSync('dist/data', { recursive: true });
writeFileSync(target, `${JSON.stringify(matrix)}\n`);
writeFileSync('dist/data/support-matrix.md', matrixMarkdown(matrix));
