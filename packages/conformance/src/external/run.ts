import { gradients, input, map, reduce, expression as e, type Program, type Runtime, type TensorData, type Value } from '@shoal/core';
import { difference, magnitude, type Tolerance } from '../compare.ts';
import type { ExternalCase, ExternalFile, Source } from './format.ts';
import { permuteData } from './layout.ts';
import { planCase } from './plan.ts';
import { SkipCase, type CaseReader, type PlannedTensor, type SkipReason } from './reader.ts';

/** What became of one external case. */
export interface ExternalResult {
  /** `onnx/Conv.json: name`. */
  readonly case: string;
  readonly file: string;
  readonly outcome: 'passed' | 'failed' | SkipReason;
  /** Why, where it did not pass. */
  readonly detail: string;
}

/** What `shoal conform --cases` prints. */
export interface ConformReport {
  readonly schema: 'shoal.conform/1';
  readonly backend: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly { readonly case: string; readonly reason: string }[];
  readonly skips: readonly { readonly reason: SkipReason; readonly count: number; readonly cases: readonly string[] }[];
}

export interface ExternalOptions {
  /**
   * Hold PyTorch's convolutions, whose partial sums are all exact in float32, to equality. True by default: switch it off only
   * where the runtime may choose a transform such as Winograd's.
   */
  readonly exactConvolutions?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each case, for progress displays. */
  readonly onResult?: (result: ExternalResult) => void;
}

/** Runs every case of every file. */
export async function runExternalFiles(
  files: readonly ExternalFile[],
  runtime: Runtime,
  options: ExternalOptions = {},
): Promise<readonly ExternalResult[]> {
  const results: ExternalResult[] = [];
  for (const file of files) {
    for (const one of file.cases) {
      options.signal?.throwIfAborted();
      const result = { case: `${file.path}: ${one.name}`, file: file.path, ...(await runExternalCase(file.source, one, runtime, options)) };
      results.push(result);
      options.onResult?.(result);
    }
  }
  return results;
}

/** Maps one case onto Shoal's ops and compares all its outputs and gradients. */
export async function runExternalCase(
  source: Source,
  one: ExternalCase,
  runtime: Runtime,
  options: ExternalOptions = {},
): Promise<Pick<ExternalResult, 'outcome' | 'detail'>> {
  try {
    const reader = planCase(source, one);
    const upstream = upstreamOf(reader);
    const { program, expected } = programOf(reader, upstream);
    const missing = runtime.missing(program);
    if (missing.length > 0) return { outcome: 'op', detail: missing.map(({ op, reason }) => `${op} (${reason})`).join('; ') };
    const executable = await runtime.compile(program);
    const fed = [...reader.inputs, ...upstream].filter(({ value }) => executable.inputs.includes(nameOf(value)));
    const outputs = await executable.run(
      Object.fromEntries(fed.map(({ value, data }) => [nameOf(value), feedOf(value, data)])),
      options.signal ? { signal: options.signal } : {},
    );
    executable.dispose();
    const exact = reader.exact && (options.exactConvolutions ?? true);
    const wrong = expected.flatMap(({ key, label, values, float32Error, integer }) => {
      const { ratio, worst, error, tolerance } = difference(
        outputs[key]!,
        values,
        integer ? () => 0 : toleranceOf(source, runtime, values, exact ? null : float32Error),
      );
      return ratio <= 1 ? [] : [`${label}: ${worst} (off by ${error}, allowed ${tolerance})`];
    });
    return wrong.length > 0 ? { outcome: 'failed', detail: wrong.join('; ') } : { outcome: 'passed', detail: '' };
  } catch (cause) {
    if (cause instanceof SkipCase) return { outcome: cause.reason, detail: cause.message };
    options.signal?.throwIfAborted();
    return { outcome: 'failed', detail: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** Counts results, as the command line prints them. */
export function reportOf(backend: string, results: readonly ExternalResult[]): ConformReport {
  const failures = results.filter(({ outcome }) => outcome === 'failed').map((result) => ({ case: result.case, reason: result.detail }));
  const passed = results.filter(({ outcome }) => outcome === 'passed').length;
  const reasons: readonly SkipReason[] = ['op', 'attribute', 'rank', 'semantics'];
  const skips = reasons.flatMap((reason) => {
    const cases = results.filter(({ outcome }) => outcome === reason).map((result) => result.case);
    return cases.length > 0 ? [{ reason, count: cases.length, cases }] : [];
  });
  return {
    schema: 'shoal.conform/1',
    backend,
    passed,
    failed: failures.length,
    skipped: results.length - passed - failures.length,
    failures,
    skips,
  };
}

/**
 * How far an output may be off.
 *
 * - ONNX: 1e-7 + 1e-3 |b|, its own runner's; tfjs: 1e-3, its own tests' (the literals are often rounded)
 * - PyTorch in float64: 1e-12 max(1, max|b|); in float32: 4 max(PyTorch's own float32 error, 2e-7 max(1, max|b|)), or nothing
 *   where every partial sum is exact (`float32Error` null)
 */
function toleranceOf(source: Source, runtime: Runtime, expected: readonly number[], float32Error: number | null): Tolerance {
  if (source === 'onnx') return (b) => 1e-7 + 1e-3 * Math.abs(b);
  if (source === 'tfjs') return () => 1e-3;
  const scale = magnitude(expected);
  if (runtime.backend === 'reference') return () => 1e-12 * scale;
  return () => (float32Error === null ? 0 : 4 * Math.max(float32Error, 2e-7 * scale));
}

interface Expectation {
  readonly key: string;
  readonly label: string;
  readonly values: readonly number[];
  readonly float32Error: number;
  readonly integer: boolean;
}

/** Outputs `y0`, `y1` ... and, where the case has gradients, `d0`, `d1` ... of sum(output * upstream). */
function programOf(
  reader: CaseReader,
  upstream: readonly PlannedTensor[],
): { readonly program: Program; readonly expected: readonly Expectation[] } {
  const { float32Error, gradients: wanted } = reader.case;
  const outputs: Record<string, Value> = {};
  const expected: Expectation[] = [];
  reader.outputs.forEach(({ tensor, value, data: values }, i) => {
    outputs[`y${i}`] = value;
    const error = float32Error?.outputs[reader.case.outputs.indexOf(tensor)] ?? 0;
    expected.push({ key: `y${i}`, label: `output ${tensor.name || i}`, values, float32Error: error, integer: value.dtype !== 'f32' });
  });
  const varied = wanted.map((gradient) => reader.inputs.find(({ tensor }) => tensor.name === gradient.name)!);
  const slopes =
    wanted.length > 0
      ? gradients(
          weightedSum(reader, upstream),
          varied.map(({ value }) => value),
        )
      : [];
  slopes.forEach((slope, i) => {
    const { data, shape, name } = wanted[i]!;
    outputs[`d${i}`] = slope;
    const values = permuteData(data, shape, varied[i]!.layout);
    expected.push({ key: `d${i}`, label: `gradient to ${name}`, values, float32Error: float32Error?.gradients[i] ?? 0, integer: false });
  });
  return { program: { outputs }, expected };
}

/** The upstream gradients as graph inputs, laid out like the outputs that they arrive at. */
function upstreamOf({ case: { upstream }, outputs }: CaseReader): readonly PlannedTensor[] {
  return upstream.map((tensor) => {
    const { value: output, layout } = outputs.find((planned) => planned.tensor.name === tensor.name)!;
    return { tensor, layout, value: input(`upstream ${tensor.name}`, output.shape), data: permuteData(tensor.data, tensor.shape, layout) };
  });
}

function weightedSum({ outputs }: CaseReader, upstream: readonly PlannedTensor[]): Value {
  const products = upstream.map(({ tensor, value }) => {
    const output = outputs.find((planned) => planned.tensor.name === tensor.name)!.value;
    return reduce(
      map([output, value], (y, u) => e.mul(y, u)),
      { kind: 'sum' },
    );
  });
  return products.reduce((a, b) => map([a, b], (left, right) => e.add(left, right)));
}

function feedOf({ dtype }: Value, data: readonly number[]): TensorData {
  return dtype === 'f32' ? Float64Array.from(data) : Int32Array.from(data);
}

const nameOf = ({ origin }: Value): string => (origin.kind === 'input' ? origin.name : '');
