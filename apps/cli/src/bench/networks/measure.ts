import { feedsFor, heldBytes, macsOf, phaseProgram, type HeldBytes, type Phase, type Timing } from '@shoal/analyze';
import { sizeOf, type Encoding, type Executable, type Feeds, type Runtime } from '@shoal/core';
import type { Network } from '@shoal/residual';
import { networks, type NetworkName } from '@shoal/zoo';
import type { Observable } from 'rxjs';
import { modeOf, type Mode } from '../environment.ts';
import { sampleInTurn, type Job, type Prepared, type SamplingEvent } from '../sampling.ts';

/** One measured row of `shoal.bench-model/1`. */
export interface NetworkRow extends Timing, Mode {
  readonly model: string;
  readonly phase: Phase;
  readonly backend: string;
  readonly threads: number;
  readonly clock: string;
  readonly batch: number;
  /** [n,h,w,c] */
  readonly input: readonly number[];
  readonly params: number;
  /** Multiply-accumulates of one run, by the graph as it was built. */
  readonly macs: number;
  /** Two operations for each of `macs`, in 10^9 a second at the median. */
  readonly gflops: number;
  readonly imagesPerSecond: number;
  /** From the program to its first result, by the host's clock: passes, code, its compilation, packed weights, one run. Weights were drawn before. */
  readonly startMs: number;
  /** The sum of `heldBytes`. */
  readonly peakBytes: number;
  readonly heldBytes: HeldBytes;
  /** Absent for backends that compute where the host does. */
  readonly encoding?: { readonly dispatches: number; readonly microsecondsPerDispatch: number };
}

export interface NetworkBenchOptions {
  readonly models: readonly NetworkName[];
  readonly phases: readonly Phase[];
  readonly batch: number;
  /** Default each network's own. */
  readonly input?: readonly [height: number, width: number];
  /** Samples of each row. */
  readonly repeat: number;
}

/**
 * Measures whole networks, all models and phases in turn. Each phase has variables of its own: a step changes the parameters, and inference
 * would have to pack them again for each sample.
 */
export function measureNetworks(runtime: Runtime, options: NetworkBenchOptions): Observable<SamplingEvent<NetworkRow>> {
  const jobs = options.models.flatMap((model) => {
    const drawn = networks[model]();
    return options.phases.map((phase, i) => jobOf(runtime, i === 0 ? drawn : networks[model](), drawn, phase, options));
  });
  return sampleInTurn([jobs], options.repeat);
}

function jobOf(runtime: Runtime, network: Network, drawn: Network, phase: Phase, options: NetworkBenchOptions): Job<NetworkRow> {
  const prepare = async (): Promise<Prepared<NetworkRow>> => {
    const { batch, input } = options;
    const work = phaseProgram(network, phase, { batch, ...(input ? { input } : {}) });
    if (network === drawn) for (const variable of Object.values(network.scope.state)) await runtime.read(variable);
    else await copyState(runtime, drawn, network);
    const begin = performance.now();
    const executable = await runtime.compile(work.program);
    const compiled = performance.now();
    const feeds = feedsFor(work, executable);
    const fed = performance.now();
    const first = await executable.timed(feeds, { fetch: [] });
    const startMs = compiled - begin + performance.now() - fed;
    const encoding = first.encoding && (await encodingOf(executable, feeds));
    const { backend, threads, clock } = runtime.info;
    const macs = macsOf(work.program);
    const held = heldBytes(work, executable);
    const row = (times: Timing): NetworkRow => ({
      model: network.name,
      phase,
      backend,
      threads,
      clock,
      ...modeOf(runtime.info),
      batch,
      input: work.image.shape,
      params: work.graph.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
      macs,
      ...times,
      gflops: (2 * macs) / times.medianMs / 1e6,
      imagesPerSecond: (1000 * batch) / times.medianMs,
      startMs,
      peakBytes: Object.values(held).reduce((sum: number, bytes: number) => sum + bytes, 0),
      heldBytes: held,
      ...(encoding ? { encoding } : {}),
    });
    return { executable, feeds, row };
  };
  return { group: network.name, name: phase, prepare };
}

/** The least of three runs, after one that made what later ones reuse. */
async function encodingOf(executable: Executable, feeds: Feeds): Promise<NetworkRow['encoding']> {
  const runs: Encoding[] = [];
  while (runs.length < 3) runs.push((await executable.timed(feeds, { fetch: [] })).encoding!);
  const [{ dispatches }] = runs as [Encoding];
  return { dispatches, microsecondsPerDispatch: Math.min(...runs.map(({ nanoseconds }) => nanoseconds)) / 1000 / dispatches };
}

/** Drawing the weights of a large network takes longer than copying them. */
async function copyState(runtime: Runtime, from: Network, to: Network): Promise<void> {
  for (const [name, variable] of Object.entries(to.scope.state)) {
    const source = from.scope.state[name];
    if (source) await runtime.write(variable, await runtime.read(source));
  }
}
