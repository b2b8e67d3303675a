import {
  gradients,
  input,
  interfaceOf,
  rewriteProgram,
  topological,
  type Executable,
  type Program,
  type Runtime,
  type Value,
} from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import type { Backward, Feeds, Step, Subject } from './works/index.ts';

/** A subject, compiled in one runtime. */
export interface Compiled {
  readonly executable: Executable;
  readonly feeds: Feeds;
  /** What engines are compared by: the output, or the gradients, or the losses of three steps and what the first one added to the parameters. */
  readonly results: () => Promise<readonly Float32Array[]>;
}

/** How many steps the losses are compared of: the second shows the gradients, the third the momentum. */
export const STEPS = 3;

export async function compileSubject(runtime: Runtime, subject: Subject): Promise<Compiled> {
  if (subject.phase === 'step') return compileStep(runtime, subject);
  const { program, feeds } =
    subject.phase === 'fwd' ? { program: { outputs: { y: subject.y } }, feeds: subject.feeds } : await backwardProgram(runtime, subject);
  const executable = await runtime.compile(program);
  return {
    executable,
    feeds,
    results: async () => {
      const found = await executable.run(feeds);
      return Object.keys(program.outputs).map((name) => Float32Array.from(found[name]!));
    },
  };
}

/** Backward by itself: what it wants of the forward pass is computed once and fed, so that no forward op is timed. */
async function backwardProgram(
  runtime: Runtime,
  { y, wrt, feeds, dy }: Backward,
): Promise<{ readonly program: Program; readonly feeds: Feeds }> {
  const found = gradients(y, wrt, { seed: input('dy', y.shape) });
  const outputs = Object.fromEntries(found.map((gradient, i) => [`gradient${i}`, gradient]));
  const forward = topological([y]);
  const onForward = new Set(forward);
  const saved = new Map<Value, Value>(
    forward.flatMap((node) => node.outputs).map((value, i) => [value, input(`saved${i}`, value.shape, value.dtype)]),
  );
  const program = rewriteProgram({ outputs }, (node) => (onForward.has(node) ? node.outputs.map((value) => saved.get(value)!) : null));
  const wanted = interfaceOf(program).inputs;
  const names = new Map([...saved].map(([value, { origin }]) => [origin.kind === 'input' ? origin.name : '', value]));
  const saving = Object.fromEntries([...names].filter(([name]) => wanted.has(name)));
  const all: Feeds = { ...feeds, dy, ...(await computed(runtime, saving, feeds)) };
  return { program, feeds: Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name))) };
}

async function computed(runtime: Runtime, outputs: Readonly<Record<string, Value>>, feeds: Feeds): Promise<Feeds> {
  if (Object.keys(outputs).length === 0) return {};
  const executable = await runtime.compile({ outputs });
  const found = await executable.run(Object.fromEntries(executable.inputs.map((name) => [name, feeds[name]!])));
  executable.dispose();
  return found;
}

async function compileStep(
  runtime: Runtime,
  { logits, labels, parameters, updates, feeds, learningRate, momentum }: Step,
): Promise<Compiled> {
  const loss = softmaxCrossEntropy(logits, labels);
  const optimizer = sgd({ parameters, gradients: gradients(loss, parameters), learningRate, momentum });
  const executable = await runtime.compile({ outputs: { loss }, updates: [...optimizer.updates, ...updates] });
  const read = async (): Promise<Float32Array> =>
    joined(await Promise.all(parameters.map(async (each) => Float32Array.from(await runtime.read(each)))));
  return {
    executable,
    feeds,
    results: async () => {
      const before = await read();
      const losses = new Float32Array(STEPS);
      losses[0] = (await executable.run(feeds))['loss']![0]!;
      const moved = (await read()).map((value, i) => value - before[i]!);
      for (let step = 1; step < STEPS; step++) losses[step] = (await executable.run(feeds))['loss']![0]!;
      return [losses, moved];
    },
  };
}

/** Arrays, one after another. */
export function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const array of arrays) {
    all.set(array, offset);
    offset += array.length;
  }
  return all;
}
