import { checkOptions, type LaunchCount, type Runtime, type Shape, type Step } from '@shoal/core';
import type { Network } from '@shoal/residual';
import type { ImageOptions } from '../image.ts';
import { trafficCounter } from './floor.ts';
import { macsByOwner, ownersOf, type Section } from './owners.ts';
import { phaseProgram, type Phase } from './program.ts';

export interface CountOptions extends ImageOptions {
  /** Default `fwd`. */
  readonly phase?: Phase;
}

/** What some launches ask of a device, beside the least that their work needs. */
export interface Asked {
  readonly launches: number;
  /** Of the graph as it was built. */
  readonly macs: number;
  /** Of the launches that are matrix products, with the parts of tiles that lie outside of them. Winograd's way needs fewer than the graph has. */
  readonly productMacs: number;
  /** Read and written by the launches, one after the other: each tensor once in each launch. */
  readonly bytes: number;
  /** Inputs, parameters and output, each once. */
  readonly leastBytes: number;
  /** The most that one workgroup shares. */
  readonly workgroupBytes: number;
  /** The most sums that one thread keeps in registers. */
  readonly accumulators: number;
}

/** A layer, or a part of a training step that is none. */
export interface CountedLayer extends Section, Asked {}

/** See {@link countNetwork}. */
export interface NetworkCount {
  readonly model: string;
  readonly phase: Phase;
  readonly backend: string;
  /** [n,h,w,c] */
  readonly input: Shape;
  readonly total: Asked;
  /** Those that have launches of their own, in the order of the network: others are in the launches of these. */
  readonly layers: readonly CountedLayer[];
  /** Their sums and maxima by kind, in the order in which kinds appear. */
  readonly kinds: readonly (Asked & Pick<Section, 'kind'>)[];
}

/**
 * What a network asks of a device, layer by layer: launches, bytes and arithmetic beside the least, workgroup memory and registers. It
 * is read off the text of the kernels: nothing runs, so it says the same with a slow device as with a fast one. What is computed once
 * per version of the weights is in no count.
 *
 * @throws ShoalError `UNSUPPORTED` where the backend does not count; other errors are those of compiling
 */
export async function countNetwork(runtime: Runtime, network: Network, options: CountOptions = {}): Promise<NetworkCount> {
  checkOptions('count', options, ['phase', 'input', 'batch']);
  const { phase = 'fwd', ...size } = options;
  const work = phaseProgram(network, phase, size);
  const { schedule, steps } = await runtime.count(work.program);
  const ownership = ownersOf(work);
  const traffic = trafficCounter(schedule);
  const macs = macsByOwner(ownership);
  const ownerOf = new Map<Step, Section>(steps.map(({ step }) => [step, ownership.of(step)[0].section]));
  const counted = ownership.sections.map((section): CountedLayer => {
    const own = steps.filter(({ step }) => ownerOf.get(step) === section);
    const launches = own.flatMap((each) => each.launches);
    const sum = (of: (launch: LaunchCount) => number): number => launches.reduce((total, launch) => total + of(launch), 0);
    const most = (of: (launch: LaunchCount) => number): number => launches.reduce((largest, launch) => Math.max(largest, of(launch)), 0);
    return {
      ...section,
      launches: launches.length,
      macs: directions.reduce((total, direction) => total + macs(section, direction), 0),
      productMacs: sum(({ multiplyAccumulates }) => multiplyAccumulates),
      bytes: sum(({ bytes }) => bytes),
      leastBytes: traffic(own.map(({ step }) => step)),
      workgroupBytes: most(({ workgroupBytes }) => workgroupBytes),
      accumulators: most(({ accumulators }) => accumulators),
    };
  });
  const kinds = [...new Set(counted.map(({ kind }) => kind))].map((kind) => ({
    kind,
    ...joined(counted.filter((each) => each.kind === kind)),
  }));
  return {
    model: network.name,
    phase,
    backend: runtime.backend,
    input: work.image.shape,
    total: joined(counted),
    layers: counted.filter(({ launches }) => launches > 0),
    kinds: kinds.filter(({ launches }) => launches > 0),
  };
}

const directions = ['forward', 'backward', 'update'] as const;

function joined(parts: readonly Asked[]): Asked {
  const sum = (of: (part: Asked) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const most = (of: (part: Asked) => number): number => parts.reduce((largest, part) => Math.max(largest, of(part)), 0);
  return {
    launches: sum(({ launches }) => launches),
    macs: sum(({ macs }) => macs),
    productMacs: sum(({ productMacs }) => productMacs),
    bytes: sum(({ bytes }) => bytes),
    leastBytes: sum(({ leastBytes }) => leastBytes),
    workgroupBytes: most(({ workgroupBytes }) => workgroupBytes),
    accumulators: most(({ accumulators }) => accumulators),
  };
}
