import {
  costOf,
  gradients,
  input,
  interfaceOf,
  rootsOf,
  sizeOf,
  topological,
  type Executable,
  type Feeds,
  type Program,
  type Value,
} from '@shoal/core';
import { normal, sgd, softmaxCrossEntropy, uniform, type Update } from '@shoal/math';
import type { BlockResult, Network } from '@shoal/residual';
import { imageFor, type ImageOptions } from '../image.ts';

/** `fwd`: inference. `step`: a whole step of training. */
export type Phase = 'fwd' | 'step';

/** A whole network as one program, and which part of the graph is what. */
export interface PhaseProgram {
  readonly network: string;
  readonly phase: Phase;
  readonly program: Program;
  /** [n,h,w,c] */
  readonly image: Value;
  /** What the network built. */
  readonly graph: BlockResult;
  /** Null in inference. */
  readonly loss: Value | null;
  readonly gradients: readonly Value[];
  readonly optimizer: readonly Update[];
}

/** Small enough that a network on random labels stays finite for as long as somebody measures it. */
const learningRate = 1e-3;

/**
 * The program of one phase. `fwd` is the network in evaluation: input `image`, output `output`. `step` is forward in training (dropout
 * drops, batch norm takes the statistics of the batch), mean cross-entropy, backward, and gradient descent with momentum 0.9: inputs
 * `image` and `labels`, output `loss`, updates of all parameters, velocities and running statistics.
 *
 * @throws ShapeError when the network cannot take an image of that size; ShoalError `GRADIENT` when a step cannot be differentiated
 */
export function phaseProgram(network: Network, phase: Phase, options: ImageOptions = {}): PhaseProgram {
  const image = imageFor('phase program', network, options);
  if (phase === 'fwd') {
    const graph = network.build(image);
    const program = { outputs: { output: graph.output } };
    return { network: network.name, phase, program, image, graph, loss: null, gradients: [], optimizer: [] };
  }
  const graph = network.build(image, { train: true });
  const { output, parameters, updates } = graph;
  const loss = softmaxCrossEntropy(output, input('labels', output.shape.slice(0, -1), 'i32'));
  const found = gradients(loss, parameters);
  const optimizer = sgd({ parameters, gradients: found, learningRate, momentum: 0.9 }).updates;
  const program = { outputs: { loss }, updates: [...updates, ...optimizer] };
  return { network: network.name, phase, program, image, graph, loss, gradients: found, optimizer };
}

/** Normal images and random labels, the same in every process. */
export function feedsFor({ image, graph }: PhaseProgram, { inputs }: Pick<Executable, 'inputs'>): Feeds {
  const classes = graph.output.shape.at(-1)!;
  const labels = graph.output.shape.slice(0, -1);
  const made: Readonly<Record<string, () => Feeds[string]>> = {
    image: () => Float32Array.from(normal({ seed: 1, deviation: 1 })(image.shape, 'image')),
    labels: () => Int32Array.from(uniform({ seed: 1, bound: 1 })(labels, 'labels'), (u) => Math.floor(((u + 1) / 2) * classes)),
  };
  return Object.fromEntries(inputs.map((name) => [name, made[name]!()]));
}

/** Multiply-accumulates of one run of a program, by the graph as it was built. */
export function macsOf(program: Program): number {
  return topological(rootsOf(program)).reduce((sum, node) => sum + costOf(node).multiplyAccumulates, 0);
}

/** What a program keeps on the device. */
export interface HeldBytes {
  /** Everything that exists during a run, placed and aligned. */
  readonly arena: number;
  /** Variables: parameters, running statistics, what the optimizer keeps. */
  readonly variables: number;
  /** What is computed from variables once and kept, such as packed weights. Unpadded where the device does not say what it takes. */
  readonly derived: number;
  readonly constants: number;
  /** Code as the backend handed it to its engine; 0 where the device does not say. */
  readonly code: number;
}

const bytesOf = (values: Iterable<Value>): number => [...values].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);

/** What a compiled program holds between and during runs. */
export function heldBytes(
  { program }: PhaseProgram,
  { memory, schedule, resident }: Pick<Executable, 'memory' | 'schedule' | 'resident'>,
): HeldBytes {
  const held = { arena: memory.arenaBytes, variables: bytesOf(interfaceOf(program).variables) };
  if (resident) return { ...held, ...resident };
  const kept = new Set([...schedule.steps.flatMap(({ reads }) => reads), ...schedule.outputs.map(([, value]) => schedule.stored(value))]);
  const derived = schedule.prelude.flatMap(({ outputs }) => outputs.filter((value) => value !== null && kept.has(value)));
  const read = new Set([...kept, ...schedule.prelude.flatMap(({ reads }) => reads)]);
  const constants = [...read].filter(({ origin }) => origin.kind === 'constant');
  return { ...held, derived: bytesOf(derived.filter((value) => value !== null)), constants: bytesOf(constants), code: 0 };
}
