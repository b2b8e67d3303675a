import { expression as e, input, map, type Runtime, type Value } from '@shoal/core';
import { matmul } from '@shoal/math';

/** How fast a machine was at the two things that every layer does, measured just then. */
export interface Limits {
  /** The fastest of some matrix products, in 10^9 floating-point operations a second. */
  readonly gflops: number;
  /** It was of two matrices of this many rows and columns. */
  readonly product: number;
  /** Copying tensors of several sizes, small ones first. */
  readonly copies: readonly CopySpeed[];
}

export interface CopySpeed {
  /** Read and written together. */
  readonly bytes: number;
  /** In 10^9 bytes read and written a second. */
  readonly gbps: number;
}

const productSizes = [256, 384, 512] as const;
/** From what a core's cache holds to what no cache does. */
const copySizes = [1 << 20, 4 << 20, 16 << 20, 64 << 20] as const;
/** A slow engine is not asked for more than this, in milliseconds for each program. */
const budget = 250;
const mostRuns = 20;

/**
 * Measures the limits of a runtime's device with all its threads, in a second or two. Of several runs the fastest counts: what disturbs a
 * run makes it slower, never faster. The operands of the products are in the caches, and their panels packed in the time measured.
 */
export async function measureLimits(runtime: Runtime): Promise<Limits> {
  const products: { readonly size: number; readonly gflops: number }[] = [];
  for (const size of productSizes) {
    const [a, b] = [input('a', [size, size]), input('b', [size, size])];
    const nanoseconds = await fastest(runtime, matmul(a, b), { a: ramp(size * size), b: ramp(size * size) });
    products.push({ size, gflops: (2 * size ** 3) / nanoseconds });
    if (nanoseconds > budget * 1e6) break;
  }
  const { size: product, gflops } = products.reduce((best, each) => (each.gflops > best.gflops ? each : best));
  const copies: CopySpeed[] = [];
  for (const size of copySizes) {
    const x = input('x', [size / 4]);
    const nanoseconds = await fastest(runtime, map([x], (value) => e.neg(value)), { x: ramp(size / 4) }); // prettier-ignore
    copies.push({ bytes: 2 * size, gbps: (2 * size) / nanoseconds });
  }
  return { gflops, product, copies };
}

/** The speed of the largest copy that is no larger: what a tensor of that size can reach where it is at best. */
export function copySpeed({ copies }: Limits, bytes: number): number {
  return (copies.findLast((copy) => copy.bytes <= bytes) ?? copies[0]!).gbps;
}

const ramp = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => (i % 17) / 17);

async function fastest(runtime: Runtime, y: Value, feeds: Readonly<Record<string, Float32Array>>): Promise<number> {
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
