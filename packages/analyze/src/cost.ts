import {
  addCosts,
  checkOptions,
  costOf,
  gradients,
  input,
  leavesOf,
  ShoalError,
  sizeOf,
  type Program,
  type Runtime,
  type Shape,
  type Value,
  type Variable,
} from '@shoal/core';
import { softmaxCrossEntropy } from '@shoal/math';
import type { Network } from '@shoal/residual';
import { fishnetOperations, type Convention } from './convention.ts';
import { imageFor } from './image.ts';
import { layersOf, type Layer, type LayerKind } from './layers/index.ts';
import { livenessPeak, plannedBytes } from './memory.ts';
import { fieldOf, type AxisField } from './receptive-field/index.ts';
import { trace } from './receptive-field/trace.ts';

/** What one evaluation takes, each kind of operation under its own heading. Exact. */
export interface Counts {
  /** Trainable parameters; shared ones at the layer that uses them first. */
  readonly params: number;
  /** Multiply-accumulates of convolutions, matrix products and interpolations; those on padding count. Twice this is what is often called FLOPs. */
  readonly macs: number;
  readonly comparisons: number;
  /** Beside those in `macs`. */
  readonly additions: number;
  /** Beside those in `macs`. */
  readonly multiplications: number;
  /** Divisions, roots, exponentials and the like. */
  readonly transcendentals: number;
  /** Moved when each layer reads its inputs and parameters once and writes its output once, unpadded float32. */
  readonly bytes: number;
  /** By the convention that was asked for, per image; only where one was. */
  readonly operations?: number;
}

export interface LayerCost extends Counts {
  /** As in the original modules, `layer1.0.conv1`; see {@link Layer.name}. */
  readonly name: string;
  readonly kind: LayerKind;
  /** See {@link Layer.stage}. */
  readonly stage: string;
  /** Of its output. */
  readonly shape: Shape;
  /** What one element of the output sees of the image. */
  readonly receptiveField: LayerField;
}

export interface LayerField {
  readonly height: AxisField;
  readonly width: AxisField;
}

/** See {@link cost}. */
export interface NetworkCost extends Counts {
  readonly schema: 'shoal.cost/1';
  readonly model: string;
  /** The image: [n,h,w,c]. */
  readonly input: Shape;
  readonly convention: Convention;
  /**
   * The least memory for activations, by liveness, unpadded float32, without the parameters: {@link livenessPeak} says what counts.
   * Inference computes the output; training, where the network can be trained at this size, the loss, the gradients of all parameters
   * and the new running statistics.
   */
  readonly logicalBytes: { readonly inference: number; readonly training: number | null };
  /** The arena for inference on a backend; only with `runtime`. See {@link plannedBytes}. */
  readonly plannedBytes?: number;
  /** Of the last feature map, whose elements still have a place in the image, and which layer makes it. */
  readonly receptiveField: LayerField & { readonly layer: string };
  /** What could not be counted, and why. */
  readonly notes: readonly string[];
  readonly layers: readonly LayerCost[];
}

export interface CostOptions {
  /** Height and width of the image; default the network's own. */
  readonly input?: readonly [height: number, width: number];
  /** Images at once; default 1. Counts and bytes are of all of them. */
  readonly batch?: number;
  /**
   * `operations` (default) counts each kind of operation by itself. `fishnet` adds the one figure of FishNet's authors: see
   * {@link fishnetOperations}.
   */
  readonly convention?: Convention;
  /** Whether to work out the memory for training, which takes the graph of the gradients; default true. */
  readonly train?: boolean;
}

/**
 * What a network costs: parameters, operations of each kind, memory and receptive field, layer by layer, in evaluation. Counted from
 * the graph as it is built and not estimated; nothing runs.
 *
 * What depends on parameters alone, such as the scale of a batch norm in evaluation, is computed once for a set of weights and not counted.
 *
 * @throws ShapeError when the network cannot take an image of that size; ShoalError `ATTRIBUTE` for an unknown option or convention
 */
export function cost(network: Network, options: CostOptions = {}): NetworkCost {
  checkOptions('cost', options, ['input', 'batch', 'convention', 'train']);
  const { convention = 'operations', train = true } = options;
  if (convention !== 'operations' && convention !== 'fishnet') {
    throw new ShoalError('ATTRIBUTE', {
      op: 'cost',
      fact: `unknown convention '${String(convention)}'`,
      next: 'Use operations or fishnet',
    });
  }
  const image = imageFor('cost', network, options);
  const graph = network.build(image);
  const layers = layersOf(graph, image);
  const { sightsOf, assumed } = trace([graph.output], image, false);
  const read = readValues(layers, graph.output);
  const operations = convention === 'fishnet' ? fishnetOperations(layers) : null;
  const rows = layers.map((layer): LayerCost => ({
    name: layer.name,
    kind: layer.kind,
    stage: layer.stage,
    shape: layer.output.shape,
    ...countLayer(layer, read),
    ...(operations ? { operations: operations.get(layer)! } : {}),
    receptiveField: fieldOf(layer.output, sightsOf(layer.output)),
  }));
  const training = train ? trainingPeak(network, image) : null;
  return {
    schema: 'shoal.cost/1',
    model: network.name,
    input: image.shape,
    convention,
    ...sumCounts(rows),
    logicalBytes: {
      inference: livenessPeak({ outputs: { output: graph.output } }),
      training: typeof training === 'number' ? training : null,
    },
    receptiveField: lastMap(rows),
    notes: [
      ...(typeof training === 'string' ? [`Memory for training: ${training}`] : []),
      ...(operations && rows.filter(({ kind }) => kind === 'max pooling').length > 1 ? [sharedPooling] : []),
      ...[...assumed].map((op) => `Receptive field: ${op} does not say what it reads and was taken to read the whole image.`),
    ],
    layers: rows,
  };
}

/** {@link cost} with what a backend allocates for inference. */
export async function costOn(runtime: Runtime, network: Network, options: CostOptions = {}): Promise<NetworkCost> {
  const counted = cost(network, options);
  return { ...counted, plannedBytes: await plannedBytes(runtime, inferenceProgram(network, options)) };
}

/** The program whose memory {@link costOn} states: input `image`, output `output`. */
export function inferenceProgram(network: Network, options: Pick<CostOptions, 'input' | 'batch'> = {}): Program {
  return { outputs: { output: network.build(imageFor('cost', network, options)).output } };
}

/** Values that somebody reads: outputs that nobody does, such as winners at inference, are not written. */
function readValues(layers: readonly Layer[], output: Value): ReadonlySet<Value> {
  return new Set([output, ...layers.flatMap(({ nodes }) => nodes.flatMap(({ inputs }) => inputs))]);
}

function countLayer({ nodes, inputs, parameters }: Layer, read: ReadonlySet<Value>): Counts {
  const total = addCosts(...nodes.map(costOf));
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const inner = new Set(nodes.slice(0, -1).flatMap(({ outputs }) => outputs));
  const written = [...made].filter((value) => read.has(value) && !inner.has(value));
  const vectors = nodes.flatMap((node) => node.inputs.filter((value) => !made.has(value) && !inputs.includes(value)));
  const weights = leavesOf(vectors).filter(({ origin }) => origin.kind === 'variable');
  const views = total.bytes === 0;
  return {
    params: parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    macs: total.multiplyAccumulates,
    comparisons: total.comparisons,
    additions: total.additions,
    multiplications: total.multiplications,
    transcendentals: total.transcendentals,
    bytes: views ? 0 : [...inputs, ...weights, ...written].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0),
  };
}

const sharedPooling =
  "Operations, FishNet's way: equal max poolings are taken for one module, which the authors' script counts once for each of its places and once more.";

const countNames = ['params', 'macs', 'comparisons', 'additions', 'multiplications', 'transcendentals', 'bytes'] as const;

/** The sum of rows, heading by heading. */
export function sumCounts(rows: readonly Counts[]): Counts {
  const sum = (of: (row: Counts) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const [params, macs, comparisons, additions, multiplications, transcendentals, bytes] = countNames.map((name) => sum((row) => row[name]));
  const counts = {
    params: params!,
    macs: macs!,
    comparisons: comparisons!,
    additions: additions!,
    multiplications: multiplications!,
    transcendentals: transcendentals!,
    bytes: bytes!,
  };
  return rows.some(({ operations }) => operations !== undefined) ? { ...counts, operations: sum((row) => row.operations ?? 0) } : counts;
}

/** The last row whose elements still look at a place of their own. */
function lastMap(rows: readonly LayerCost[]): NetworkCost['receptiveField'] {
  const map = rows.findLast(({ receptiveField: { height, width } }) => height.jump !== null && width.jump !== null) ?? rows.at(-1);
  if (!map) throw new ShoalError('GRAPH', { op: 'cost', fact: 'the network has no layers', next: 'Build something from the image' });
  return { layer: map.name, ...map.receptiveField };
}

/** Bytes for one training step, or why there is none: at this size, or with these ops. */
function trainingPeak(network: Network, image: Value): number | string {
  try {
    return livenessPeak(trainingProgram(network, image));
  } catch (error) {
    if (error instanceof ShoalError && (error.code === 'SHAPE' || error.code === 'GRADIENT')) return error.message;
    throw error;
  }
}

/**
 * One step of training without an optimizer: mean cross-entropy over the last axis, the gradients of all parameters, and new running
 * statistics. Gradients are asked for last layer first, as backpropagation gives them: the order decides what is alive together.
 */
export function trainingProgram(network: Network, image: Value): Program {
  const { output, updates, parameters } = network.build(image, { train: true });
  const loss = softmaxCrossEntropy(output, input('labels', output.shape.slice(0, -1), 'i32'));
  const found = gradients(loss, parameters);
  const named = parameters.map(({ name }: Variable, i) => [`gradient ${name}`, found[i]!] as const).toReversed();
  return { outputs: { loss, ...Object.fromEntries(named) }, updates };
}
