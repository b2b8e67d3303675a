import { tensorOf, type PortableGraph, type PortableNode, type PortableWindow, type PortableWork } from '../portable/graph.ts';
import { fromOihw, imageFromNchw, imageShapeNchw, imageToNchw, permute, permutedShape, toOihw } from '../portable/layout.ts';
import { timeRuns, Unsupported, type Engine, type EngineInfo, type Prepared } from './engine.ts';

/** An array of jax-js, which a function it is passed to consumes; `ref` is one more use of it. */
interface JaxArray {
  readonly ref: JaxArray;
  readonly shape: readonly number[];
  reshape(shape: readonly number[]): JaxArray;
  blockUntilReady(): Promise<JaxArray>;
  data(): Promise<Float32Array>;
  dispose(): void;
}

type Pair = readonly [number, number];
type Unary = (x: JaxArray) => JaxArray;
type JaxDevice = 'wasm' | 'webgpu';

/** The part of jax-js that is used here. */
export interface JaxJs {
  init(device: JaxDevice): Promise<readonly string[]>;
  defaultDevice(device: JaxDevice): void;
  jit(f: Unary): Unary;
  vjp(f: Unary, primals: readonly JaxArray[]): readonly [JaxArray, (dy: JaxArray) => readonly JaxArray[]];
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    pad(x: JaxArray, widths: readonly Pair[], options: { readonly mode: 'constant'; readonly constantValues: number }): JaxArray;
    max(x: JaxArray): JaxArray;
    add(a: JaxArray, b: JaxArray): JaxArray;
    multiply(a: JaxArray, b: JaxArray): JaxArray;
    mean(x: JaxArray, axes: readonly number[], options: { readonly keepdims: boolean }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    concatenate(arrays: readonly JaxArray[], axis: number): JaxArray;
  };
  readonly nn: { relu: Unary; sigmoid: Unary };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      weight: JaxArray,
      strides: Pair,
      padding: readonly [Pair, Pair],
      options: { readonly rhsDilation: Pair; readonly featureGroupCount: number },
    ): JaxArray;
    reduceWindow(x: JaxArray, computation: Unary, window: readonly number[], strides: readonly number[]): JaxArray;
  };
}

/**
 * jax-js. Layers and forward passes; whichever of `jit` and plain calls is faster for the work is measured. On WebAssembly it is one thread
 * outside of pages.
 */
export async function jaxEngine(jax: JaxJs, version: string, device: JaxDevice, flags: EngineInfo['flags'] = {}): Promise<Engine> {
  if (!(await jax.init(device)).includes(device)) throw new Unsupported(`jax-js has no ${device} here`);
  jax.defaultDevice(device);
  return {
    info: { version, threads: 1, clock: 'performance.now', flags: { device, ...flags } },
    async prepare({ portable }) {
      const work = await portable();
      const weights = new Set(work.graph.nodes.flatMap(({ kernel, inputs }) => (kernel.op === 'conv2d' ? [inputs[1]!] : [])));
      const arrays = new Map(
        [...work.data].flatMap(([name, values]) =>
          values instanceof Float32Array ? [[name, load(jax, work.graph, weights, name, values)] as const] : [],
        ),
      );
      return work.task.phase === 'fwd' ? forward(jax, work, arrays) : backward(jax, work, weights, arrays);
    },
    close: () => Promise.resolve(),
  };
}

type Arrays = ReadonlyMap<string, JaxArray>;

function load(jax: JaxJs, graph: PortableGraph, weights: ReadonlySet<string>, name: string, values: Float32Array): JaxArray {
  const { shape } = tensorOf(graph, name === 'dy' ? graph.output : name);
  if (weights.has(name)) return jax.numpy.array(permute(values, shape, toOihw)).reshape(permutedShape(shape, toOihw));
  return jax.numpy.array(imageToNchw(values, shape)).reshape(imageShapeNchw(shape));
}

const disposeAll = (arrays: Arrays): Promise<void> => {
  arrays.forEach((array) => array.dispose());
  return Promise.resolve();
};

async function forward(jax: JaxJs, { graph }: PortableWork, arrays: Arrays): Promise<Prepared> {
  const name = graph.inputs[0]!;
  const plain: Unary = (x) => evaluate(jax, graph, name, x, arrays);
  const x = arrays.get(name)!;
  const { run, note } = await faster({ plain, jit: jax.jit(plain) }, async (f) => f(x.ref).blockUntilReady());
  return {
    note,
    results: async () => [imageFromNchw((await (await run()).data()).slice(), tensorOf(graph, graph.output).shape)],
    sample: (runs) => timeRuns(runs, async () => (await run()).dispose()),
    release: () => disposeAll(arrays),
  };
}

async function backward(jax: JaxJs, { graph, task }: PortableWork, weights: ReadonlySet<string>, arrays: Arrays): Promise<Prepared> {
  if (task.phase !== 'bwd') throw new Unsupported('no optimizer in the package');
  const name = task.wrt[0]!;
  const plain: Unary = (x) => evaluate(jax, graph, name, x, arrays);
  const dy = arrays.get(task.seed)!;
  const pullback = (f: Unary): ((dy: JaxArray) => readonly JaxArray[]) => {
    const [y, pull] = jax.vjp(f, [arrays.get(name)!.ref]);
    y.dispose();
    return pull;
  };
  const { run, note } = await faster({ plain: pullback(plain), jit: pullback(jax.jit(plain)) }, async (pull) =>
    pull(dy.ref)[0]!.blockUntilReady(),
  );
  const { shape } = tensorOf(graph, name);
  return {
    note,
    results: async () => {
      const values = (await (await run()).data()).slice();
      return [weights.has(name) ? permute(values, permutedShape(shape, toOihw), fromOihw) : imageFromNchw(values, shape)];
    },
    sample: (runs) => timeRuns(runs, async () => (await run()).dispose()),
    release: () => disposeAll(arrays),
  };
}

interface Chosen {
  readonly run: () => Promise<JaxArray>;
  readonly note: string;
}

/** Runs of more milliseconds are left out: a sample of each engine in turn would take all day. */
const mostMilliseconds = 5000;

/** The candidate that takes less time at its second run: the first one compiles. */
async function faster<T>(candidates: Readonly<Record<string, T>>, start: (candidate: T) => Promise<JaxArray>): Promise<Chosen> {
  let best: (Chosen & { readonly milliseconds: number }) | undefined;
  for (const [note, candidate] of Object.entries(candidates)) {
    const run = (): Promise<JaxArray> => start(candidate);
    (await run()).dispose();
    const begin = performance.now();
    (await run()).dispose();
    const milliseconds = performance.now() - begin;
    if (milliseconds > mostMilliseconds) throw new Unsupported(`one run takes more than ${mostMilliseconds / 1000} s`);
    if (!best || milliseconds < best.milliseconds) best = { run, note, milliseconds };
  }
  return best!;
}

/** The graph as a function of the tensor `name`; every use of an array takes a reference, and what is left of one is given back. */
function evaluate(jax: JaxJs, graph: PortableGraph, name: string, x: JaxArray, arrays: Arrays): JaxArray {
  const values = new Map<string, JaxArray>([[name, x]]);
  const valueOf = (input: string): JaxArray => (values.get(input) ?? arrays.get(input)!).ref;
  for (const node of graph.nodes) values.set(node.output, apply(jax, graph, node, node.inputs.map(valueOf)));
  const result = values.get(graph.output)!.ref;
  values.forEach((value) => value.dispose());
  return result;
}

const edges = ({ padding: { top, bottom, left, right } }: PortableWindow): readonly [Pair, Pair] => [
  [top, bottom],
  [left, right],
];

function pooled(jax: JaxJs, kernel: PortableWindow, x: JaxArray, outside: number, computation: Unary): JaxArray {
  if (kernel.dilation.height !== 1 || kernel.dilation.width !== 1) throw new Unsupported('no dilation in pooling');
  const [vertical, horizontal] = edges(kernel);
  const padded = [...vertical, ...horizontal].some((cells) => cells > 0)
    ? jax.numpy.pad(x, [[0, 0], [0, 0], vertical, horizontal], { mode: 'constant', constantValues: outside })
    : x;
  const { window, stride } = kernel;
  return jax.lax.reduceWindow(padded, computation, [1, 1, window.height, window.width], [1, 1, stride.height, stride.width]);
}

function apply(jax: JaxJs, graph: PortableGraph, { kernel, output }: PortableNode, inputs: readonly JaxArray[]): JaxArray {
  const [a, b, c] = inputs as [JaxArray, JaxArray, JaxArray];
  const { numpy: np } = jax;
  const shape = imageShapeNchw(tensorOf(graph, output).shape);
  const perChannel = (vector: JaxArray): JaxArray =>
    vector.shape.length === 1 && shape.length === 4 ? vector.reshape([-1, 1, 1]) : vector;
  switch (kernel.op) {
    case 'conv2d': {
      const { stride, dilation, groups } = kernel;
      const options = { rhsDilation: [dilation.height, dilation.width], featureGroupCount: groups } as const;
      const y = jax.lax.convGeneralDilated(a, b, [stride.height, stride.width], edges(kernel), options);
      return inputs.length > 2 ? np.add(y, perChannel(c)) : y;
    }
    case 'maxPool':
      if (kernel.ceilMode) break;
      return pooled(jax, kernel, a, -Infinity, (x) => np.max(x));
    case 'averagePool':
      if (kernel.ceilMode || Object.values(kernel.padding).some((cells) => cells > 0)) break;
      return pooled(jax, kernel, a, 0, (x) => np.mean(x, [0, 1, 2, 3], { keepdims: false }));
    case 'globalAveragePool':
      return np.mean(a, [2, 3], { keepdims: true });
    case 'affine':
      return np.add(np.multiply(a, perChannel(b)), perChannel(c));
    case 'relu':
    case 'sigmoid':
      return jax.nn[kernel.op](a);
    case 'add':
      return np.add(perChannel(a), perChannel(b));
    case 'mul':
      return np.multiply(perChannel(a), perChannel(b));
    case 'concat':
      return np.concatenate(inputs, shape.length === 4 ? 1 : shape.length - 1);
    case 'matmul':
      return np.matmul(a, b);
    case 'reshape':
      if (a.shape.length === 4 && a.shape[2]! * a.shape[3]! > 1) break;
      return a.reshape(shape);
  }
  throw new Unsupported(`${kernel.op} is not written in jax-js here`);
}
