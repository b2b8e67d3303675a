import {
  gradients,
  input,
  map,
  reduce,
  expression as e,
  ShoalError,
  sizeOf,
  type Case,
  type CaseNeed,
  type CaseTable,
  type Program,
  type Runtime,
  type TensorData,
  type Value,
} from '@shoal/core';
import { difference, relativeTo, type Difference } from './compare.ts';
import { centralDifferences } from './differences.ts';
import { fillCase, upstreamWeights } from './fill.ts';

/** What is checked of a case, each for itself. */
export type Check = 'forward' | 'gradient' | 'second-order';

/** Why a check was not made: the backend has no kernel, it does not promise what the case needs, or the case has no derivative. */
export type SkipKind = 'unsupported' | 'needs' | 'no-gradient';

/** The verdict on one check of one case. */
export interface Result {
  /** Name of the case's table: the op, as reported. */
  readonly table: string;
  readonly case: string;
  readonly check: Check;
  /** False where a number is wrong or the run threw. A skipped check is not wrong. */
  readonly ok: boolean;
  readonly skipped: SkipKind | null;
  /** Largest absolute difference where it matters most, and what was allowed there. */
  readonly error: number;
  readonly tolerance: number;
  /** Why the check failed or was skipped; empty where it passed. */
  readonly reason: string;
  /** What was thrown, where something was. */
  readonly cause?: unknown;
}

export interface EvaluateOptions {
  /** What the backend does not promise: cases that need it are skipped. */
  readonly lacks?: readonly CaseNeed[];
  /** Multiplies the float32 tolerance on this backend, for engines with loose transcendental functions or short floats. Default 1. */
  readonly toleranceFactor?: number;
}

/**
 * Relative tolerance of float32 backends: 4 times 2e-7, where 2e-7 (3.4 units of rounding) is what an error-free algorithm
 * leaves on tensors of the sizes used here, and 4 allows another order of summation. It is relative to the largest expected
 * value of the tensor, because cancellation makes smaller relative errors of single elements meaningless.
 */
const float32 = 8e-7;
/** Literal numbers, on the oracle: what people write down has seven digits. */
const literal = 1e-7;
/** Finite differences against exact derivatives, both in float64. */
const finiteDifference = 1e-6;

/**
 * Checks one case on one runtime.
 *
 * - forward: the literal expectations; on every other runtime than the oracle also the oracle's outputs
 * - gradient of `sum(weights * first output)` to each f32 input: literal numbers (weights 1), or on the oracle central
 *   differences and elsewhere the oracle's gradients
 * - second-order: the gradient of `sum(direction * gradient)` to each f32 input and to the weights, in the same way
 *
 * @param oracle a runtime on `reference()` with the kernels of every op involved; may be `runtime` itself
 * @returns a verdict; nothing that goes wrong in the case or the backend is thrown
 */
export async function evaluate(
  table: CaseTable,
  one: Case,
  check: Check,
  runtime: Runtime,
  oracle: Runtime,
  options: EvaluateOptions = {},
): Promise<Result> {
  const verdict = (found: Partial<Result>): Result => ({
    table: table.name,
    case: one.name,
    check,
    ok: true,
    skipped: null,
    error: 0,
    tolerance: 0,
    reason: '',
    ...found,
  });
  if (one.needs && options.lacks?.includes(one.needs))
    return verdict({ skipped: 'needs', reason: `needs '${one.needs}', which ${runtime.backend} does not promise` });
  if (check === 'gradient' && typeof one.gradient === 'object' && 'none' in one.gradient)
    return verdict({ skipped: 'no-gradient', reason: `no gradient: ${one.gradient.none}` });
  try {
    const graph = buildCase(one);
    const checked = programOf(graph, one, check);
    const missing = runtime.missing(checked.program);
    if (missing.length > 0)
      return verdict({ skipped: 'unsupported', reason: `unsupported: ${missing.map(({ op, reason }) => `${op} (${reason})`).join('; ')}` });
    const differences = await compare(checked, one, check, runtime, oracle, options);
    const worst = differences.reduce((a, b) => (b.ratio > a.ratio ? b : a), { ratio: 0, error: 0, tolerance: 0, worst: '' });
    const ok = worst.ratio <= 1;
    return verdict({ ok, error: worst.error, tolerance: worst.tolerance, reason: ok ? '' : worst.worst });
  } catch (cause) {
    return verdict({ ok: false, error: Infinity, reason: cause instanceof Error ? cause.message : String(cause), cause });
  }
}

/** The checks that apply to a case: no gradient where nothing is f32, second order where the case asks for it. */
export function checksOf(one: Case): readonly Check[] {
  const { differentiable, outputs } = buildCase(one);
  const checks: Check[] = ['forward'];
  if (differentiable.length > 0 && outputs[0]!.dtype === 'f32') checks.push('gradient');
  if (one.secondOrder) checks.push('second-order');
  return checks;
}

/** {@link evaluate} for every check of every case, in order. */
export async function evaluateTables(
  tables: readonly CaseTable[],
  runtime: Runtime,
  oracle: Runtime,
  options: EvaluateOptions = {},
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const table of tables) {
    for (const one of table.cases) {
      for (const check of checksOf(one)) results.push(await evaluate(table, one, check, runtime, oracle, options));
    }
  }
  return results;
}

export interface CaseGraph {
  /** One graph input per input of the case, named `x0`, `x1` ... */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** The f32 inputs: those that gradients are taken to. */
  readonly differentiable: readonly Value[];
  /** What to feed, by name. */
  readonly feeds: Readonly<Record<string, TensorData>>;
}

/** Builds a case's graph, with what to feed it: for tests, benchmarks and stories alike. */
export function buildCase(one: Case): CaseGraph {
  const data = fillCase(one);
  const inputs = one.inputs.map(({ shape }, i) =>
    input(`x${i}`, shape, data[i] instanceof Int32Array ? 'i32' : data[i] instanceof Uint32Array ? 'u32' : 'f32'),
  );
  const built = one.build(...inputs);
  const outputs: readonly Value[] = Array.isArray(built) ? built : [built as Value];
  return {
    inputs,
    outputs,
    differentiable: inputs.filter(({ dtype }) => dtype === 'f32'),
    feeds: Object.fromEntries(data.map((each, i) => [`x${i}`, each])),
  };
}

interface CheckedProgram {
  readonly program: Program;
  readonly feeds: Readonly<Record<string, TensorData>>;
  /** Derivatives: the function they are derivatives of, its weights, and by output name the input that was varied. */
  readonly derivative?: { readonly of: Program; readonly weights: TensorData; readonly to: Readonly<Record<string, string>> };
}

function programOf({ outputs, differentiable, feeds }: CaseGraph, one: Case, check: Check): CheckedProgram {
  if (check === 'forward') return { program: { outputs: Object.fromEntries(outputs.map((value, i) => [`y${i}`, value])) }, feeds };
  const y = outputs[0]!;
  const upstream = input('upstream', y.shape);
  const ones = typeof one.gradient === 'object';
  const weights = upstreamWeights(sizeOf(y.shape));
  const fed = { ...feeds, upstream: ones && check === 'gradient' ? weights.fill(1) : weights };
  const slopes = gradients(y, differentiable, { seed: upstream });
  if (check === 'gradient') {
    const to = Object.fromEntries(differentiable.map((value, i) => [`d${i}`, nameOf(value)]));
    return { program: { outputs: named('d', slopes) }, feeds: fed, derivative: { of: { outputs: { y } }, weights: fed.upstream, to } };
  }
  const directions = slopes.map((slope, i) => input(`direction${i}`, slope.shape));
  const steered = Object.fromEntries(directions.map(({ shape }, i) => [`direction${i}`, upstreamWeights(sizeOf(shape)).toReversed()]));
  const along = slopes.map((slope, i) =>
    reduce(
      map([slope, directions[i]!], (a, b) => e.mul(a, b)),
      { kind: 'sum' },
    ),
  );
  const total = along.reduce((a, b) => map([a, b], (left, right) => e.add(left, right)));
  const wrt = [...differentiable, upstream];
  const to = Object.fromEntries(wrt.map((value, i) => [`h${i}`, nameOf(value)]));
  return {
    program: { outputs: named('h', gradients(total, wrt)) },
    feeds: { ...fed, ...steered },
    derivative: { of: { outputs: { y: total } }, weights: Float64Array.of(1), to },
  };
}

const named = (prefix: string, values: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(values.map((value, i) => [`${prefix}${i}`, value]));
const nameOf = ({ origin }: Value): string => (origin.kind === 'input' ? origin.name : '');

async function compare(
  checked: CheckedProgram,
  one: Case,
  check: Check,
  runtime: Runtime,
  oracle: Runtime,
  options: EvaluateOptions,
): Promise<readonly Difference[]> {
  const { program, feeds } = checked;
  const isOracle = runtime === oracle;
  const rounding = float32 * (one.toleranceFactor ?? 1) * (options.toleranceFactor ?? 1);
  const actual = await runOnce(runtime, program, feeds);
  const differences: Difference[] = [];
  const hold = (name: string, expected: ArrayLike<number>, relative: number): void => {
    const integer = program.outputs[name]!.dtype !== 'f32';
    const found = difference(actual[name]!, expected, relativeTo(expected, integer ? 0 : relative));
    differences.push({ ...found, worst: `${describe(name, checked)} ${found.worst}` });
  };
  const literals = literalsOf(one, check);
  const names = Object.keys(program.outputs);
  if (literals && literals.length !== names.length) {
    throw new ShoalError('SHAPE', {
      op: 'conformance',
      fact: `${literals.length} expectations for ${names.length} ${check === 'forward' ? 'outputs' : 'f32 inputs'}`,
      next: 'Give one list each, or null',
    });
  }
  literals?.forEach((expected, i) => {
    if (expected) hold(names[i]!, expected, isOracle ? literal : rounding);
  });
  if (!isOracle) {
    const truth = await runOnce(oracle, program, feeds);
    for (const name of names) hold(name, truth[name]!, rounding);
  } else if (!checked.derivative && !literals) {
    // Nobody says what the numbers are, but numbers they must be.
    for (const name of names)
      hold(
        name,
        actual[name]!.map((value) => (Number.isFinite(value) ? value : 0)),
        0,
      );
  } else if (checked.derivative && !(check === 'gradient' && typeof one.gradient === 'object')) {
    differences.push(...(await againstDifferences(checked, actual, oracle)));
  }
  return differences;
}

/** Literal numbers per output of the checked program; null where the case gives none. */
function literalsOf(one: Case, check: Check): readonly (readonly number[] | null)[] | null {
  if (check === 'forward') return one.expect ?? null;
  if (check !== 'gradient' || typeof one.gradient !== 'object' || !('expect' in one.gradient)) return null;
  // Expectations are listed per input, derivatives per f32 input.
  const data = fillCase(one);
  return one.gradient.expect.filter((_, i) => data[i] instanceof Float64Array);
}

async function againstDifferences(
  { feeds, derivative }: CheckedProgram,
  actual: Readonly<Record<string, TensorData>>,
  oracle: Runtime,
): Promise<readonly Difference[]> {
  const { of, weights, to } = derivative!;
  const executable = await oracle.compile(of);
  const reads = executable.inputs;
  const differences: Difference[] = [];
  for (const [name, varied] of Object.entries(to)) {
    if (!reads.includes(varied)) {
      differences.push(difference(actual[name]!, new Float64Array(actual[name]!.length), () => 0));
      continue;
    }
    const sampled = async (x: Float64Array): Promise<ArrayLike<number>> =>
      (await executable.run(only(reads, { ...feeds, [varied]: x }))).y!;
    const slopes = await centralDifferences(sampled, Float64Array.from(feeds[varied]!), weights);
    const expected = slopes.map(({ derivative: slope }) => slope);
    const found = difference(
      slopes.map(({ element }) => actual[name]![element]!),
      expected,
      relativeTo(expected, finiteDifference),
    );
    differences.push({ ...found, worst: `derivative to ${varied}, one of ${slopes.length} finite differences: ${found.worst}` });
  }
  executable.dispose();
  return differences;
}

function describe(name: string, { derivative }: CheckedProgram): string {
  return derivative ? `derivative to ${derivative.to[name]}:` : `output ${name.slice(1)}:`;
}

async function runOnce(
  runtime: Runtime,
  program: Program,
  feeds: Readonly<Record<string, TensorData>>,
): Promise<Readonly<Record<string, TensorData>>> {
  const executable = await runtime.compile(program);
  try {
    return await executable.run(only(executable.inputs, feeds));
  } finally {
    executable.dispose();
  }
}

/** The feeds that a program reads; others are errors. */
function only(inputs: readonly string[], feeds: Readonly<Record<string, TensorData>>): Readonly<Record<string, TensorData>> {
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.includes(name)));
}
