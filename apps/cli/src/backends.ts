import type { TuningProgress } from '@shoal/backend-webgpu';
import { createRuntime, type Runtime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { poolReference } from '@shoal/pool/reference';
import { residualReference } from '@shoal/residual/reference';
import { UsageError } from './output.ts';

export interface BackendOptions {
  readonly threads?: number;
  /** Choose kernels by timing, where the backend can: for what measures speed. Default false. */
  readonly autotune?: boolean;
  /** Told what is timed, while a program is compiled. */
  readonly onTuning?: (kernel: string) => void;
}

/** How each backend of the command line is opened. Device code is loaded only when it is asked for. */
const openers = {
  reference: () => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]),
  wasm: async ({ threads }: BackendOptions) => {
    const [{ wasm }, { convWasm }, { mathWasm }, { poolWasm }, { residualWasm }] = await Promise.all([
      import('@shoal/backend-wasm'),
      import('@shoal/conv/wasm'),
      import('@shoal/math/wasm'),
      import('@shoal/pool/wasm'),
      import('@shoal/residual/wasm'),
    ]);
    return createRuntime(wasm(threads === undefined ? {} : { threads }), [convWasm, mathWasm, poolWasm, residualWasm]);
  },
  webgpu: async ({ autotune = false, onTuning }: BackendOptions) => {
    const [{ webgpu }, { convWebgpu }, { mathWebgpu }, { poolWebgpu }, { residualWebgpu }] = await Promise.all([
      import('@shoal/backend-webgpu'),
      import('@shoal/conv/webgpu'),
      import('@shoal/math/webgpu'),
      import('@shoal/pool/webgpu'),
      import('@shoal/residual/webgpu'),
    ]);
    const plugins = [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu];
    // Without a GPU, Vulkan on the CPU will do where it is installed: slow, but the same shaders.
    const tuning = autotune && { onProgress: ({ kernel }: TuningProgress) => onTuning?.(kernel) };
    return createRuntime(webgpu({ autotune: tuning }), plugins).catch((error: unknown) =>
      createRuntime(webgpu({ software: true }), plugins).catch(() => {
        throw error;
      }),
    );
  },
  cuda: () => openCuda('kernels'),
  'cuda-cudnn': () => openCuda('cudnn'),
  'tfjs-cpu': () => openTfjs('cpu'),
  'tfjs-wasm': () => openTfjs('wasm'),
} satisfies Record<string, (options: BackendOptions) => Promise<Runtime>>;

async function openCuda(convolution: 'kernels' | 'cudnn'): Promise<Runtime> {
  const [{ cuda }, { convCuda }, { mathCuda }, { poolCuda }, { residualCuda }] = await Promise.all([
    import('@shoal/backend-cuda'),
    import('@shoal/conv/cuda'),
    import('@shoal/math/cuda'),
    import('@shoal/pool/cuda'),
    import('@shoal/residual/cuda'),
  ]);
  return createRuntime(cuda({ convolution }), [convCuda, mathCuda, poolCuda, residualCuda]);
}

/** An engine of TensorFlow.js; its packages are the user's to install, and the error says which. */
async function openTfjs(engine: 'cpu' | 'wasm'): Promise<Runtime> {
  const [{ tfjs }, { importEngine }, { convTfjs }, { mathTfjs }, { poolTfjs }, { residualTfjs }] = await Promise.all([
    import('@shoal/backend-tfjs'),
    import('@shoal/backend-tfjs/node'),
    import('@shoal/conv/tfjs'),
    import('@shoal/math/tfjs'),
    import('@shoal/pool/tfjs'),
    import('@shoal/residual/tfjs'),
  ]);
  return createRuntime(tfjs(await importEngine(engine)), [convTfjs, mathTfjs, poolTfjs, residualTfjs]);
}

export type BackendName = keyof typeof openers;

export const backendNames = Object.keys(openers) as readonly BackendName[];

/** `cpu` is the WASM backend. */
export function backendName(text: string): BackendName {
  const name = text === 'cpu' ? 'wasm' : text;
  const known = backendNames.find((each) => each === name);
  if (!known) throw new UsageError(`unknown backend '${text}'. Known backends: cpu, ${backendNames.join(', ')}`);
  return known;
}

export async function openRuntime(name: BackendName, options: BackendOptions = {}): Promise<Runtime> {
  if (options.threads !== undefined && name !== 'wasm') throw new UsageError(`--threads is for the CPU backend; ${name} takes none`);
  return openers[name](options);
}
