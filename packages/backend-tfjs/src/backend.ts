import {
  supported,
  unsupported,
  type Backend,
  type Device,
  type DeviceInfo,
  type DeviceProgram,
  type Node,
  type Schedule,
  type TensorData,
  type Variable,
} from '@shoal/core';
import { checkEngine, openEngine, testedEngines, type Engine, type Tensor, type Tensorflow } from './engine.ts';
import type { TfjsKernel } from './kernel.ts';
import { TfjsProgram } from './program.ts';
import { structuralTfjs } from './structural/index.ts';
import { download, upload } from './transfer.ts';

/** Beyond this rank engines throw or read memory that is not theirs. */
const maximumRank = 6;

/**
 * TensorFlow.js as a backend: a program runs op by op on the engine that `tf` is set to. What the engine lacks or gets wrong is put
 * together from what it gets right, and integers are the host's; docs/adr/0001 lists both.
 *
 * Tested on the engines cpu, wasm and webgpu of TensorFlow.js 4.22. `@tensorflow/tfjs-node-gpu` (Node 18 to 20, CUDA 11.2, cuDNN 8.1)
 * may be passed in like any other and has not been tested: `runtime.info.notes` says so.
 *
 * Padding is read as zeros by the engines' forward convolution, so infinite weights give NaN at padded edges.
 *
 * @param tf `@tensorflow/tfjs-core`, or a package that exports all of it, with an engine imported and chosen by `tf.setBackend`. The
 *   adapter brings none, and leaves the engine as it is when the runtime is disposed.
 */
export function tfjs(tf: Tensorflow): Backend<TfjsKernel> {
  return {
    name: 'tfjs',
    kernels: structuralTfjs,
    supports: (kernel, site) => {
      const rank = kernel.rank?.(site) ?? Math.max(0, ...[...site.inputs, ...site.outputs].map(({ shape }) => shape.length));
      return rank > maximumRank ? unsupported(`a tensor of rank ${rank}: engines of TensorFlow.js go up to ${maximumRank}`) : supported;
    },
    open: async () => new TfjsDevice(await openEngine(tf)),
  };
}

class TfjsDevice implements Device<TfjsKernel> {
  readonly info: DeviceInfo;
  readonly #engine: Engine;
  readonly #variables = new Map<Variable, Tensor>();
  readonly #programs = new Set<TfjsProgram>();

  constructor(engine: Engine) {
    this.#engine = engine;
    const { name, tf } = engine;
    this.info = {
      backend: 'tfjs',
      device: `TensorFlow.js ${tf.version_core}, ${name}`,
      threads: 1,
      clock: 'performance.now',
      flags: {
        engine: name,
        extremaKeepNaN: engine.extremaKeepNaN,
        reductionsKeepNaN: engine.reductionsKeepNaN,
        sumsInDouble: engine.sumsInDouble,
        logReachesEnds: engine.logReachesEnds,
        powReachesEnds: engine.powReachesEnds,
      },
      notes: testedEngines.has(name)
        ? []
        : [`Shoal has not been tested on the TensorFlow.js engine ${name}: run its conformance cases first`],
    };
  }

  compile(schedule: Schedule, kernelFor: (node: Node) => TfjsKernel): Promise<DeviceProgram> {
    const program = new TfjsProgram(this.#engine, schedule, kernelFor, this.#variables, () => this.#programs.delete(program));
    this.#programs.add(program);
    return Promise.resolve(program);
  }

  read(variable: Variable): Promise<TensorData> {
    return download(this.#variables.get(variable)!, variable.dtype);
  }

  write(variable: Variable, data: TensorData): Promise<void> {
    checkEngine(this.#engine, 'write');
    this.#variables.get(variable)?.dispose();
    this.#variables.set(variable, this.#engine.tf.keep(upload(this.#engine.tf, variable, data)));
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    for (const program of this.#programs) program.dispose();
    for (const tensor of this.#variables.values()) tensor.dispose();
    this.#variables.clear();
    return Promise.resolve();
  }
}
