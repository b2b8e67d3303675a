import { checkOptions, formatShape, input, sameShape, ShoalError, sizeOf } from '@shoal/core';
import type { Executable, Runtime, Shape, TensorData, Variable } from '@shoal/core';
import { normal, uniform } from '@shoal/math';
import type { Network } from '@shoal/residual';
import { Observable } from 'rxjs';
import type { IsolatedConvolution, TrunkConvolution } from './convolutions.ts';
import type { EdgeKind } from './edges.ts';
import { feedNames, planFlow, type FlowPlan, type Quantity } from './plan.ts';
import type { Fetched, Reading } from './probes.ts';
import type { ReachKind } from './reach.ts';
import { summarise, type Summary } from './summary.ts';

export interface GradientFlowOptions {
  /** Height and width of the images; default those that the network is made for. */
  readonly input?: readonly [height: number, width: number] | undefined;
  /** Images of one run; default 8. */
  readonly batch?: number | undefined;
  /** How many runs (their seeds are 0, 1, 2 ...), or the seeds; default 5 for networks made per seed, 1 for given weights. */
  readonly seeds?: number | readonly number[] | undefined;
  /** Names of the taps to look at; default {@link Network.stages}. */
  readonly stages?: readonly string[] | undefined;
  /** Whether dropout drops; default false, so that what is seen is the network's doing. */
  readonly dropout?: boolean | undefined;
}

export interface ActivationFlow {
  /** A stage, or `input` for the image. */
  readonly name: string;
  readonly shape: Shape;
  /** L2 norm of the gradient of the loss to it. */
  readonly l2: Summary;
  /** Root mean square: the norm over the root of the number of elements, for comparing tensors of unequal size. */
  readonly rms: Summary;
}

export interface EdgeFlow {
  /** The block or layer, by its name. */
  readonly name: string;
  readonly kind: EdgeKind;
  /** The convolutions on it, by name; empty for pooling, upsampling and `block`. */
  readonly convolutions: readonly string[];
  /** Norm of the gradient that reaches the input of the block on this way alone, over its norm at the output of the addition or layer; NaN where none arrives there. */
  readonly gain: Summary;
  /** Whether the gain follows from the structure alone: 1, or the root of a whole number. */
  readonly exact: boolean;
}

export interface WeightFlow {
  /** The first stage that needs the weights; `output` for those after the last. */
  readonly stage: string;
  /** L2 norm of the gradient to all weights of its convolutions and matrix products. */
  readonly l2: Summary;
  /** The same over the L2 norm of those weights. */
  readonly relative: Summary;
}

export interface LayerFlow {
  readonly name: string;
  readonly kind: ReachKind;
  /** Fraction of the elements of its input that receive gradient if every element of its output does. */
  readonly reached: Summary;
  /** Whether the fraction follows from the geometry alone. */
  readonly exact: boolean;
}

/**
 * Windows of a max pooling, as fractions of all of them. A window is *dead* when nothing comes of it for what is below: it is `silent`
 * (the gradient that arrives at it is exactly 0, so the winner gets none) or `inactive` (the pooling reads a ReLU and no cell of the
 * window is above 0: the winner passes its gradient to a ReLU that is off).
 */
export interface PoolFlow {
  readonly name: string;
  /** Windows of one run, over all images and channels. */
  readonly windows: number;
  readonly silent: Summary;
  /** Null where the pooling does not read a ReLU. */
  readonly inactive: Summary | null;
  readonly dead: Summary;
}

/** What {@link gradientFlow} finds. */
export interface FlowReport {
  readonly network: string;
  /** [batch, height, width, channels] */
  readonly input: Shape;
  readonly classes: number;
  /** `initial`: drawn anew for each seed; `given`: as they were in the runtime. */
  readonly weights: 'initial' | 'given';
  readonly seeds: readonly number[];
  /** Mean cross-entropy against random labels. */
  readonly loss: Summary;
  /** The image, and the stages in order. */
  readonly activations: readonly ActivationFlow[];
  /** Gradient norm at the first stage over that at the last. */
  readonly shallowOverDeep: { readonly shallow: string; readonly deep: string; readonly ratio: Summary };
  readonly edges: readonly EdgeFlow[];
  readonly weightGradients: readonly WeightFlow[];
  readonly layers: readonly LayerFlow[];
  readonly pools: readonly PoolFlow[];
  readonly isolatedConvolutions: readonly IsolatedConvolution[];
  readonly trunkConvolutions: readonly TrunkConvolution[];
}

/** What happens during an analysis. */
export type FlowEvent =
  | { readonly kind: 'prepare'; readonly network: string; readonly runs: number }
  | { readonly kind: 'run'; readonly network: string; readonly seed: number; readonly done: number; readonly runs: number }
  | { readonly kind: 'report'; readonly report: FlowReport };

/**
 * Where the gradients of a network go: for each seed one forward and one backward pass in training mode (batch norm by the statistics of
 * the batch), on normal images and random labels under mean cross-entropy. See {@link FlowReport} for what is measured; whatever follows
 * from the structure alone is given exactly, and marked.
 *
 *     const last = await lastValueFrom(gradientFlow((seed) => resnet50({ seed }), runtime, { input: [64, 64] }));
 *     if (last.kind === 'report') console.log(last.report.shallowOverDeep.ratio.mean);
 *
 * Nothing runs before somebody subscribes, and unsubscribing stops it. The program is compiled once; the weights of each further seed
 * are written over those of the first.
 *
 * @param network a function that makes it from a seed, for fresh weights in each run; or a network with the weights that it has in the
 *   runtime, for which seeds choose images and labels only
 * @throws ShoalError `ATTRIBUTE` for unknown or impossible options; ShapeError when the network cannot take the input, or is no
 *   classifier; `GRADIENT`, `KERNEL` as gradients and compiling do. All of them as errors of the observable
 */
export function gradientFlow(
  network: Network | ((seed: number) => Network),
  runtime: Runtime,
  options: GradientFlowOptions = {},
): Observable<FlowEvent> {
  return new Observable<FlowEvent>((subscriber) => {
    const stop = new AbortController();
    const work = async (): Promise<void> => {
      const isMade = typeof network === 'function';
      const { batch, seeds } = checked(options, isMade ? 5 : 1);
      const first = isMade ? network(seeds[0]!) : network;
      subscriber.next({ kind: 'prepare', network: first.name, runs: seeds.length });
      const [height, width] = options.input ?? first.input;
      const image = [batch, height, width, first.input[2]];
      const plan = planFlow(first, { image, stages: options.stages, dropout: options.dropout ?? false });
      const executable = await runtime.compile({ outputs: plan.outputs });
      try {
        const runs: Fetched[] = [];
        for (const seed of seeds) {
          if (stop.signal.aborted) return;
          if (isMade && runs.length > 0) await rewrite(runtime, plan.variables, network(seed), image);
          runs.push(await run(executable, image, plan.classes, seed, stop.signal));
          subscriber.next({ kind: 'run', network: first.name, seed, done: runs.length, runs: seeds.length });
        }
        const facts = { network: first.name, input: image, classes: plan.classes, weights: isMade ? 'initial' : 'given', seeds } as const;
        subscriber.next({ kind: 'report', report: { ...facts, ...findings(plan, runs) } });
      } finally {
        executable.dispose();
      }
    };
    work().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => stop.abort();
  });
}

function checked(options: GradientFlowOptions, defaultRuns: number): { readonly batch: number; readonly seeds: readonly number[] } {
  const op = 'analyze/flow';
  checkOptions(op, options, ['input', 'batch', 'seeds', 'stages', 'dropout']);
  const { batch = 8, seeds = defaultRuns } = options;
  const wrong = (fact: string, next: string): never => {
    throw new ShoalError('ATTRIBUTE', { op, fact, next });
  };
  if (!Number.isSafeInteger(batch) || batch < 1) wrong(`batch ${batch} is not a positive integer`, 'Give at least 1 image');
  if (typeof seeds === 'number' && (!Number.isSafeInteger(seeds) || seeds < 1))
    wrong(`seeds ${seeds} is not a positive integer`, 'Give at least 1');
  const list = typeof seeds === 'number' ? Array.from({ length: seeds }, (_, seed) => seed) : seeds;
  if (list.length === 0 || !list.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) {
    wrong(`seeds [${list.join(',')}] are not whole numbers of at least 0`, 'Give one or more');
  }
  return { batch, seeds: list };
}

/** Images and labels have seeds of their own, so that no weight is drawn from the same numbers. */
const dataSeed = 1000;

async function run(executable: Executable, image: Shape, classes: number, seed: number, signal: AbortSignal): Promise<Fetched> {
  const images = normal({ seed: dataSeed + seed, deviation: 1 })(image, feedNames.image);
  const drawn = uniform({ seed: dataSeed + seed, bound: 0.5 })([image[0]!], feedNames.labels);
  const labels = Int32Array.from(drawn, (u) => Math.floor((u + 0.5) * classes));
  return executable.run({ [feedNames.image]: images as TensorData, [feedNames.labels]: labels }, { signal });
}

/** Gives the variables of one network the first values of another one of the same make. */
async function rewrite(runtime: Runtime, variables: readonly Variable[], other: Network, image: Shape): Promise<void> {
  other.build(input('image', image), { train: true });
  const { state } = other.scope;
  for (const variable of variables) {
    const same = state[variable.name];
    if (!same || !sameShape(same.shape, variable.shape)) {
      throw new ShoalError('GRAPH', {
        op: 'analyze/flow',
        fact: `the network of another seed has no '${variable.name}' of shape ${formatShape(variable.shape)}`,
        next: 'Let the seed choose first values only',
      });
    }
    await runtime.write(variable, same.initial());
  }
}

type Findings = Omit<FlowReport, 'network' | 'input' | 'classes' | 'weights' | 'seeds'>;

function findings(plan: FlowPlan, runs: readonly Fetched[]): Findings {
  const over = (reading: Reading): Summary => summarise(runs.map(reading));
  const measured = (quantity: Quantity): Summary => over('exact' in quantity ? () => quantity.exact : quantity.reading);
  const stages = plan.activations.slice(1);
  const [shallow, deep] = [stages[0]!, stages.at(-1)!];
  return {
    loss: over(plan.loss),
    activations: plan.activations.map(({ name, shape, l2 }) => ({
      name,
      shape,
      l2: over(l2),
      rms: over((fetched) => l2(fetched) / Math.sqrt(sizeOf(shape))),
    })),
    shallowOverDeep: { shallow: shallow.name, deep: deep.name, ratio: over((fetched) => shallow.l2(fetched) / deep.l2(fetched)) },
    edges: plan.edges.map(({ gain, ...edge }) => ({ ...edge, gain: measured(gain), exact: 'exact' in gain })),
    weightGradients: plan.weights.map(({ stage, l2, weightL2 }) => ({
      stage,
      l2: over(l2),
      relative: over((fetched) => l2(fetched) / weightL2(fetched)),
    })),
    layers: plan.layers.map(({ reached, ...layer }) => ({ ...layer, reached: measured(reached), exact: 'exact' in reached })),
    pools: plan.pools.map(({ silent, inactive, dead, ...pool }) => ({
      ...pool,
      silent: over(silent),
      inactive: inactive && over(inactive),
      dead: over(dead),
    })),
    isolatedConvolutions: plan.roles.isolated,
    trunkConvolutions: plan.roles.trunk,
  };
}
