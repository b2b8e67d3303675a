import { bestTimes, timedWork } from '../autotune.ts';
import { DEPTH, microKernel, type BuiltMicroKernel } from '../micro-kernel.ts';
import type { WideVerdict } from './request.ts';

/** 256-bit instructions make sixteen columns twice as fast as eight; without them they spill, and are slower. */
const speedWanted = 1.4;
/** On a busy machine optimised code may be late. */
const patienceMs = 200;

const wideShape = { rows: 4, columns: 16 } as const;

const verdicts = new Map<boolean, WideVerdict>();

/** Checks, once per process for each way to multiply and add, that joined instructions compute the right numbers, and faster; `withdraw` takes the flag back where they do not. */
export function testWide(fma: boolean, withdraw: () => void): WideVerdict {
  const verdict = verdicts.get(fma) ?? examine(fma, withdraw);
  verdicts.set(fma, verdict);
  return verdict;
}

function examine(fma: boolean, withdraw: () => void): WideVerdict {
  const narrow = microKernel({ rows: 4, columns: 8, fma, wide: true });
  const wide = microKernel({ ...wideShape, fma, wide: true });
  const timed = [narrow, wide].map(
    ({ run, multiplyAdds }) =>
      () =>
        run(Math.ceil(timedWork / multiplyAdds)),
  );
  const expected = fill(wide);
  let speed = 0;
  for (const until = performance.now() + patienceMs; speed < speedWanted && performance.now() < until;) {
    const [before, after] = bestTimes(timed);
    speed = Math.max(speed, before! / after!);
  }
  if (expected.some((sum, i) => sum !== wide.sums[i])) {
    withdraw();
    return { wide: false, reason: 'narrow: wide code computes other numbers on this engine' };
  }
  if (speed >= speedWanted) return { wide: true };
  return {
    wide: false,
    reason: `narrow: wide mode was asked for, but this engine is no faster with it (${speed.toFixed(2)} times, ${speedWanted} expected)`,
  };
}

/** Small whole numbers as operands, whose sums float32 holds exactly; returns the sums. */
function fill({ left, right }: BuiltMicroKernel): readonly number[] {
  const { rows, columns } = wideShape;
  const whole = (i: number): number => ((i * 37) % 15) - 7;
  left.forEach((_, i) => (left[i] = whole(i)));
  right.forEach((_, i) => (right[i] = whole(i + (i >> 4))));
  return Array.from({ length: rows * columns }, (_, cell) => {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    let sum = 0;
    for (let i = 0; i < DEPTH; i++) sum += left[row * DEPTH + i]! * right[i * columns + column]!;
    return sum;
  });
}
