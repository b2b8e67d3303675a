import {
  tensorOf,
  type PortableGraph,
  type PortableNode,
  type PortableOp,
  type PortableWindow,
  type PortableWork,
} from '../portable/graph.ts';
import { joined, STEPS } from '../programs.ts';
import { timeRuns, Unsupported, type Engine, type EngineInfo, type Prepared, type Sample } from './engine.ts';
import type { Tensor, Tfjs } from './tfjs-api.ts';

type Op<K extends PortableOp['op']> = Extract<PortableOp, { readonly op: K }>;

/**
 * One of TensorFlow.js's engines. Tensors lie in its memory before the clock starts, and results stay there.
 *
 * @param finish waits until the device has computed what it was asked for; engines on the calling thread have when a call returns
 */
export function tfjsEngine(tf: Tfjs, info: EngineInfo, finish: Finish = () => undefined): Engine {
  return {
    info,
    async prepare({ portable }) {
      const work = await portable();
      const tensors = new Map(
        [...work.data].map(([name, values]) => {
          const shape =
            name === 'dy'
              ? tensorOf(work.graph, work.graph.output).shape
              : name === 'labels'
                ? [values.length]
                : tensorOf(work.graph, name).shape;
          return [name, tf.tensor(values, shape, values instanceof Int32Array ? 'int32' : 'float32')];
        }),
      );
      const prepared =
        work.task.phase === 'fwd'
          ? forward(tf, work, tensors, finish)
          : work.task.phase === 'bwd'
            ? backward(tf, work, tensors, finish)
            : step(tf, work, tensors, finish);
      return {
        ...prepared,
        async release() {
          tensors.forEach((tensor) => tensor.dispose());
          await prepared.release();
        },
      };
    },
    close: () => Promise.resolve(),
  };
}

/** A kernel that an engine of TensorFlow.js lacks is found out when it runs. */
function orUnsupported<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error && error.message.includes('not registered for backend')) throw new Unsupported(error.message);
    throw error;
  }
}

type Tensors = ReadonlyMap<string, Tensor>;
type Finish = () => void | Promise<void>;
const nothing = (): Promise<void> => Promise.resolve();

const timed = (runs: number, run: () => Tensor, finish: Finish): Promise<Sample> =>
  timeRuns(runs, () => {
    run().dispose();
    return finish();
  });

async function taken(tensor: Tensor): Promise<Float32Array> {
  const values = (await tensor.data()).slice();
  tensor.dispose();
  return values;
}

function forward(tf: Tfjs, { graph }: PortableWork, tensors: Tensors, finish: Finish): Prepared {
  const plan = fuse(graph);
  const run = (): Tensor => tf.tidy(() => evaluate(tf, graph, plan, tensors, true));
  return {
    results: async () => [await taken(run())],
    sample: (runs) => timed(runs, run, finish),
    release: nothing,
  };
}

/** The backward kernel of the one layer there is: TensorFlow.js's own gradients would run the forward pass again. */
function backward(tf: Tfjs, { graph, task }: PortableWork, tensors: Tensors, finish: Finish): Prepared {
  const [node] = graph.nodes;
  if (task.phase !== 'bwd' || !node || graph.nodes.length > 1)
    throw new Unsupported('no backward kernel: gradients run the forward pass again');
  const dy = tensors.get(task.seed)!;
  const x = tensors.get(node.inputs[0]!)!;
  const y = evaluate(tf, graph, [node], tensors, false);
  const run = (): Tensor => tf.tidy(() => backwardKernel(tf, node, task.wrt[0]!, { x, y, dy, weight: tensors.get(node.inputs[1] ?? '') }));
  return {
    results: async () => [await taken(orUnsupported(run))],
    sample: (runs) => timed(runs, run, finish),
    release: () => {
      y.dispose();
      return nothing();
    },
  };
}

interface Operands {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly dy: Tensor;
  readonly weight: Tensor | undefined;
}

function backwardKernel(tf: Tfjs, { kernel, inputs }: PortableNode, wrt: string, { x, y, dy, weight }: Operands): Tensor {
  const engine = tf.engine();
  if (kernel.op === 'conv2d') {
    if (kernel.groups !== 1) throw new Unsupported('no backward kernel for groups');
    const attributes = { strides: strides(kernel), pad: padding(kernel), dataFormat: 'NHWC', dimRoundingMode: 'floor' };
    return wrt === inputs[0]
      ? engine.runKernel('Conv2DBackpropInput', { dy, filter: weight! }, { ...attributes, inputShape: x.shape })
      : engine.runKernel('Conv2DBackpropFilter', { x, dy }, { ...attributes, filterShape: weight!.shape });
  }
  if (kernel.op === 'maxPool' || kernel.op === 'averagePool') {
    const attributes = { filterSize: window(kernel), strides: strides(kernel), pad: padding(kernel), dimRoundingMode: rounding(kernel) };
    return kernel.op === 'maxPool'
      ? engine.runKernel('MaxPoolGrad', { dy, input: x, output: y }, attributes)
      : engine.runKernel('AvgPoolGrad', { dy, input: x }, attributes);
  }
  throw new Unsupported(`no backward kernel for ${kernel.op}`);
}

function step(tf: Tfjs, { graph, task }: PortableWork, tensors: Tensors, finish: Finish): Prepared {
  if (task.phase !== 'step') throw new Error('not a training step');
  const parameters = new Map(task.parameters.map((name) => [name, tf.variable(tensors.get(name)!)]));
  const bound = new Map([...tensors, ...parameters]);
  const classes = tensorOf(graph, graph.output).shape.at(-1)!;
  const oneHot = tf.tidy(() => tf.oneHot(tensors.get(task.labels)!, classes));
  const optimizer = tf.train.momentum(task.learningRate, task.momentum);
  const variables = [...parameters.values()];
  const run = (): Tensor =>
    optimizer.minimize(() => tf.losses.softmaxCrossEntropy(oneHot, evaluate(tf, graph, graph.nodes, bound, false)), true, variables);
  const read = async (): Promise<Float32Array> =>
    joined(await Promise.all(variables.map(async (variable) => (await variable.data()).slice())));
  return {
    results: async () => {
      const before = await read();
      const losses = [await taken(orUnsupported(run))];
      const moved = (await read()).map((value, i) => value - before[i]!);
      for (let i = 1; i < STEPS; i++) losses.push(await taken(run()));
      return [joined(losses), moved];
    },
    sample: (runs) => timed(runs, run, finish),
    release: () => {
      variables.forEach((variable) => variable.dispose());
      oneHot.dispose();
      return nothing();
    },
  };
}

/** A node, and what its kernel does besides. */
type Planned = PortableNode & { readonly relu?: boolean };

/** Puts a ReLU that is alone in reading a convolution into the convolution's kernel, as TensorFlow.js's converter does. */
function fuse({ nodes, output }: PortableGraph): readonly Planned[] {
  const readers = (name: string): readonly PortableNode[] => nodes.filter(({ inputs }) => inputs.includes(name));
  const fused = new Map<PortableNode, PortableNode>();
  for (const node of nodes) {
    const [reader, ...others] = readers(node.output);
    const plain = node.kernel.op === 'conv2d' && node.kernel.groups === 1 && node.output !== output;
    if (plain && reader?.kernel.op === 'relu' && others.length === 0) fused.set(node, reader);
  }
  const absorbed = new Set(fused.values());
  return nodes.flatMap((node) => {
    if (absorbed.has(node)) return [];
    const relu = fused.get(node);
    return relu ? [{ ...node, output: relu.output, relu: true }] : [node];
  });
}

/** Runs the nodes. `fused` allows kernels that have no gradient by themselves. */
function evaluate(tf: Tfjs, graph: PortableGraph, nodes: readonly Planned[], known: Tensors, fused: boolean): Tensor {
  const values = new Map(known);
  for (const node of nodes)
    values.set(
      node.output,
      apply(
        tf,
        graph,
        node,
        node.inputs.map((name) => values.get(name)!),
        fused,
      ),
    );
  return values.get(graph.output)!;
}

function apply(tf: Tfjs, graph: PortableGraph, { kernel, output, relu }: Planned, inputs: readonly Tensor[], fused: boolean): Tensor {
  const [a, b, c] = inputs as [Tensor, Tensor, Tensor];
  const { shape } = tensorOf(graph, output);
  switch (kernel.op) {
    case 'conv2d':
      return convolve(tf, kernel, inputs, fused, relu ?? false);
    case 'maxPool':
      return tf.maxPool(a, window(kernel), strides(kernel), padding(kernel), rounding(kernel));
    case 'averagePool':
      if (kernel.countIncludePad && Object.values(kernel.padding).some((cells) => cells > 0))
        throw new Unsupported('averages do not count padding');
      return tf.avgPool(a, window(kernel), strides(kernel), padding(kernel), rounding(kernel));
    case 'globalAveragePool':
      return tf.mean(a, [1, 2], true);
    case 'batchNorm': {
      const { mean, variance } = tf.moments(a, [0, 1, 2]);
      return tf.batchNorm(a, mean, variance, c, b, kernel.epsilon);
    }
    case 'affine':
      return tf.add(tf.mul(a, b), c);
    case 'channelGroupSum': {
      const [n, h, w, channels] = a.shape;
      const each = channels! / kernel.groups;
      const contiguous = kernel.layout === 'contiguous';
      return tf.sum(tf.reshape(a, [n!, h!, w!, ...(contiguous ? [kernel.groups, each] : [each, kernel.groups])]), [contiguous ? 4 : 3]);
    }
    case 'upsampleNearest':
      return tf.image.resizeNearestNeighbor(a, [shape[1]!, shape[2]!]);
    case 'concat':
      return tf.concat(inputs, shape.length - 1);
    case 'matmul':
      return tf.matMul(a, b);
    case 'reshape':
      return tf.reshape(a, shape);
    case 'max':
      return tf.maximum(a, b);
    case 'min':
      return tf.minimum(a, b);
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return tf[kernel.op](a, b);
    default:
      return tf[kernel.op](a);
  }
}

function convolve(tf: Tfjs, kernel: Op<'conv2d'>, [x, filter, bias]: readonly Tensor[], fused: boolean, relu: boolean): Tensor {
  const [kh, kw, each, out] = filter!.shape;
  const dilations = [kernel.dilation.height, kernel.dilation.width] as const;
  if (kernel.groups > 1) {
    if (each !== 1) throw new Unsupported('no grouped convolution');
    const depthwise = tf.reshape(filter!, [kh!, kw!, kernel.groups, out! / kernel.groups]);
    const y = tf.depthwiseConv2d(x!, depthwise, strides(kernel), padding(kernel), 'NHWC', dilations, 'floor');
    return bias ? tf.add(y, bias) : y;
  }
  if (fused && (bias || relu)) {
    const options = {
      x: x!,
      filter: filter!,
      strides: strides(kernel),
      pad: padding(kernel),
      dilations,
      activation: relu ? 'relu' : 'linear',
    } as const;
    return tf.fused.conv2d(bias ? { ...options, bias } : options);
  }
  const y = tf.conv2d(x!, filter!, strides(kernel), padding(kernel), 'NHWC', dilations, 'floor');
  return bias ? tf.add(y, bias) : y;
}

const window = ({ window: { height, width } }: PortableWindow): [number, number] => [height, width];
const strides = ({ stride: { height, width } }: PortableWindow): [number, number] => [height, width];
const rounding = ({ ceilMode }: { readonly ceilMode: boolean }): 'ceil' | 'floor' => (ceilMode ? 'ceil' : 'floor');

const padding = ({ padding: { top, bottom, left, right } }: PortableWindow) =>
  [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as const;
