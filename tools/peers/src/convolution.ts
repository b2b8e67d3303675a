import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { conv2d } from '@shoal/conv';
import { convWasm } from '@shoal/conv/wasm';
import { constant, input } from '@shoal/core';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { median, quantile } from 'simple-statistics';

/**
 * Convolution 3x3 forward on one thread with default engine flags: Shoal against tfjs-backend-wasm, samples interleaved.
 * Both start from an input that lies in their memory and leave the result there; both are timed by the wall around the call.
 * Shoal's time includes copying the input in, which tfjs does beforehand.
 *
 *     node --conditions=@shoal/source tools/peers/src/convolution.ts
 */
const layers = [
  { channels: 64, size: 56 },
  { channels: 256, size: 14 },
] as const;
const samples = 101;
const warmUp = 15;

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (((i + seed) * 7919) % 2017) / 1009 - 1);

const require = createRequire(import.meta.url);
setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), sep));
setThreadsCount(1);
await tf.setBackend('wasm');
await tf.ready();
const runtime = await createRuntime(wasm({ threads: 1 }), [convWasm]);

for (const { channels, size } of layers) {
  const data = numbers(size * size * channels, 1);
  const weights = numbers(9 * channels * channels, 2);
  const x = input('x', [1, size, size, channels]);
  const executable = await runtime.compile({ outputs: { y: conv2d(x, constant(weights, [3, 3, channels, channels]), { padding: 1 }) } });
  const theirX = tf.tensor4d(data, [1, size, size, channels]);
  const theirW = tf.tensor4d(weights, [3, 3, channels, channels]);

  const ours = Float32Array.from((await executable.run({ x: data }))['y']!);
  const theirs = Float32Array.from(tf.tidy(() => tf.conv2d(theirX, theirW, 1, 'same').dataSync()));
  const scale = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const difference = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / scale;
  if (!(difference < 1e-5)) throw new Error(`the results differ by ${difference} of the largest value`);

  const shoal: number[] = [];
  const tfjs: number[] = [];
  for (let i = 0; i < warmUp + samples; i++) {
    const start = performance.now();
    await executable.run({ x: data }, { fetch: [] });
    const middle = performance.now();
    tf.conv2d(theirX, theirW, 1, 'same').dispose();
    const end = performance.now();
    if (i < warmUp) continue;
    shoal.push(middle - start);
    tfjs.push(end - middle);
  }
  const ratios = shoal.map((time, i) => time / tfjs[i]!);
  const flop = 2 * size * size * channels * channels * 9;
  const rate = (times: readonly number[]): string =>
    `${median([...times]).toFixed(2)} ms (${(flop / median([...times]) / 1e6).toFixed(1)} GFLOP/s)`;
  console.log(
    `3x3, ${channels} channels at ${size}x${size}: Shoal ${rate(shoal)}, tfjs-wasm ${rate(tfjs)}, ` +
      `ratio median ${median(ratios).toFixed(2)}, quartiles ${quantile(ratios, 0.25).toFixed(2)} .. ${quantile(ratios, 0.75).toFixed(2)}, largest difference ${difference.toExponential(1)}`,
  );
}
console.log(
  `Node ${process.versions.node}, V8 ${process.versions.v8}, ${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, one thread each, ${samples} samples`,
);
await runtime.dispose();
