import type { Agreement } from './agreement.ts';
import type { EngineInfo } from './engines/engine.ts';
import type { Ratio } from './statistics.ts';
import type { Phase } from './works/index.ts';

/** `shoal.peers/1`: what `--json` writes; `schemas/peers-1.schema.json` says the same. */
export interface PeersRecord {
  readonly schema: 'shoal.peers/1';
  readonly env: Environment;
  readonly options: { readonly repeat: number; readonly threads: readonly number[]; readonly phases: readonly Phase[] };
  readonly engines: readonly EngineRecord[];
  readonly rows: readonly Row[];
}

export interface Environment {
  readonly date: string;
  readonly shoal: string;
  readonly commit: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  /** Load averages before and after: other work on the machine shows here. */
  readonly load: { readonly before: number; readonly after: number };
}

/** An engine at one number of threads: how it was set up, or why it did not take part. */
export interface EngineRecord {
  readonly name: string;
  readonly title: string;
  readonly kind: 'shoal' | 'peer' | 'control' | 'floor';
  readonly threads: number;
  readonly info?: EngineInfo;
  readonly reason?: string;
}

export interface Row {
  readonly work: string;
  readonly group: 'layer' | 'network' | 'training';
  readonly phase: Phase;
  readonly threads: number;
  readonly flop: number;
  readonly bytes: number;
  /** What the results were compared with. */
  readonly expected: string;
  readonly measurements: readonly Measurement[];
  readonly ratios: readonly RatioRecord[];
}

/** One engine at one work: times, or the reason why there are none. */
export type Measurement = Measured | { readonly engine: string; readonly reason: string };

export interface Measured {
  readonly engine: string;
  /** What the engine chose, such as a memory format. */
  readonly note?: string;
  /** Absent for the floor, which computes nothing. */
  readonly agreement?: Agreement;
  readonly runsPerSample: number;
  /** Around the call. */
  readonly samplesNs: readonly number[];
  /** Shoal's: without the copy of the operands into its memory, where the peers' operands are already. */
  readonly deviceSamplesNs?: readonly number[];
  readonly medianNs: number;
  readonly q1Ns: number;
  readonly q3Ns: number;
  readonly p95Ns: number;
  /** The least of all samples: what other work on the machine inflates last. */
  readonly bestNs: number;
  readonly deviceMedianNs?: number;
  /** By the median; absent where the work is moving data. */
  readonly gflops?: number;
}

/** Time of a Shoal engine over the time of a peer: below 1, Shoal is faster. */
export interface RatioRecord extends Ratio {
  readonly shoal: string;
  readonly peer: string;
  /** Which time of Shoal's: around the call, or on the device. */
  readonly clock: 'call' | 'device';
}

export const isMeasured = (measurement: Measurement): measurement is Measured => 'samplesNs' in measurement;
