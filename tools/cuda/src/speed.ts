import { conv2d, type Conv2dOptions } from '@shoal/conv';
import { gradients, input, stopGradient, type Runtime, type Value } from '@shoal/core';
import { add, relu } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { samples } from './training.ts';

/** One measured kernel: raw samples, and what they come to. */
export interface Speed {
  readonly name: string;
  readonly samplesNs: readonly number[];
  readonly medianNs: number;
  /** In 10^9 floating-point operations a second; for convolutions. */
  readonly gflops?: number;
  /** In 10^9 bytes a second that must be read and written; for the rest. */
  readonly gbps?: number;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

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

/** Forward and both backward passes of convolutions, and what reads and writes memory alone. */
export async function measureSpeeds(runtime: Runtime, batch: number, repeat: number): Promise<readonly Speed[]> {
  const found: Speed[] = [];
  const measure = async (name: string, y: Value, inputs: readonly Value[], work: { flops?: number; bytes?: number }): Promise<void> => {
    const feeds = Object.fromEntries(
      inputs.map(({ shape, origin }) => [
        origin.kind === 'input' ? origin.name : '',
        new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
      ]),
    );
    const executable = await runtime.compile({ outputs: { y } });
    const samplesNs = await samples(executable, feeds, repeat);
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
  for (const [name, side, channels, filters, window, stride] of layers) {
    const options: Conv2dOptions = { padding: 'same', stride };
    const x = input('x', [batch, side, side, channels]);
    const w = input('w', [window, window, channels, filters]);
    const y = conv2d(x, w, options);
    const dy = input('dy', y.shape);
    const flops = 2 * batch * y.shape[1]! * y.shape[2]! * filters * window * window * channels;
    const [dx, dw] = gradients(y, [x, w], { seed: stopGradient(dy) });
    await measure(`convolution ${name}`, y, [x, w], { flops });
    await measure(`convolution ${name}, to the input`, dx!, [w, dy], { flops });
    await measure(`convolution ${name}, to the weight`, dw!, [x, dy], { flops });
  }
  const x = input('x', [batch, 112, 112, 64]);
  const z = input('z', x.shape);
  const bytes = 4 * batch * 112 * 112 * 64;
  await measure('relu', relu(x), [x], { bytes: 2 * bytes });
  await measure('addition', add(x, z), [x, z], { bytes: 3 * bytes });
  await measure('max pooling 2x2', maxPool2d(x, { window: 2 }), [x], { bytes: 1.25 * bytes });
  await measure('average pooling 3x3/2', averagePool2d(x, { window: 3, stride: 2, padding: 1 }), [x], { bytes: 1.25 * bytes });
  return found;
}
