import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ShoalError } from '@shoal/core';
import type { KoffiFunc, LibraryHandle } from 'koffi';
import type { Convolution, ConvolutionCommand, ConvolutionLibrary, ConvolutionPass, ConvolutionPlan } from '../convolution.ts';
import type { Precision } from '../kernel.ts';
import { load, unavailable } from './library.ts';
import { candidates, here, libraryFolders, type Environment } from './search.ts';

type Handle = bigint;

/** As cuDNN's functions are called. */
const passNames: Readonly<Record<ConvolutionPass, string>> = {
  forward: 'ConvolutionForward',
  'backward-data': 'ConvolutionBackwardData',
  'backward-filter': 'ConvolutionBackwardFilter',
};

/**
 * The parameters of cuDNN's functions; all return a cudnnStatus_t. This is its "legacy" interface, which cuDNN 9 deprecates and has:
 * the graph interface would say the same convolutions in some twenty calls each. https://docs.nvidia.com/deeplearning/cudnn
 */
const signatures: Readonly<Record<string, readonly string[]>> = {
  cudnnCreate: ['void *'],
  cudnnDestroy: ['void *'],
  cudnnSetStream: ['void *', 'void *'],
  cudnnCreateTensorDescriptor: ['void *'],
  cudnnSetTensor4dDescriptor: ['void *', 'int', 'int', 'int', 'int', 'int', 'int'],
  cudnnDestroyTensorDescriptor: ['void *'],
  cudnnCreateFilterDescriptor: ['void *'],
  cudnnSetFilter4dDescriptor: ['void *', 'int', 'int', 'int', 'int', 'int', 'int'],
  cudnnDestroyFilterDescriptor: ['void *'],
  cudnnCreateConvolutionDescriptor: ['void *'],
  cudnnSetConvolution2dDescriptor: ['void *', 'int', 'int', 'int', 'int', 'int', 'int', 'int', 'int'],
  cudnnSetConvolutionGroupCount: ['void *', 'int'],
  cudnnSetConvolutionMathType: ['void *', 'int'],
  cudnnDestroyConvolutionDescriptor: ['void *'],
  ...Object.fromEntries(
    Object.values(passNames).flatMap((pass): readonly (readonly [string, readonly string[]])[] => [
      // The handle, the descriptors of two operands, of the convolution and of the result; how many are asked for, how many there are, which.
      [`cudnnGet${pass}Algorithm_v7`, ['void *', 'void *', 'void *', 'void *', 'void *', 'int', 'void *', 'void *']],
      [`cudnnGet${pass}WorkspaceSize`, ['void *', 'void *', 'void *', 'void *', 'void *', 'int', 'void *']],
      // The handle, alpha, two operands behind their descriptors, the convolution, algorithm, workspace and its size, beta, the result.
      [`cudnn${pass}`, [...Array<string>(7).fill('void *'), 'int', 'void *', 'size_t', 'void *', 'void *', 'void *']],
    ]),
  ),
};

/** cudnnStatus_t of cuDNN 9: thousands are categories. */
const status = { success: 0, notSupported: 3, hostAllocation: 4003, deviceAllocation: 4004 } as const;
/** cudnnTensorFormat_t, cudnnDataType_t, cudnnConvolutionMode_t. */
const [nhwc, float, crossCorrelation] = [1, 0, 1];
/** cudnnMathType_t: the default one may round factors to TF32, FMA never does. */
const math = { default: 0, tensorOp: 1, fma: 3 } as const;
/** What an algorithm may say that it computes with. Asked for FMA, the default is FMA as well. */
const allowed: Readonly<Record<Precision, readonly number[]>> = { float32: [math.default, math.fma], tf32: Object.values(math) };
const deterministic = 1;

/** cudnnConvolution...AlgoPerf_t: algo, status, time, memory (64 bits), determinism, mathType, three reserved; in words of 4 bytes. */
const choice = { words: 12, algorithm: 0, status: 1, determinism: 6, mathType: 7 } as const;
/** More than any pass has algorithms. */
const mostChoices = 16;

/** Algorithms that need more are as good as none: a program has one workspace of the largest convolution. */
const mostWorkspaceBytes = 2 ** 30;

type Argument = number | bigint | NodeJS.TypedArray | null;
type CudnnFunction = KoffiFunc<(...parameters: unknown[]) => unknown>;

const major = 9;

/** Two digits of a major version stand before four others; one before three, up to cuDNN 8. */
const majorOf = (number: number): number => Math.floor(number / (number < 10_000 ? 1000 : 10_000));
const version = (number: number): string => `${majorOf(number)}.${Math.floor(number / 100) % (number < 10_000 ? 10 : 100)}.${number % 100}`;

/** cuDNN's functions. */
export class CudnnApi {
  readonly version: string;
  readonly #functions: Readonly<Record<string, CudnnFunction>>;

  /** @throws ShoalError `UNSUPPORTED` for another version than 9, and for one that is for a newer CUDA than the driver */
  constructor(library: LibraryHandle, driverMajor: number) {
    const number = Number(library.func('cudnnGetVersion', 'size_t', [])());
    this.version = version(number);
    if (majorOf(number) !== major) throw unavailable(`cuDNN ${this.version} is not cuDNN ${major}`, install(driverMajor));
    const cuda = Math.floor(Number(library.func('cudnnGetCudartVersion', 'size_t', [])()) / 1000);
    if (cuda > driverMajor)
      throw unavailable(`cuDNN ${this.version} is for CUDA ${cuda}, and the driver for CUDA ${driverMajor}`, install(driverMajor));
    this.#functions = Object.fromEntries([
      ...Object.entries(signatures).map(([name, parameters]) => [name, library.func(name, 'int', [...parameters])]),
      ['cudnnGetErrorString', library.func('cudnnGetErrorString', 'str', ['int'])],
    ]) as Readonly<Record<string, CudnnFunction>>;
  }

  attempt(name: string, ...parameters: readonly Argument[]): number {
    return Number(this.#functions[name]!(...parameters));
  }

  /** @throws ShoalError `MEMORY` where there is none left, else `DEVICE`; with the library's own text */
  call(op: string, name: string, ...parameters: readonly Argument[]): void {
    const code = this.attempt(name, ...parameters);
    if (code !== status.success) throw this.error(op, name, code);
  }

  make(op: string, name: string): Handle {
    const made = new BigUint64Array(1);
    this.call(op, name, made);
    return made[0]!;
  }

  error(op: string, name: string, code: number): ShoalError {
    const fact = `${name} failed: ${String(this.#functions['cudnnGetErrorString']!(code))} (cuDNN ${this.version}, status ${code})`;
    const memory = code === status.hostAllocation || code === status.deviceAllocation;
    const next = memory ? 'Use a smaller batch, or dispose of executables that are not needed' : "Leave out { convolution: 'cudnn' }";
    return new ShoalError(memory ? 'MEMORY' : 'DEVICE', { op, fact, next });
  }
}

type Kind = 'Tensor' | 'Filter' | 'Convolution';

/** Descriptors, an algorithm and a size: what a convolution is for cuDNN. */
class CudnnPlan implements ConvolutionPlan {
  readonly workspaceBytes: number;
  readonly convolution: Convolution;
  readonly algorithm: number;
  readonly descriptors: Descriptors;
  readonly #dispose: (plan: CudnnPlan) => void;

  constructor(
    {
      convolution,
      algorithm,
      descriptors,
      workspaceBytes,
    }: Pick<CudnnPlan, 'convolution' | 'algorithm' | 'descriptors' | 'workspaceBytes'>,
    dispose: (plan: CudnnPlan) => void,
  ) {
    this.convolution = convolution;
    this.algorithm = algorithm;
    this.descriptors = descriptors;
    this.workspaceBytes = workspaceBytes;
    this.#dispose = dispose;
  }

  dispose(): void {
    this.#dispose(this);
  }
}

interface Descriptors {
  readonly x: Handle;
  readonly w: Handle;
  readonly y: Handle;
  readonly convolution: Handle;
  readonly all: readonly (readonly [Kind, Handle])[];
}

const [one, zero] = [new Float32Array([1]), new Float32Array(1)];
const op = 'cuDNN';

/** cuDNN on a stream: which of its algorithms computes a convolution is what its own heuristics say of the shapes. */
export class Cudnn implements ConvolutionLibrary {
  readonly #api: CudnnApi;
  readonly #precision: Precision;
  readonly #handle: Handle;
  readonly #plans = new Set<CudnnPlan>();

  readonly #enter: (op: string) => void;

  /**
   * @param stream what all convolutions are submitted to
   * @param enter makes the device's context current, as other code of the thread may have made another one so
   */
  constructor(api: CudnnApi, precision: Precision, stream: Handle, enter: (op: string) => void) {
    this.#api = api;
    this.#enter = enter;
    this.#precision = precision;
    this.#handle = api.make('backend-cuda', 'cudnnCreate');
    try {
      api.call('backend-cuda', 'cudnnSetStream', this.#handle, stream);
    } catch (cause) {
      api.attempt('cudnnDestroy', this.#handle);
      throw cause;
    }
  }

  plan(convolution: Convolution): CudnnPlan | null {
    this.#enter(op);
    const descriptors = this.#describe(convolution);
    try {
      const found = this.#choose(convolution, descriptors);
      if (!found) {
        this.#destroy(descriptors.all);
        return null;
      }
      const plan = new CudnnPlan({ convolution, descriptors, ...found }, (each) => this.#release(each));
      this.#plans.add(plan);
      return plan;
    } catch (cause) {
      this.#destroy(descriptors.all);
      throw cause;
    }
  }

  run(operation: string, { plan, operands: [left, right], result, workspace }: ConvolutionCommand): void {
    const { convolution, algorithm, descriptors, workspaceBytes } = plan as CudnnPlan;
    const [first, second, last] = inOrder(convolution.pass, descriptors);
    const factors = [one, first, left, second, right];
    const way = [descriptors.convolution, algorithm, workspace, workspaceBytes];
    this.#api.call(operation, `cudnn${passNames[convolution.pass]}`, this.#handle, ...factors, ...way, zero, last, result);
  }

  dispose(): void {
    this.#plans.forEach((plan) => this.#release(plan));
    this.#api.attempt('cudnnDestroy', this.#handle);
  }

  #describe({ x, w, y, stride, dilation, padding, groups }: Convolution): Descriptors {
    const all: [Kind, Handle][] = [];
    const make = (kind: Kind): Handle => {
      const made = this.#api.make(op, `cudnnCreate${kind}Descriptor`);
      all.push([kind, made]);
      return made;
    };
    const tensor = ([n, height, width, channels]: Convolution['x']): Handle => {
      const made = make('Tensor');
      this.#api.call(op, 'cudnnSetTensor4dDescriptor', made, nhwc, float, n!, channels!, height!, width!);
      return made;
    };
    try {
      const [from, to] = [tensor(x), tensor(y)];
      const filter = make('Filter');
      this.#api.call(op, 'cudnnSetFilter4dDescriptor', filter, float, nhwc, w[0]!, w[3]!, w[1]!, w[2]!);
      const described = make('Convolution');
      const window = [padding.height, padding.width, stride.height, stride.width, dilation.height, dilation.width];
      this.#api.call(op, 'cudnnSetConvolution2dDescriptor', described, ...window, crossCorrelation, float);
      this.#api.call(op, 'cudnnSetConvolutionGroupCount', described, groups);
      this.#api.call(op, 'cudnnSetConvolutionMathType', described, this.#precision === 'tf32' ? math.default : math.fma);
      return { x: from, y: to, w: filter, convolution: described, all };
    } catch (cause) {
      this.#destroy(all);
      throw cause;
    }
  }

  /** The first of the algorithms, in the order of cuDNN's heuristics, that gives the same bits on every run and is of the precision. */
  #choose({ pass }: Convolution, descriptors: Descriptors): Pick<CudnnPlan, 'algorithm' | 'workspaceBytes'> | null {
    const name = passNames[pass];
    const [first, second, last] = inOrder(pass, descriptors);
    const described = [this.#handle, first, second, descriptors.convolution, last] as const;
    const [count, found] = [new Int32Array(1), new Int32Array(mostChoices * choice.words)];
    const asked = this.#api.attempt(`cudnnGet${name}Algorithm_v7`, ...described, mostChoices, count, found);
    if (isRefusal(asked)) return null;
    if (asked !== status.success) throw this.#api.error(op, `cudnnGet${name}Algorithm_v7`, asked);
    for (let i = 0; i < count[0]!; i++) {
      const fact = (which: 'algorithm' | 'status' | 'determinism' | 'mathType'): number => found[i * choice.words + choice[which]]!;
      if (fact('status') !== status.success || fact('determinism') !== deterministic) continue;
      const [algorithm, mathType] = [fact('algorithm'), fact('mathType')];
      if (!allowed[this.#precision].includes(mathType)) continue;
      if (this.#precision === 'tf32') this.#api.call(op, 'cudnnSetConvolutionMathType', descriptors.convolution, mathType);
      const size = new BigUint64Array(1);
      const sized = this.#api.attempt(`cudnnGet${name}WorkspaceSize`, ...described, algorithm, size);
      if (isRefusal(sized)) continue;
      if (sized !== status.success) throw this.#api.error(op, `cudnnGet${name}WorkspaceSize`, sized);
      if (size[0]! <= mostWorkspaceBytes) return { algorithm, workspaceBytes: Number(size[0]) };
    }
    return null;
  }

  #release(plan: CudnnPlan): void {
    if (this.#plans.delete(plan)) this.#destroy(plan.descriptors.all);
  }

  #destroy(descriptors: Descriptors['all']): void {
    for (const [kind, handle] of descriptors) this.#api.attempt(`cudnnDestroy${kind}Descriptor`, handle);
  }
}

const isRefusal = (code: number): boolean => Math.floor(code / 1000) === status.notSupported;

/** The two operands of a pass and its result. */
function inOrder(pass: ConvolutionPass, { x, w, y }: Descriptors): readonly [Handle, Handle, Handle] {
  if (pass === 'forward') return [x, w, y];
  return pass === 'backward-data' ? [w, y, x] : [x, y, w];
}

const install = (driverMajor: number): string =>
  `Install cuDNN ${major} for CUDA ${driverMajor}: pip install nvidia-cudnn-cu${driverMajor}, conda cudnn, or NVIDIA's package cudnn9-cuda-${driverMajor}; or pass { cudnn: path }; or leave out { convolution: 'cudnn' }`;

/** Libraries that must not be unloaded. */
const companions = new Set<LibraryHandle>();

/**
 * cuDNN opens parts of itself, and cuBLAS, by their names alone. From a folder where the system does not look it finds them only if
 * they are loaded already, and where the system does, parts of another version would be mixed in.
 */
function loadCompanions(path: string): void {
  const folder = dirname(path);
  if (folder === '.') return;
  const first = ['../../cublas/{lib,bin}', '../../cu13/{lib,bin/x86_64}', '.'].flatMap((beside) =>
    ['libcublasLt.so.*', 'libcublas.so.*', 'cublasLt64_*.dll', 'cublas64_*.dll'].map((name) => join(beside, name)),
  );
  for (const pattern of [...first, 'libcudnn_*.so.9', 'cudnn_*64_9.dll']) {
    for (const name of globSync(pattern, { cwd: folder }).toSorted()) {
      const library = load(join(folder, name));
      if (library) companions.add(library);
    }
  }
}

const places = { own: ['CUDNN_PATH', 'CUDNN_HOME'], linux: ['nvidia/cudnn/lib'], windows: ['nvidia/cudnn/bin'] };

/** Where cuDNN may be: names, then files; and the folders that were searched. */
export function cudnnCandidates(environment: Environment = here()): {
  readonly paths: readonly string[];
  readonly folders: readonly string[];
} {
  const windows = environment.platform === 'win32';
  const name = windows ? `cudnn64_${major}.dll` : `libcudnn.so.${major}`;
  const folders = libraryFolders(environment, { wheels: windows ? places.windows : places.linux, own: places.own });
  return { paths: candidates([name], folders, environment), folders };
}

/**
 * Finds cuDNN 9.
 *
 * @param path where it is; by default it is searched for
 * @throws ShoalError `UNSUPPORTED` where there is none, with the places where it was looked for
 */
export function findCudnn(driverMajor: number, path?: string): CudnnApi {
  const searched = path === undefined ? cudnnCandidates() : { paths: [path], folders: [] };
  for (const candidate of searched.paths) {
    const library = load(candidate);
    if (!library) continue;
    loadCompanions(candidate);
    return new CudnnApi(library, driverMajor);
  }
  const fact =
    path === undefined
      ? `cuDNN was not found: no ${searched.paths[0]} where the system looks, nor in ${searched.folders.join(', ')}`
      : `cuDNN was not found at ${path}`;
  throw unavailable(fact, install(driverMajor));
}
