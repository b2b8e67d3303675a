/**
 * What only a machine with an NVIDIA driver can say, in one run: is it right, does it train like the CPU, does it grow, how fast is it.
 * Build first (`npx -y pnpm@12 build`). `npx -y pnpm@12 pack:cuda FOLDER` packs it for a machine without a network.
 *
 * A part that fails does not stop the others; the exit code is 1 where one did, or could not be measured.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cuda, type CudaOptions, type Precision } from '@shoal/backend-cuda';
import { emulatedBackend } from '@shoal/backend-cuda/testing';
import { wasm } from '@shoal/backend-wasm';
import { evaluateTables } from '@shoal/conformance';
import { parseFile, runExternalFiles } from '@shoal/conformance/external';
import { convCases } from '@shoal/conv/cases';
import { convCuda } from '@shoal/conv/cuda';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { createRuntime, ShoalError, type Runtime } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { reference } from '@shoal/core/reference';
import { mathCases } from '@shoal/math/cases';
import { mathCuda } from '@shoal/math/cuda';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { poolCases } from '@shoal/pool/cases';
import { poolCuda } from '@shoal/pool/cuda';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { residualCases } from '@shoal/residual/cases';
import { residualCuda } from '@shoal/residual/cuda';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { allCnnC, resnet18, resnet50, resnetMini } from '@shoal/zoo';
import { parseGolden, verifyGolden } from '@shoal/zoo/golden';
import { gpuState } from './clocks.ts';
import { compareConvolutions } from './cudnn.ts';
import { measurePeers } from './peers.ts';
import { convolutionPasses, measureSpeeds } from './speed.ts';
import { losses, samples, trainingOf } from './training.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'string' },
    /** Folder with `golden` and `torch`; without it, those parts are left out. */
    fixtures: { type: 'string' },
    precision: { type: 'string', default: 'float32' },
    /** `compiled` by NVRTC, or `shipped`; by default compiled where NVRTC is. */
    kernels: { type: 'string' },
    steps: { type: 'string', default: '10000' },
    repeat: { type: 'string', default: '20' },
    /** Names of parts, with commas between them. */
    only: { type: 'string' },
    /** Runs on the emulation, with the smallest network: to test this program. */
    emulated: { type: 'boolean', default: false },
  },
});

const cudaPlugins = [convCuda, mathCuda, poolCuda, residualCuda];
/** The backend says which of these there are. */
const [precision, kernels] = [options.precision as Precision, options.kernels as CudaOptions['kernels']];

async function open(convolution: 'kernels' | 'cudnn' = 'kernels'): Promise<Runtime> {
  const backend = options.emulated
    ? await emulatedBackend([], { optimize: true, precision, generic: kernels === 'shipped' })
    : cuda({ precision, convolution, ...(kernels === undefined ? {} : { kernels }) });
  if (typeof backend === 'string') throw new ShoalError('UNSUPPORTED', { op: 'cuda-check', fact: backend });
  return createRuntime(backend, cudaPlugins);
}

const openWasm = (): Promise<Runtime> => createRuntime(wasm(), [convWasm, mathWasm, poolWasm, residualWasm]);
const openOracle = (): Promise<Runtime> => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]);

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** What a part found, and whether it is as it must be. */
interface Finding {
  readonly ok: boolean;
  readonly facts: object;
}

const networks = options.emulated
  ? [{ network: resnetMini, batch: 2, classes: 10 }]
  : [
      { network: resnet18, batch: 4, classes: 1000 },
      { network: allCnnC, batch: 16, classes: 10 },
    ];
/** Of the size of results: cuDNN may use Winograd's way, and rounds TF32 as it likes. */
const cudnnTolerance = precision === 'tf32' ? 3e-2 : 1e-3;
/** Losses after a few steps, relative: rounding grows from step to step, and TF32 rounds a thousand times more coarsely. */
const trainingTolerance = precision === 'tf32' ? 2e-2 : 1e-3;

const parts: Readonly<Record<string, (runtime: Runtime) => Promise<Finding>>> = {
  async conformance(runtime) {
    const oracle = await openOracle();
    const tables = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];
    const results = await evaluateTables(tables, runtime, oracle, { toleranceFactor: precision === 'tf32' ? 1000 : 1 });
    await oracle.dispose();
    const failed = results
      .filter(({ ok }) => !ok)
      .map((each) => ({ case: `${each.table}: ${each.case}: ${each.check}`, reason: each.reason }));
    return { ok: failed.length === 0, facts: { checks: results.length, failed } };
  },
  async torch(runtime) {
    if (options.fixtures === undefined) return { ok: true, facts: { skipped: '--fixtures was not given' } };
    const folder = join(options.fixtures, 'torch');
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    const files = names.map((name) => parseFile(`torch/${name}`, readFileSync(join(folder, name), 'utf8')));
    const results = await runExternalFiles(files, runtime);
    const failed = results.filter(({ outcome }) => outcome === 'failed');
    return { ok: failed.length === 0, facts: { cases: results.length, failed } };
  },
  async golden(runtime) {
    if (options.fixtures === undefined) return { ok: true, facts: { skipped: '--fixtures was not given' } };
    const folder = join(options.fixtures, 'golden');
    const wanted = readdirSync(folder).filter((name) => !options.emulated || name === 'resnet-mini.frozenbn.json');
    const found = [];
    for (const name of wanted) {
      const checks = await verifyGolden(parseGolden(readFileSync(join(folder, name), 'utf8')), runtime, { float64: false });
      found.push({ name, checks: checks.length, failed: checks.filter(({ ok }) => !ok) });
    }
    return { ok: found.every(({ failed }) => failed.length === 0), facts: { found } };
  },
  async training(runtime) {
    const cpu = await openWasm();
    const found = [];
    for (const { network, batch, classes } of networks) {
      const run = (on: Runtime): Promise<readonly number[]> => losses(on, trainingOf(network({ classes, seed: 1 }), batch, classes), 5);
      const [own, expected] = [await run(runtime), await run(cpu)];
      const apart = Math.max(...own.map((loss, i) => Math.abs(loss - expected[i]!) / Math.abs(expected[i]!)));
      found.push({ network: network({ classes }).name, own, wasm: expected, apart });
    }
    await cpu.dispose();
    return { ok: found.every(({ apart }) => apart <= trainingTolerance), facts: { found } };
  },
  async steady(runtime) {
    const steps = Number(options.steps);
    const { network, batch, classes } = networks.at(-1)!;
    const { program, feeds } = trainingOf(network({ classes, seed: 1 }), batch, classes);
    const executable = await runtime.compile(program);
    const megabytes = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20);
    for (let step = 0; step < steps / 10; step++) await executable.run(feeds, { fetch: [] });
    const before = megabytes();
    for (let step = 0; step < steps; step++) await executable.run(feeds, { fetch: [] });
    const after = megabytes();
    executable.dispose();
    return { ok: after - before < 64, facts: { steps, beforeMB: before, afterMB: after } };
  },
  async speed(runtime) {
    return { ok: true, facts: { speeds: await measureSpeeds(runtime, options.emulated ? 1 : 64, Number(options.repeat)) } };
  },
  async cudnn(runtime) {
    if (options.emulated) return { ok: true, facts: { skipped: 'the emulation has no cuDNN' } };
    const other = await open('cudnn');
    const oracle = await openOracle();
    const results = await evaluateTables(convCases, other, oracle, { toleranceFactor: precision === 'tf32' ? 1000 : 10 });
    const failed = results
      .filter(({ ok }) => !ok)
      .map((each) => ({ case: `${each.table}: ${each.case}: ${each.check}`, reason: each.reason }));
    const compared = await compareConvolutions(convolutionPasses(64), { kernels: runtime, cudnn: other }, Number(options.repeat));
    await Promise.all([other.dispose(), oracle.dispose()]);
    const ok = failed.length === 0 && compared.every(({ apart, repeats }) => repeats && apart <= cudnnTolerance);
    const refused = compared.flatMap(({ name, apart }) => (apart === 0 ? [name] : []));
    return { ok, facts: { version: other.info.flags['cudnn'], checks: results.length, failed, refused, compared } };
  },
  async peers(runtime) {
    if (options.emulated) return { ok: true, facts: { skipped: 'the emulation says nothing of speed' } };
    if (kernels === 'shipped') return { ok: true, facts: { skipped: 'shipped kernels are measured beside the others, in float32' } };
    const before = gpuState();
    const { fractions, notMeasured, wrong, record } = measurePeers(precision, runtime.info.flags, Number(options.repeat));
    for (const { work, engine, ofPeak } of fractions)
      console.log(`${(100 * ofPeak).toFixed(1).padStart(6)} % of ${precision} peak  ${engine}  ${work}`);
    return { ok: wrong.length === 0, facts: { wrong, gpu: { before, after: gpuState() }, fractions, notMeasured, record } };
  },
  async resnet50(runtime) {
    const [train, infer] = [trainingOf(resnet50({ seed: 1 }), 64, 1000), trainingOf(resnet50({ seed: 1 }), 1, 1000)];
    const step = await runtime.compile(train.program);
    const stepNs = await samples(step, train.feeds, Number(options.repeat));
    const { arenaBytes } = step.memory;
    step.dispose();
    const single = await runtime.compile({ outputs: infer.program.outputs });
    const singleNs = await samples(single, infer.feeds, Number(options.repeat));
    return { ok: true, facts: { trainingStepBatch64Ns: stepNs, arenaBytes, lossBatch1Ns: singleNs } };
  },
};

const wanted = options.only?.split(',') ?? Object.keys(parts).filter((name) => !options.emulated || name !== 'resnet50');
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0) throw new Error(`cuda-check: no part '${unknown.join("', '")}'. Parts: ${Object.keys(parts).join(', ')}.`);

const report: Record<string, unknown> = { schema: 'shoal.cuda-check/1', node: process.version, precision };
const write = (): void => {
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
};
const runtime = await open().catch((cause: unknown): null => {
  const reason = messageOf(cause);
  console.error(`CUDA does not run here: ${reason}`);
  for (const name of wanted) {
    report[name] = { ok: false, facts: { notMeasured: reason } };
    console.log(`not measured ${name}`);
  }
  return null;
});
if (runtime === null) process.exitCode = 1;
else {
  report['device'] = runtime.info;
  for (const name of wanted) {
    const start = performance.now();
    const finding = await parts[name]!(runtime).catch((cause: unknown): Finding => {
      const lacking = cause instanceof ShoalError && cause.code === 'UNSUPPORTED';
      return { ok: false, facts: { [lacking ? 'notMeasured' : 'error']: messageOf(cause) } };
    });
    const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
    report[name] = { ...finding, seconds };
    const { notMeasured, skipped } = finding.facts as { readonly notMeasured?: string; readonly skipped?: string };
    const outcome = notMeasured === undefined ? (finding.ok ? 'ok    ' : 'FAILED') : 'not measured';
    const why = notMeasured ?? skipped;
    console.log(`${outcome} ${name} (${seconds} s)${why === undefined ? '' : `: ${why}`}`);
    if (!finding.ok) process.exitCode = 1;
    write();
  }
  await runtime.dispose();
}
write();
