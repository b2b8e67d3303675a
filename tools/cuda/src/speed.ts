import { conv2d } from '@shoal/conv';
import { gradients, input, sizeOf, stopGradient, type Runtime, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { peakGflops } from './peak.ts';
import { pseudoRandom, samples } from './training.ts';

/** One measured kernel: raw samples, and what they come to. */
export interface Speed {
  readonly name: string;
  readonly samplesNs: readonly number[];
  readonly medianNs: number;
  /** In 10^9 floating-point operations a second; for convolutions. */
  readonly gflops?: number;
  /** In 10^9 bytes a second that must be read and written; for the rest. */
  readonly gbps?: number;
  /** Of the device's arithmetic; absent where its peak is not known. */
  readonly ofPeak?: number;
  /** Of the bandwidth of a copy. */
  readonly ofCopy?: number;
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Layers of ResNet-50: name, input side, channels in and out, window, stride. */
const layers: readonly (readonly [name: string, side: number, channels: number, filters: number, window: number, stride: number])[] = [
  ['stem 7x7/2', 224, 3, 64, 7, 2],
  ['3x3 64 at 56', 56, 64, 64, 3, 1],
  ['1x1 64 to 256 at 56', 56, 64, 256, 1, 1],
  ['3x3/2 128 at 56', 56, 128, 128, 3, 2],
  ['3x3 128 at 28', 28, 128, 128, 3, 1],
  ['3x3 256 at 14', 14, 256, 256, 3, 1],
  ['1x1 1024 to 256 at 14', 14, 1024, 256, 1, 1],
  ['3x3 512 at 7', 7, 512, 512, 3, 1],
];

/** One pass of a convolution by itself: everything it reads is fed. */
export interface ConvolutionPass {
  readonly name: string;
  readonly y: Value;
  readonly inputs: readonly Value[];
  readonly flops: number;
}

/** Forward and both backward passes of the layers. */
export const convolutionPasses = (batch: number): readonly ConvolutionPass[] =>
  layers.flatMap(([name, side, channels, filters, window, stride]) => {
    const x = input('x', [batch, side, side, channels]);
    const w = input('w', [window, window, channels, filters]);
    const y = conv2d(x, w, { padding: (window - 1) / 2, stride });
    const dy = input('dy', y.shape);
    const flops = 2 * batch * y.shape[1]! * y.shape[2]! * filters * window * window * channels;
    const [dx, dw] = gradients(y, [x, w], { seed: stopGradient(dy) });
    return [
      { name: `convolution ${name}`, y, inputs: [x, w], flops },
      { name: `convolution ${name}, to the input`, y: dx!, inputs: [w, dy], flops },
      { name: `convolution ${name}, to the weight`, y: dw!, inputs: [x, dy], flops },
    ];
  });

/** The same numbers in [-1, 1) for the same inputs, on every machine. */
export const feedsOf = (inputs: readonly Value[]): Readonly<Record<string, Float32Array>> =>
  Object.fromEntries(
    inputs.map(({ shape, origin }, i) => [origin.kind === 'input' ? origin.name : '', pseudoRandom(sizeOf(shape), i + 1)]),
  );

/** All passes of convolutions, and what reads and writes memory alone; the first of those reads and writes each element once, as a copy does. */
export async function measureSpeeds(runtime: Runtime, batch: number, repeat: number): Promise<readonly Speed[]> {
  const found: Speed[] = [];
  const measure = async (name: string, y: Value, inputs: readonly Value[], work: { flops?: number; bytes?: number }): Promise<void> => {
    const executable = await runtime.compile({ outputs: { y } });
    const samplesNs = await samples(executable, feedsOf(inputs), repeat);
    executable.dispose();
    const medianNs = median(samplesNs);
    const { flops, bytes } = work;
    found.push({
      name,
      samplesNs,
      medianNs,
      ...(flops === undefined ? {} : { gflops: flops / medianNs }),
      ...(bytes === undefined ? {} : { gbps: bytes / medianNs }),
    });
  };
  for (const { name, y, inputs, flops } of convolutionPasses(batch)) await measure(name, y, inputs, { flops });
  const x = input('x', [batch, 112, 112, 64]);
  const z = input('z', x.shape);
  const bytes = 4 * batch * 112 * 112 * 64;
  await measure('relu', relu(x), [x], { bytes: 2 * bytes });
  await measure('addition', add(x, z), [x, z], { bytes: 3 * bytes });
  await measure('max pooling 2x2', maxPool2d(x, { window: 2 }), [x], { bytes: 1.25 * bytes });
  await measure('average pooling 3x3/2', averagePool2d(x, { window: 3, stride: 2, padding: 1 }), [x], { bytes: 1.25 * bytes });
  const [copy] = found.flatMap(({ gbps }) => gbps ?? []);
  const peak = peakGflops(runtime.info.flags);
  return found.map((speed) => ({
    ...speed,
    ...(speed.gbps === undefined ? {} : { ofCopy: speed.gbps / copy! }),
    ...(speed.gflops === undefined || peak === undefined ? {} : { ofPeak: speed.gflops / peak }),
  }));
}
