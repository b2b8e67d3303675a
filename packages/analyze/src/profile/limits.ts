import { conv2d } from '@shoal/conv';
import { expression as e, input, map, sizeOf, type Runtime, type Value } from '@shoal/core';
import { matmul } from '@shoal/math';

/** How fast a machine was at the two things that every layer does, measured just then. */
export interface Limits {
  /** The fastest of some matrix products and 1x1 convolutions, in 10^9 floating-point operations a second. */
  readonly gflops: number;
  /** Which of them it was, in words. */
  readonly fastest: string;
  /** Copying tensors of several sizes, small ones first. */
  readonly copies: readonly CopySpeed[];
}

export interface CopySpeed {
  /** Read and written together. */
  readonly bytes: number;
  /** In 10^9 bytes read and written a second. */
  readonly gbps: number;
}

/** A program whose arithmetic is what takes time, and its inputs by name. */
interface Probe {
  readonly what: string;
  readonly macs: number;
  readonly y: Value;
  readonly operands: Readonly<Record<string, Value>>;
}

const product = (size: number): Probe => {
  const [a, b] = [input('a', [size, size]), input('b', [size, size])];
  return { what: `a product of ${size}x${size} matrices`, macs: size ** 3, y: matmul(a, b), operands: { a, b } };
};

/** 1x1, for which no kernel has a way with fewer operations. */
const convolution = (channels: number, size: number): Probe => {
  const [x, w] = [input('x', [1, size, size, channels]), input('w', [1, 1, channels, channels])];
  const what = `a 1x1 convolution of ${channels} channels at ${size}x${size}`;
  return { what, macs: (size * channels) ** 2, y: conv2d(x, w), operands: { x, w } };
};

const probes = (): readonly Probe[] => [product(256), convolution(256, 28), product(384), product(512)];

/** From what a core's cache holds to what no cache does. */
const copySizes = [1 << 20, 4 << 20, 16 << 20, 64 << 20] as const;
/** A slow engine is not asked for more than this, in milliseconds for each program. */
const budget = 250;
const mostRuns = 20;

/**
 * Measures the limits of a runtime's device with all its threads, in a second or two. Of several runs the fastest counts: what disturbs a
 * run makes it slower, never faster. Operands are in the caches, and packed within the time that is measured.
 */
export async function measureLimits(runtime: Runtime): Promise<Limits> {
  let best = { gflops: 0, fastest: '' };
  for (const { what, macs, y, operands } of probes()) {
    const nanoseconds = await fastest(runtime, y, operands);
    const gflops = (2 * macs) / nanoseconds;
    if (gflops > best.gflops) best = { gflops, fastest: what };
    // The next one is larger.
    if (nanoseconds > budget * 1e6) break;
  }
  const copies: CopySpeed[] = [];
  for (const size of copySizes) {
    const x = input('x', [size / 4]);
    const nanoseconds = await fastest(
      runtime,
      map([x], (value) => e.neg(value)),
      { x },
    );
    copies.push({ bytes: 2 * size, gbps: (2 * size) / nanoseconds });
  }
  return { ...best, copies };
}

/** The speed of the largest copy that is no larger: what a tensor of that size can reach where it is at best. */
export function copySpeed({ copies }: Limits, bytes: number): number {
  return (copies.findLast((copy) => copy.bytes <= bytes) ?? copies[0]!).gbps;
}

const ramp = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => (i % 17) / 17);

async function fastest(runtime: Runtime, y: Value, operands: Probe['operands']): Promise<number> {
  const feeds = Object.fromEntries(Object.entries(operands).map(([name, { shape }]) => [name, ramp(sizeOf(shape))]));
  const executable = await runtime.compile({ outputs: { y } });
  try {
    let best = Infinity;
    const until = performance.now() + budget;
    // Twice at least, as the first run may compile.
    for (let i = 0; i < 2 || (i < mostRuns && performance.now() < until); i++) {
      best = Math.min(best, (await executable.timed(feeds, { fetch: [] })).nanoseconds);
    }
    return best;
  } finally {
    executable.dispose();
  }
}
