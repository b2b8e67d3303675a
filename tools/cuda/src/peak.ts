import type { DeviceInfo } from '@shoal/core';

/**
 * Floating-point operations that a multiprocessor starts in a clock, by compute capability: two for each of its float32 lanes (CUDA C++
 * Programming Guide, arithmetic instructions), and those of its tensor cores in TF32 without sparsity (the architectures' white papers).
 */
const perClock: Readonly<Record<string, { readonly float32: number; readonly tf32?: number }>> = {
  '7.5': { float32: 128 },
  '8': { float32: 128, tf32: 1024 },
  '8.6': { float32: 256, tf32: 256 },
  '8.9': { float32: 256, tf32: 256 },
  '9': { float32: 256, tf32: 2048 },
  '10': { float32: 256, tf32: 4096 },
  '12': { float32: 256, tf32: 256 },
};

/** 10^9 operations a second at the device's highest clock, in the runtime's precision; undefined for devices that are not in the table. */
export function peakGflops({ capability, multiprocessors, clockMHz, precision }: DeviceInfo['flags']): number | undefined {
  const each = perClock[String(capability)]?.[precision === 'tf32' ? 'tf32' : 'float32'];
  return each === undefined ? undefined : (each * Number(multiprocessors) * Number(clockMHz)) / 1000;
}
