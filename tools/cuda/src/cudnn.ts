import type { Runtime } from '@shoal/core';
import { feedsOf, median, type ConvolutionPass } from './speed.ts';
import { samples } from './training.ts';

/** One pass of a layer, by kernels of our own and by cuDNN. */
export interface Comparison {
  readonly name: string;
  /**
   * The largest difference, over the root mean square of what the kernels found. It is 0 where cuDNN refused the pass: kernels computed both, and
   * sum in the same order.
   */
  readonly apart: number;
  /** Whether cuDNN found the same bits twice. */
  readonly repeats: boolean;
  readonly kernelsNs: readonly number[];
  readonly cudnnNs: readonly number[];
  /** Time of cuDNN / time of the kernels, of medians. */
  readonly ratio: number;
}

/** Passes in both, with the same numbers. */
export async function compareConvolutions(
  passes: readonly ConvolutionPass[],
  { kernels, cudnn }: { readonly kernels: Runtime; readonly cudnn: Runtime },
  repeat: number,
): Promise<readonly Comparison[]> {
  const found: Comparison[] = [];
  for (const { name, y, inputs } of passes) {
    const feeds = feedsOf(inputs);
    const [own, theirs] = await Promise.all([kernels, cudnn].map((runtime) => runtime.compile({ outputs: { y } })));
    const [expected, actual, again] = [(await own!.run(feeds))['y']!, (await theirs!.run(feeds))['y']!, (await theirs!.run(feeds))['y']!];
    let [squares, largest, repeats] = [0, 0, true];
    for (let i = 0; i < expected.length; i++) {
      squares += expected[i]! ** 2;
      // A NaN stays the largest difference: nothing is larger.
      const difference = Math.abs(actual[i]! - expected[i]!);
      if (difference > largest || Number.isNaN(difference)) largest = difference;
      repeats &&= Object.is(actual[i], again[i]);
    }
    const [kernelsNs, cudnnNs] = [await samples(own!, feeds, repeat), await samples(theirs!, feeds, repeat)];
    [own, theirs].forEach((executable) => executable!.dispose());
    const apart = largest / Math.sqrt(squares / expected.length);
    found.push({ name, apart, repeats, kernelsNs, cudnnNs, ratio: median(cudnnNs) / median(kernelsNs) });
  }
  return found;
}
