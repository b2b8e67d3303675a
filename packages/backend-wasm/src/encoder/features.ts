import { ModuleBuilder } from './module.ts';

/** What this engine, and this page or process, lets the backend use. */
export interface Features {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /**
   * Whether relaxed multiply-add rounds once on this processor. It decides bits, so it belongs into the key of every program with `fma`.
   * False where there is no relaxed SIMD.
   */
  readonly fusedMadd: boolean;
  /** The engine knows atomics and shared memories (the threads proposal). */
  readonly atomics: boolean;
  /** A shared memory can be made here and handed to workers. */
  readonly sharedMemory: boolean;
  /** The page's cross-origin isolation; undefined where the question does not arise, as in Node. */
  readonly crossOriginIsolated: boolean | undefined;
}

/** Why {@link compile} or {@link detectFeatures} failed: `policy` is a content-security policy without `wasm-unsafe-eval`. */
export class CompilationError extends Error {
  readonly reason: 'policy' | 'invalid' | 'missing';

  constructor(reason: CompilationError['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'CompilationError';
    this.reason = reason;
  }
}

/**
 * Compiles bytes at once.
 *
 * @throws {CompilationError} `policy` where the page's content-security policy forbids WebAssembly, `invalid` where the bytes are wrong or need
 * a feature the engine lacks, `missing` where there is no WebAssembly at all
 */
export function compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  if (typeof WebAssembly !== 'object') throw new CompilationError('missing', 'this engine has no WebAssembly');
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // Validation is not subject to the policy, so valid bytes that do not compile are forbidden bytes. Engines word the refusal differently.
    if (error instanceof WebAssembly.CompileError && WebAssembly.validate(bytes)) {
      const message =
        "the content-security policy forbids WebAssembly. Send the header Content-Security-Policy with script-src ... 'wasm-unsafe-eval'";
      throw new CompilationError('policy', message, error);
    }
    throw new CompilationError('invalid', text, error);
  }
}

const plain = { fma: false, shared: false } as const;

function simdProbe(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(plain);
  module.function({ name: 'probe', result: 'v128' }, (f) => f.f32x4.splat(0));
  return module.build();
}

/** (1 + 2^-23)(1 - 2^-23) - 1 is -2^-46 when it is rounded once, and 0 when the product is rounded first. */
function maddProbe(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ fma: true, shared: false });
  module.function({ name: 'probe', parameters: { a: 'f32', b: 'f32', c: 'f32' }, result: 'f32', export: true }, (f, { a, b, c }) =>
    f.f32x4.extractLane(f.f32x4.relaxedMadd(f.f32x4.splat(a), f.f32x4.splat(b), f.f32x4.splat(c)), 0),
  );
  return module.build();
}

function atomicsProbe(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ fma: false, shared: true });
  module.function({ name: 'probe', result: 'i32' }, (f) => f.atomic.add(0, 1));
  return module.build();
}

function fuses(bytes: Uint8Array<ArrayBuffer>): boolean {
  const { probe } = new WebAssembly.Instance(compile(bytes), { env: { memory: new WebAssembly.Memory({ initial: 0 }) } }).exports;
  const step = 2 ** -23;
  return typeof probe === 'function' && probe(1 + step, 1 - step, -1) !== 0;
}

function canShare(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}

let detected: Features | undefined;

/**
 * Asks the engine by validating and running modules of a few bytes; the answer is kept.
 *
 * @throws {CompilationError} where nothing can be compiled at all: `policy` or `missing`
 */
export function detectFeatures(): Features {
  if (detected) return detected;
  compile(new ModuleBuilder(plain).build());
  const madd = maddProbe();
  const relaxedSimd = WebAssembly.validate(madd);
  const atomics = WebAssembly.validate(atomicsProbe());
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  detected = {
    simd: WebAssembly.validate(simdProbe()),
    relaxedSimd,
    fusedMadd: relaxedSimd && fuses(madd),
    atomics,
    sharedMemory: atomics && isolated !== false && typeof SharedArrayBuffer === 'function' && canShare(),
    crossOriginIsolated: isolated,
  };
  return detected;
}
