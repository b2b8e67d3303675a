import { concat, createRuntime, gradients, input, type Feeds, type Runtime, type TensorData, type Value } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { poolReference } from '@shoal/pool/reference';
import { filterInput, imageInput, operatorNames, operators, type OperatorName } from './operators.ts';
import { shiftEffect, shiftImage, type ShiftEffect } from './shift.ts';
import { noShift, OUTPUTS, SIZE, WINDOW, type Numbers } from './state.ts';

/** Where the numbers are computed: in float64 by the reference kernels, or in float32 by the generated WebAssembly or on the GPU. */
export const backendNames = ['reference', 'wasm', 'webgpu'] as const;
export type BackendName = (typeof backendNames)[number];

/** What one operator makes of the shifted image, and what comes back. */
export interface OperatorResult {
  /** [2, 2, channels], flattened. */
  readonly output: readonly number[];
  readonly channels: number;
  /** The output on the unshifted image. */
  readonly before: readonly number[];
  readonly shift: ShiftEffect;
  /** 4x4: the gradient to each cell of the shifted image. */
  readonly imageGradient: readonly number[];
  /** 2x2; null where there is nothing to learn. */
  readonly filterGradient: readonly number[] | null;
  /** The cell that won each window; null where nothing is won. */
  readonly winners: readonly number[] | null;
}

export interface Results {
  /** What was computed with. */
  readonly numbers: Numbers;
  /** The image as the operators see it. */
  readonly image: readonly number[];
  readonly operators: Readonly<Record<OperatorName, OperatorResult>>;
}

export interface Calculator {
  evaluate(numbers: Numbers, signal: AbortSignal): Promise<Results>;
  dispose(): Promise<void>;
}

/** Opens a backend and compiles the one program that everything shown is an output of. */
export async function createCalculator(backend: BackendName): Promise<Calculator> {
  const runtime = await openRuntime(backend);
  const graph = buildGraph();
  const executable = await runtime.compile({ outputs: graph.outputs });
  const run = (numbers: Numbers, image: readonly number[], signal: AbortSignal, fetch?: readonly string[]) => {
    const feeds: Feeds = { image, filter: numbers.filter, upstream: numbers.upstream };
    return executable.run(feeds, fetch ? { signal, fetch } : { signal });
  };
  return {
    async evaluate(numbers, signal) {
      const image = shiftImage(numbers.image, numbers.shift);
      const shifted = await run(numbers, image, signal);
      const unshifted = await run(numbers, shiftImage(numbers.image, noShift), signal, Object.values(graph.outputNames));
      const results = operatorNames.map((name) => [name, resultOf(name, graph.outputNames[name], shifted, unshifted)] as const);
      return { numbers, image, operators: Object.fromEntries(results) as Record<OperatorName, OperatorResult> };
    },
    dispose: () => runtime.dispose(),
  };
}

async function openRuntime(backend: BackendName): Promise<Runtime> {
  if (backend === 'reference') return createRuntime(reference(), [poolReference, convReference]);
  if (backend === 'webgpu') {
    const [{ webgpu }, { poolWebgpu }, { convWebgpu }] = await Promise.all([
      import('@shoal/backend-webgpu'),
      import('@shoal/pool/webgpu'),
      import('@shoal/conv/webgpu'),
    ]);
    return createRuntime(webgpu(), [poolWebgpu, convWebgpu]);
  }
  const [{ wasm }, { poolWasm }, { convWasm }] = await Promise.all([
    import('@shoal/backend-wasm'),
    import('@shoal/pool/wasm'),
    import('@shoal/conv/wasm'),
  ]);
  // A picture of 16 cells is not worth a worker.
  return createRuntime(wasm({ threads: 1 }), [poolWasm, convWasm]);
}

interface Graph {
  readonly outputs: Readonly<Record<string, Value>>;
  readonly outputNames: Readonly<Record<OperatorName, string>>;
}

function buildGraph(): Graph {
  const [image, filter] = [imageInput(), filterInput()];
  const upstream = input('upstream', [1, SIZE / WINDOW, SIZE / WINDOW, 1]);
  const outputs: Record<string, Value> = {};
  for (const name of operatorNames) {
    const { output, winner } = operators[name](image, filter);
    const seed = concat(
      Array.from({ length: output.shape[3]! }, () => upstream),
      3,
    );
    const [imageGradient, filterGradient] = gradients(output, [image, filter], { seed });
    Object.assign(outputs, { [`${name}.output`]: output, [`${name}.imageGradient`]: imageGradient });
    if (name === 'convolution') outputs[`${name}.filterGradient`] = filterGradient!;
    if (winner) outputs[`${name}.winner`] = winner;
  }
  const outputNames = Object.fromEntries(operatorNames.map((name) => [name, `${name}.output`])) as Record<OperatorName, string>;
  return { outputs, outputNames };
}

type Fetched = Readonly<Record<string, TensorData>>;

function resultOf(name: OperatorName, outputName: string, shifted: Fetched, unshifted: Fetched): OperatorResult {
  const list = (key: string): readonly number[] | null => (shifted[key] ? [...shifted[key]] : null);
  const output = [...shifted[outputName]!];
  const before = [...unshifted[outputName]!];
  return {
    output,
    channels: output.length / OUTPUTS,
    before,
    shift: shiftEffect(before, output),
    imageGradient: list(`${name}.imageGradient`)!,
    filterGradient: list(`${name}.filterGradient`),
    winners: list(`${name}.winner`),
  };
}
