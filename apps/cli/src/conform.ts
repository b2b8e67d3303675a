import { evaluateTables, matrixMarkdown, supportMatrix, type NotMeasured, type Result, type SupportMatrix } from '@shoal/conformance';
import { reportOf, runExternalFiles, type ConformReport } from '@shoal/conformance/external';
import { readCaseFolder } from '@shoal/conformance/external/node';
import { convCases } from '@shoal/conv/cases';
import type { CaseTable, Runtime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { mathCases } from '@shoal/math/cases';
import { poolCases } from '@shoal/pool/cases';
import { residualCases } from '@shoal/residual/cases';
import { backendNames, openRuntime, type BackendName } from './backends.ts';
import { checkTargets, exitCode, messageOf, UsageError, writeJson, writeText, type Streams } from './output.ts';
import { progressBar, type Progress } from './progress.ts';
import { formatTable } from './table.ts';

export interface ConformOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly cases?: string;
  readonly json?: string;
  readonly matrix?: string;
}

const tables: readonly CaseTable[] = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];

/** Whether a backend is right, case by case. Ends with 1 where a case failed. */
export async function conform(options: ConformOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json, matrix: options.matrix });
  if (options.matrix !== undefined) {
    const idle = (['cases', 'json', 'threads'] as const).filter((name) => options[name] !== undefined);
    if (idle.length > 0) throw new UsageError(`--matrix is of every backend, and takes no --${idle.join(', --')}`);
    return writeMatrix(options.matrix, streams);
  }
  const runtime = await openRuntime(options.backend, options);
  const report =
    options.cases === undefined
      ? await ownReport(options, runtime, streams)
      : await externalReport(options.cases, runtime, options.backend, streams);
  await runtime.dispose();
  if (options.json) await writeJson(options.json, report, streams);
  if (options.json !== '-') streams.out(asText(report));
  return report.failed > 0 ? exitCode.bad : exitCode.fine;
}

/** What no command line can measure. */
const browserOnly: NotMeasured = {
  name: 'tfjs-webgpu',
  reason: 'this engine of TensorFlow.js runs in browsers only; the support matrix of the site has it',
};

/** Op by backend, for every backend that runs here, as Markdown or JSON by the name of the file. */
async function writeMatrix(path: string, streams: Streams): Promise<number> {
  const matrix = await measureMatrix(backendNames, streams);
  await writeText(path, path.endsWith('.json') ? `${JSON.stringify(matrix, null, 1)}\n` : matrixMarkdown(matrix));
  return exitCode.fine;
}

/** What the project's own table finds on each of some backends; those that do not open are named with the reason. */
export async function measureMatrix(names: readonly BackendName[], streams: Streams): Promise<SupportMatrix> {
  const oracle = await openRuntime('reference');
  const bar = progressBar(streams, names.length * tables.length);
  const results: Record<string, readonly Result[]> = {};
  const notMeasured: NotMeasured[] = [];
  for (const name of names) {
    const runtime = await openRuntime(name).catch((reason: unknown) => messageOf(reason));
    if (typeof runtime === 'string') notMeasured.push({ name, reason: runtime });
    else results[name] = await evaluateAll(runtime, oracle, bar);
  }
  notMeasured.push(browserOnly);
  bar.stop();
  await oracle.dispose();
  for (const { name, reason } of notMeasured) streams.log(`${name} is left out: ${reason}\n`);
  return supportMatrix(tables, results, notMeasured);
}

async function evaluateAll(runtime: Runtime, oracle: Runtime, bar: Progress): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const table of tables) {
    // WGSL promises nothing about NaN.
    results.push(...(await evaluateTables([table], runtime, oracle, runtime.backend === 'webgpu' ? { lacks: ['nan'] } : {})));
    bar.advance(`${runtime.backend} ${table.name}`);
  }
  await runtime.dispose();
  return results;
}

async function externalReport(folder: string, runtime: Runtime, backend: string, streams: Streams): Promise<ConformReport> {
  const files = await readCaseFolder(folder).catch((cause: unknown) => {
    throw new UsageError(messageOf(cause));
  });
  const bar = progressBar(
    streams,
    files.reduce((sum, { cases }) => sum + cases.length, 0),
  );
  const results = await runExternalFiles(files, runtime, { onResult: (result) => bar.advance(result.file) });
  bar.stop();
  return reportOf(backend, results);
}

/** The project's own table in the same form: what a backend has no kernel for is skipped as `op`, what it cannot promise as `semantics`. */
async function ownReport({ backend }: ConformOptions, runtime: Runtime, streams: Streams): Promise<ConformReport> {
  const oracle = await openRuntime('reference');
  const bar = progressBar(streams, tables.length);
  const results = await evaluateAll(runtime, oracle, bar);
  bar.stop();
  await oracle.dispose();
  const checked = results.filter(({ skipped }) => skipped !== 'no-gradient');
  const nameOf = (result: Result): string => `${result.table}: ${result.case} (${result.check})`;
  const failures = checked.filter(({ ok }) => !ok).map((result) => ({ case: nameOf(result), reason: result.reason }));
  const skips = (
    [
      ['op', 'unsupported'],
      ['semantics', 'needs'],
    ] as const
  ).flatMap(([reason, kind]) => {
    const cases = checked.filter(({ skipped }) => skipped === kind).map(nameOf);
    return cases.length > 0 ? [{ reason, count: cases.length, cases }] : [];
  });
  const skipped = skips.reduce((sum, { count }) => sum + count, 0);
  return {
    schema: 'shoal.conform/1',
    backend,
    passed: checked.length - failures.length - skipped,
    failed: failures.length,
    skipped,
    failures,
    skips,
  };
}

function asText({ backend, passed, failed, skipped, failures, skips }: ConformReport): string {
  const lines = failures.map((failure) => `FAILED ${failure.case}\n       ${failure.reason}`);
  if (skips.length > 0) {
    lines.push(
      formatTable(
        [
          { title: 'skipped because of', text: (row) => row.reason },
          { title: 'cases', align: 'right', text: (row) => String(row.count) },
          { title: 'for example', text: (row) => row.cases[0] ?? '' },
        ],
        skips,
      ),
    );
  }
  lines.push(`${backend}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  return `${lines.join('\n')}\n`;
}
