import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ShoalError } from '@shoal/core';
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';
import { cudaFlags, printCuda, type KernelSource } from '../source.ts';
import type { KernelCompiler, Target } from './compiler.ts';
import { load, unavailable } from './library.ts';
import { candidates, here, libraryFolders, type Environment } from './search.ts';

/** The oldest major version that has all that kernels use. */
const oldestMajor = 12;

/**
 * Where NVRTC may be, likeliest first: where the operating system looks (Debian's packages are found so), then toolkits, conda, and
 * the wheels of pip. A driver loads what compilers of its own major version and of older ones make, so newer ones are no candidates.
 */
export function nvrtcCandidates(driverMajor: number, environment: Environment = here()): readonly string[] {
  const order = Array.from({ length: driverMajor - oldestMajor + 1 }, (_, i) => driverMajor - i);
  const windows = environment.platform === 'win32';
  const names = order.map((major) => (windows ? `nvrtc64_${major}0_0.dll` : `libnvrtc.so.${major}`));
  const wheels = windows ? ['nvidia/cuda_nvrtc/bin', 'nvidia/cu13/bin/x86_64'] : ['nvidia/cuda_nvrtc/lib', 'nvidia/cu13/lib'];
  return candidates(names, libraryFolders(environment, { wheels }), environment);
}

type Program = bigint;
type NvrtcFunction = KoffiFunc<(...parameters: unknown[]) => unknown>;

/** Compiles kernels at run time, on a thread of its own, for the device's own architecture where it knows it. */
export class Nvrtc implements KernelCompiler {
  readonly name: string;
  readonly generic = false;
  readonly #functions: Readonly<Record<string, NvrtcFunction>>;
  readonly #architectures: readonly number[];

  constructor(library: LibraryHandle) {
    const define = (name: string, ...parameters: readonly string[]): readonly [string, NvrtcFunction] => [
      name,
      library.func(name, name === 'nvrtcGetErrorString' ? 'str' : 'int', [...parameters]),
    ];
    this.#functions = Object.fromEntries([
      define('nvrtcVersion', 'void *', 'void *'),
      define('nvrtcGetErrorString', 'int'),
      define('nvrtcGetNumSupportedArchs', 'void *'),
      define('nvrtcGetSupportedArchs', 'void *'),
      define('nvrtcCreateProgram', 'void *', 'str', 'str', 'int', 'void *', 'void *'),
      define('nvrtcCompileProgram', 'void *', 'int', 'void *'),
      define('nvrtcDestroyProgram', 'void *'),
      define('nvrtcGetProgramLogSize', 'void *', 'void *'),
      define('nvrtcGetProgramLog', 'void *', 'void *'),
      define('nvrtcGetPTXSize', 'void *', 'void *'),
      define('nvrtcGetPTX', 'void *', 'void *'),
      define('nvrtcGetCUBINSize', 'void *', 'void *'),
      define('nvrtcGetCUBIN', 'void *', 'void *'),
    ]);
    const [major, minor, count] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
    this.#call('nvrtcVersion', major, minor);
    this.name = `NVRTC ${major[0]}.${minor[0]}`;
    this.#call('nvrtcGetNumSupportedArchs', count);
    const architectures = new Int32Array(count[0]!);
    this.#call('nvrtcGetSupportedArchs', architectures);
    this.#architectures = [...architectures].toSorted((a, b) => a - b);
  }

  async compile(kernels: readonly KernelSource[], { capability }: Target): Promise<Uint8Array> {
    const made = new BigUint64Array(1);
    this.#call('nvrtcCreateProgram', made, printCuda(kernels), 'shoal.cu', 0, null, null);
    const program = made[0]!;
    try {
      const native = this.#architectures.includes(capability);
      const newest = this.#architectures.findLast((each) => each < capability);
      if (!native && newest === undefined) throw unavailable(`${this.name} compiles for no device of capability ${capability / 10}`);
      const options = [...cudaFlags, `--gpu-architecture=${native ? `sm_${capability}` : `compute_${newest}`}`];
      const code = await this.#compiled(program, options);
      if (code !== 0) {
        const log = new TextDecoder().decode(this.#bytes('nvrtcGetProgramLogSize', 'nvrtcGetProgramLog', program));
        throw new ShoalError('KERNEL', { op: 'backend-cuda', fact: `${this.name} does not take the kernels: ${log.slice(0, 2000)}` });
      }
      return native ? this.#bytes('nvrtcGetCUBINSize', 'nvrtcGetCUBIN', program) : this.#bytes('nvrtcGetPTXSize', 'nvrtcGetPTX', program);
    } finally {
      this.#call('nvrtcDestroyProgram', made);
    }
  }

  #compiled(program: Program, options: readonly string[]): Promise<number> {
    const texts = options.map((option) => new TextEncoder().encode(`${option}\0`));
    const pointers = BigUint64Array.from(texts, (text) => koffi.address(text));
    // What the compiler reads must live until it is done: the callback holds it.
    const held = { texts, pointers };
    return new Promise((resolve, reject) => {
      this.#functions['nvrtcCompileProgram']!.async(program, held.texts.length, held.pointers, (cause: unknown, code: unknown) => {
        held.texts.length = 0;
        if (cause) reject(cause);
        else resolve(Number(code));
      });
    });
  }

  #bytes(sizeOf: string, read: string, program: Program): Uint8Array {
    const size = new BigUint64Array(1);
    this.#call(sizeOf, program, size);
    const bytes = new Uint8Array(Number(size[0]));
    this.#call(read, program, bytes);
    return bytes;
  }

  #call(name: string, ...parameters: readonly unknown[]): void {
    const code: unknown = this.#functions[name]!(...parameters);
    if (code === 0) return;
    const text = String(this.#functions['nvrtcGetErrorString']!(code));
    throw new ShoalError('KERNEL', { op: 'backend-cuda', fact: `${name} failed: ${text}` });
  }
}

/** Libraries that must not be unloaded. */
const builtins = new Set<LibraryHandle>();

/** NVRTC opens a second library by its name alone; from a folder where the system does not look it finds it only if it is loaded already. */
function loadBuiltins(nvrtc: string): void {
  const folder = dirname(nvrtc);
  if (folder === '.') return;
  for (const name of globSync(['libnvrtc-builtins.so.*', 'nvrtc-builtins64_*.dll'], { cwd: folder })) {
    const library = load(join(folder, name));
    if (library) builtins.add(library);
  }
}

/**
 * Finds NVRTC, the compiler that CUDA programs use at run time.
 *
 * @param path where it is; by default it is searched for
 * @throws ShoalError `UNSUPPORTED` where there is none
 */
export function findNvrtc(driverMajor: number, path?: string): Nvrtc {
  for (const candidate of path === undefined ? nvrtcCandidates(driverMajor) : [path]) {
    loadBuiltins(candidate);
    const library = load(candidate);
    if (library) return new Nvrtc(library);
  }
  const versions = driverMajor > oldestMajor ? `CUDA ${oldestMajor} to ${driverMajor}` : `CUDA ${oldestMajor}`;
  const fact = path === undefined ? `NVRTC of ${versions}, which compiles the kernels, was not found` : `NVRTC was not found at ${path}`;
  const how = `Install that of ${versions} with a toolkit, or alone: pip install nvidia-cuda-nvrtc-cu12, Debian libnvrtc12, conda cuda-nvrtc`;
  throw unavailable(
    path !== undefined && existsSync(path) ? `${path} is there but cannot be loaded` : fact,
    `${how}; or pass { nvrtc: path }`,
  );
}
