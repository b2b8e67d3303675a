import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceInfo } from '@shoal/core';
import { isMeasured, type PeersRecord } from '../../peers/src/record.ts';
import { peakGflops } from './peak.ts';

/** Those of one precision: all are ready at once, so all must fit into the device's memory together. */
const engines = {
  float32: ['shoal-cuda', 'shoal-cuda-cudnn', 'shoal-cuda-shipped', 'pytorch-cuda', 'pytorch-cuda-graph', 'ort-cuda', 'shoal-webgpu-gpu'],
  tf32: ['shoal-cuda-tf32', 'shoal-cuda-cudnn-tf32', 'pytorch-cuda-tf32', 'pytorch-cuda-graph-tf32', 'ort-cuda-tf32'],
} as const;

/** A measured rate, and what it is of the device. */
export interface Fraction {
  readonly work: string;
  readonly engine: string;
  readonly gflops: number;
  readonly ofPeak: number;
}

export interface NotMeasured {
  readonly engine: string;
  readonly reason: string;
}

export interface PeersFinding {
  readonly record: PeersRecord;
  /** Empty where the device's peak is not known. */
  readonly fractions: readonly Fraction[];
  readonly notMeasured: readonly NotMeasured[];
  /** What should have been measured: who disagrees, and whoever of Shoal's on CUDA starts and then fails. */
  readonly wrong: readonly NotMeasured[];
}

/** The benchmark of `tools/peers` on this machine's GPU, in a process of its own: it prints its tables. */
export function measurePeers(precision: 'float32' | 'tf32', flags: DeviceInfo['flags'], repeat: number): PeersFinding {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cuda-peers-'));
  try {
    const json = join(folder, 'peers.json');
    const conditions = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
    const main = join(import.meta.dirname, '../../peers/src/main.ts');
    const options = ['--gpu', '--peers', engines[precision].join(), '--repeat', String(Math.max(3, repeat)), '--json', json];
    const { status, error } = spawnSync(process.execPath, [...conditions, main, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) throw new Error(`the benchmark of peers ended with ${error?.message ?? `code ${status}`}`);
    return findingOf(JSON.parse(readFileSync(json, 'utf8')) as PeersRecord, peakGflops({ ...flags, precision }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a record says of a device: rates by the time with operands in place, where an engine has it. */
export function findingOf(record: PeersRecord, peak: number | undefined): PeersFinding {
  const fractions = record.rows.flatMap(({ work, flop, measurements }) =>
    measurements
      .filter(isMeasured)
      .map(({ engine, medianNs, deviceMedianNs = medianNs }) => ({ work, engine, gflops: flop / deviceMedianNs })),
  );
  const started = new Set(record.engines.flatMap(({ name, info }) => (info ? [name] : [])));
  const reasons = new Map(
    record.rows.flatMap(({ measurements }) =>
      measurements.flatMap((each) => (isMeasured(each) ? [] : [[JSON.stringify(each), each] as const])),
    ),
  );
  return {
    record,
    fractions: peak === undefined ? [] : fractions.map((each) => ({ ...each, ofPeak: each.gflops / peak })),
    notMeasured: [...reasons.values()],
    wrong: [...reasons.values()].filter(
      ({ engine, reason }) => reason.includes('disagrees') || (engine.startsWith('shoal-cuda') && started.has(engine)),
    ),
  };
}
