import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform } from 'node:os';
import type { DeviceInfo } from '@shoal/core';

/** Where and with what a measurement was made. */
export interface Environment {
  readonly shoal: string;
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly device: string;
  readonly flags: DeviceInfo['flags'];
  readonly notes: readonly string[];
}

export const version = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

export function environmentOf({ device, flags, notes }: DeviceInfo): Environment {
  return {
    shoal: version,
    date: new Date().toISOString(),
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    device,
    flags,
    notes,
  };
}

/** How a backend computes, as far as it says so: `wide` is 256-bit vectors in WebAssembly. */
export interface Mode {
  readonly wide: boolean;
  readonly precision: string;
}

export function modeOf({ flags }: Pick<DeviceInfo, 'flags'>): Mode {
  const { wide, precision, strict } = flags;
  return { wide: wide === true, precision: typeof precision === 'string' ? precision : strict === true ? 'strict' : 'default' };
}
