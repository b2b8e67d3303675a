import { readWork } from '../portable/file.ts';
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
  readonly graphOptimizationLevel: 'all';
}

interface OnnxTensor {
  readonly data: Float32Array;
}

interface Session {
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

/** ONNX Runtime, which does inference: a session of the work's ONNX model, all graph optimizations on. Tensors are made before the clock starts. */
export function onnxEngine(ort: OnnxRuntime, info: EngineInfo, options: Omit<SessionOptions, 'graphOptimizationLevel'>): Engine {
  return {
    info,
    async prepare({ file, reason }) {
      if (file === undefined) throw new Unsupported(reason ?? 'no portable form');
      const work = await readWork(file);
      if (work.task.phase !== 'fwd') throw new Unsupported('inference only');
      const { graph, data } = work;
      const session = await ort.InferenceSession.create(toOnnx(work), { ...options, graphOptimizationLevel: 'all' });
      const feeds = Object.fromEntries(
        graph.inputs.map((name) => {
          const { shape } = tensorOf(graph, name);
          return [name, new ort.Tensor('float32', imageToNchw(data.get(name)! as Float32Array, shape), imageShapeNchw(shape))];
        }),
      );
      return {
        results: async () => [imageFromNchw((await session.run(feeds))[graph.output]!.data, tensorOf(graph, graph.output).shape)],
        sample: (runs) => timeRuns(runs, async () => void (await session.run(feeds))),
        release: () => session.release(),
      };
    },
    close: () => Promise.resolve(),
  };
}
