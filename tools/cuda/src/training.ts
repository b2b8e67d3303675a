import { gradients, input, type Executable, type Program, type Runtime } from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import type { Network } from '@shoal/residual';

/** One step of SGD with momentum on batches of a fixed shape. */
export interface Training {
  readonly program: Program;
  readonly feeds: Readonly<Record<string, Float32Array | Int32Array>>;
}

/** Small, as a batch norm over few cells magnifies rounding: with 0.01 float32 and float64 part by percents within three steps. */
const learningRate = 1e-4;

/** Numbers in [-1, 1), by Numerical Recipes' linear congruence: its upper bits are random enough for pixels. */
export function pseudoRandom(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/** The same numbers for the same network and batch, on every machine. */
export function trainingOf(network: Network, batch: number, classes: number): Training {
  const [height, width, channels] = network.input;
  const image = input('image', [batch, height, width, channels]);
  const labels = input('labels', [batch], 'i32');
  const built = network.build(image, { train: true, dropout: false });
  const loss = softmaxCrossEntropy(built.output, labels, { reduction: 'mean' });
  const { parameters } = built;
  const { updates } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate, momentum: 0.9 });
  const pixels = pseudoRandom(batch * height * width * channels, 1);
  return {
    program: { outputs: { loss }, updates: [...updates, ...built.updates] },
    feeds: { image: pixels, labels: Int32Array.from({ length: batch }, (_, i) => (i * 5) % classes) },
  };
}

export async function losses(runtime: Runtime, { program, feeds }: Training, steps: number): Promise<readonly number[]> {
  const executable = await runtime.compile(program);
  const found: number[] = [];
  for (let step = 0; step < steps; step++) found.push((await executable.run(feeds))['loss']![0]!);
  executable.dispose();
  return found;
}

/** Nanoseconds of single runs, after some that do not count. */
export async function samples(executable: Executable, feeds: Training['feeds'], count: number): Promise<readonly number[]> {
  const measured: number[] = [];
  for (let i = -3; i < count; i++) {
    const { nanoseconds } = await executable.timed(feeds, { fetch: [] });
    if (i >= 0) measured.push(nanoseconds);
  }
  return measured;
}
