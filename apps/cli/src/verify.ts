import { readFile } from 'node:fs/promises';
import { ShoalError } from '@shoal/core';
import { goldenNetwork, parseGolden, verifyGolden, type Golden, type GoldenCheck } from '@shoal/zoo/golden';
import { openRuntime, type BackendName } from './backends.ts';
import { checkTargets, exitCode, messageOf, UsageError, writeJson, type Streams } from './output.ts';
import { progressBar } from './progress.ts';
import { formatTable } from './table.ts';

export interface VerifyOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly json?: string;
}

/** Whether a whole network does on a backend what a golden file says. Ends with 1 where something differs. */
export async function verify(path: string, options: VerifyOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json });
  const golden = await readGolden(path);
  const runtime = await openRuntime(options.backend, options);
  const { train, eval: evaluation } = golden;
  const bar = progressBar(streams, train.stages.length + train.grads.length + (evaluation?.stages.length ?? 0));
  let checks: readonly GoldenCheck[];
  try {
    const float64 = options.backend === 'reference';
    checks = await verifyGolden(golden, runtime, { float64, onCheck: ({ name }) => bar.advance(name) });
  } finally {
    bar.stop();
    await runtime.dispose();
  }
  const report = {
    schema: 'shoal.verify/1',
    model: golden.net,
    backend: options.backend,
    ok: checks.every(({ ok }) => ok),
    // JSON has no NaN: what is not a number is as far as can be.
    checks: checks.map((check) => ({ ...check, error: Number.isFinite(check.error) ? check.error : Number.MAX_VALUE })),
  };
  if (options.json) await writeJson(options.json, report, streams);
  if (options.json !== '-') streams.out(asText(golden.net, options.backend, checks));
  return report.ok ? exitCode.fine : exitCode.bad;
}

async function readGolden(path: string): Promise<Golden> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`cannot read ${path}: ${messageOf(cause)}`);
  });
  try {
    const golden = parseGolden(text);
    goldenNetwork(golden);
    return golden;
  } catch (cause) {
    if (cause instanceof ShoalError) throw new UsageError(`${path}: ${cause.message}`);
    throw cause;
  }
}

/** `eval/layer1.0` belongs to `eval`; what has no slash to `weights`. */
const groupOf = ({ name }: GoldenCheck): string => (name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : 'network');

const titles: Readonly<Record<string, string>> = {
  network: 'parameters and weights',
  eval: 'evaluation: image, stages, logits',
  train: 'training: image, stages, logits, loss',
  running: 'running statistics after the step',
  gradient: 'gradients of all parameters',
};

function asText(model: string, backend: string, checks: readonly GoldenCheck[]): string {
  const groups = [...Map.groupBy(checks, groupOf)].map(([group, own]) => {
    const worst = own.toSorted((a, b) => b.error / (b.tolerance || 1) - a.error / (a.tolerance || 1))[0]!;
    return { title: titles[group] ?? group, own, worst, passed: own.filter(({ ok }) => ok).length };
  });
  const table = formatTable(
    [
      { title: 'what', text: ({ title }) => title },
      { title: 'match', align: 'right', text: ({ own, passed }) => `${passed} of ${own.length}` },
      { title: 'nearest to its tolerance', text: ({ worst }) => worst.name },
      { title: 'error', align: 'right', text: ({ worst }) => worst.error.toExponential(1) },
      { title: 'allowed', align: 'right', text: ({ worst }) => worst.tolerance.toExponential(1) },
    ],
    groups,
  );
  const first = checks.find(({ ok }) => !ok);
  const verdict = first
    ? `does not match. The first that differs: ${first.name}, error ${first.error.toExponential(2)}, allowed ${first.tolerance.toExponential(2)}`
    : 'matches in everything';
  return `${table}\n${model} on ${backend} ${verdict}\n`;
}
