import { tensorOf } from '../portable/graph.ts';
import { imageFromNchw, imageShapeNchw, imageToNchw } from '../portable/layout.ts';
import { toOnnx } from '../portable/onnx.ts';
import { timeRuns, Unsupported, type Engine, type EngineInfo } from './engine.ts';

/** The part of ONNX Runtime's JavaScript API that is used here, the same in Node and for the web. */
export interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options: SessionOptions): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
  readonly env: { readonly versions: { readonly common: string }; readonly wasm: { numThreads?: number; proxy?: boolean } };
}

interface SessionOptions {
  readonly executionProviders: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly interOpNumThreads?: number;
  readonly preferredOutputLocation?: 'gpu-buffer';
  readonly graphOptimizationLevel: 'all';
}

export interface OnnxTensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}

interface Session {
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

/** Where a session's tensors are. */
export interface OnnxMemory {
  tensor(values: Float32Array, dims: readonly number[]): OnnxTensor;
  /** Waits until the result is there, and gives it back. */
  finish(result: OnnxTensor): Promise<void>;
  release(): void;
}

const ordinaryMemory = (ort: OnnxRuntime): OnnxMemory => ({
  tensor: (values, dims) => new ort.Tensor('float32', values, dims),
  finish: () => Promise.resolve(),
  release: () => undefined,
});

/**
 * ONNX Runtime, which does inference: a session of the work's ONNX model, all graph optimizations on. Tensors are made before the clock starts.
 *
 * @param memory is asked for when the first session is there
 */
export function onnxEngine(
  ort: OnnxRuntime,
  info: EngineInfo,
  options: Omit<SessionOptions, 'graphOptimizationLevel'>,
  memory: () => Promise<OnnxMemory> = () => Promise.resolve(ordinaryMemory(ort)),
): Engine {
  return {
    info,
    async prepare({ portable }) {
      const work = await portable();
      if (work.task.phase !== 'fwd') throw new Unsupported('inference only');
      const { graph, data } = work;
      const session = await ort.InferenceSession.create(toOnnx(work), { ...options, graphOptimizationLevel: 'all' });
      const place = await memory();
      const feeds = Object.fromEntries(
        graph.inputs.map((name) => {
          const { shape } = tensorOf(graph, name);
          return [name, place.tensor(imageToNchw(data.get(name)! as Float32Array, shape), imageShapeNchw(shape))];
        }),
      );
      const run = async (): Promise<OnnxTensor> => (await session.run(feeds))[graph.output]!;
      return {
        async results() {
          const result = await run();
          const values = imageFromNchw(await result.getData(), tensorOf(graph, graph.output).shape);
          await place.finish(result);
          return [values];
        },
        sample: (runs) => timeRuns(runs, async () => place.finish(await run())),
        async release() {
          await session.release();
          place.release();
        },
      };
    },
    close: () => Promise.resolve(),
  };
}
