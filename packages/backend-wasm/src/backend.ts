import { asCommandLineAsks } from '#asked';
import { checkOptions, ShoalError, type Backend, type Device, type DeviceInfo } from '@shoal/core';
import { ADDRESS_SPACE, Allocator } from './allocator.ts';
import { tileRows } from './autotune.ts';
import { WasmDevice } from './device.ts';
import { CompilationError, detectFeatures, PAGE_BYTES, type Features } from './encoder/index.ts';
import type { WasmKernel } from './kernel.ts';
import { structuralWasm } from './structural/index.ts';
import { CONTROL_BYTES, createInline, createPool, type Executor } from './threads/index.ts';
import { wideRequest } from './wide/request.ts';

export interface WasmOptions {
  /**
   * Threads that compute. Default: one per processor, at most 16; more than there are processors only cost. One computes on the calling
   * thread; more are workers, and nothing computes there.
   */
  readonly threads?: number;
  /**
   * `strict`: multiplications and additions round separately and convolutions are direct, so that results are the same on every machine.
   * `default`: fused where possible, and 3x3 convolutions in Winograd's way where that is faster: the largest error is then within 2.5
   * times that of direct float32 sums. Which way a layer takes follows from its shape alone.
   */
  readonly precision?: 'default' | 'strict';
  /** Most bytes that variables and programs may take together. Default 4 GiB, all that 32-bit addresses reach. */
  readonly memoryLimit?: number;
}

const OP = 'backend-wasm';
const knownOptions = ['threads', 'precision', 'memoryLimit'] as const;
const MOST_THREADS = 16;

/**
 * The CPU backend: WebAssembly, generated for the shapes of each program, on one or more threads.
 *
 * Threads need shared memory: always there in Node, in a browser only on cross-origin isolated pages (headers Cross-Origin-Opener-Policy:
 * same-origin and Cross-Origin-Embedder-Policy: require-corp). Without it one thread computes, and `runtime.info.notes` says so.
 *
 * @throws ShoalError `ATTRIBUTE` for wrong options; when opened, `UNSUPPORTED` where the engine lacks WebAssembly or SIMD, or a content-security
 * policy forbids them
 */
export function wasm(options: WasmOptions = {}): Backend<WasmKernel> {
  checkOptions(OP, options, knownOptions);
  const { threads, precision = 'default', memoryLimit = ADDRESS_SPACE } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
    throw new ShoalError('ATTRIBUTE', { op: OP, fact: `threads is ${threads}`, next: 'Give an integer of at least 1' });
  }
  if (precision !== 'default' && precision !== 'strict') {
    throw new ShoalError('ATTRIBUTE', { op: OP, fact: `unknown precision '${String(precision)}'`, next: "Use 'default' or 'strict'" });
  }
  if (!(Number.isInteger(memoryLimit) && memoryLimit >= PAGE_BYTES && memoryLimit <= ADDRESS_SPACE)) {
    throw new ShoalError('ATTRIBUTE', {
      op: OP,
      fact: `memoryLimit is ${memoryLimit}`,
      next: `Give whole bytes between ${PAGE_BYTES} and ${ADDRESS_SPACE}`,
    });
  }
  return { name: 'wasm', kernels: structuralWasm, open: () => open(threads, precision === 'strict', memoryLimit) };
}

async function open(threads: number | undefined, strict: boolean, memoryLimit: number): Promise<Device<WasmKernel>> {
  const features = requireFeatures();
  const notes: string[] = [];
  const opening = openTeam(threads, features, memoryLimit, notes);
  // Awaited below: meanwhile this thread does what takes as long as the workers' start.
  opening.catch(() => undefined);
  const fma = features.relaxedSimd && !strict;
  const wide = isWide(fma, notes);
  const engine = { fma, strict, wide, tileRows: await tileRows(fma, wide) };
  const team = await opening;
  const info: DeviceInfo = {
    backend: 'wasm',
    device: `WebAssembly SIMD${fma ? ' with relaxed multiply-add' : ''}`,
    threads: team.executor.threads,
    clock: team.shared ? 'wall clock of the workers' : 'performance.now',
    flags: { ...engine, fused: fma && features.fusedMadd, winograd: !strict, shared: team.shared },
    notes,
  };
  const allocator = new Allocator(team.executor.memory, team.limit, CONTROL_BYTES);
  return new WasmDevice({ info, allocator, executor: team.executor, engine, relaxed: features.relaxedSimd, shared: team.shared });
}

/** Whether wide mode is wanted and works; a note says why it does not. */
function isWide(fma: boolean, notes: string[]): boolean {
  if (!wideRequest.opened) asCommandLineAsks();
  wideRequest.opened = true;
  const verdict = wideRequest.test?.(fma);
  if (verdict?.wide === false) notes.push(verdict.reason);
  return verdict?.wide === true;
}

function requireFeatures(): Features {
  const fail = (fact: string, next: string, cause?: unknown): never => {
    throw new ShoalError('UNSUPPORTED', { op: OP, fact, next, cause });
  };
  try {
    const features = detectFeatures();
    return features.simd ? features : fail('this engine has no WebAssembly SIMD', 'Use a newer browser, or another backend');
  } catch (error) {
    if (!(error instanceof CompilationError)) throw error;
    if (error.reason !== 'policy') return fail(error.message, 'Use another backend', error);
    return fail(
      "the page's content-security policy forbids WebAssembly",
      "Send the header Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'",
      error,
    );
  }
}

interface Team {
  readonly executor: Executor;
  readonly shared: boolean;
  readonly limit: number;
}

/** As many threads as wanted and possible. */
async function openTeam(wanted: number | undefined, features: Features, memoryLimit: number, notes: string[]): Promise<Team> {
  const threads = wanted ?? Math.min(processors(), MOST_THREADS);
  if (threads > 1 && features.sharedMemory) {
    const made = makeMemory(memoryLimit, true, notes);
    try {
      return { ...made, executor: await createPool({ threads, memory: made.memory }), shared: true };
    } catch (error) {
      if (wanted !== undefined) throw error;
      notes.push(`one thread: no worker started (${error instanceof Error ? error.message : String(error)})`);
    }
  } else if (threads > 1) {
    notes.push(
      features.crossOriginIsolated === false
        ? 'one thread: this page is not cross-origin isolated. Send the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
        : 'one thread: this engine has no shared WebAssembly memory',
    );
  }
  const made = makeMemory(memoryLimit, false, notes);
  return { ...made, executor: createInline({ memory: made.memory }), shared: false };
}

/** A memory that may grow to the limit, or to less where the engine does not reserve as much. */
function makeMemory(limit: number, shared: boolean, notes: string[]): { readonly memory: WebAssembly.Memory; readonly limit: number } {
  for (let most = Math.floor(limit / PAGE_BYTES); ; most = Math.floor(most / 2)) {
    try {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: most, shared });
      if (most * PAGE_BYTES < limit - PAGE_BYTES) notes.push(`memory: the engine reserves ${(most * PAGE_BYTES) / 2 ** 20} MiB at most`);
      return { memory, limit: most * PAGE_BYTES };
    } catch (cause) {
      if (most <= 1) throw new ShoalError('MEMORY', { op: OP, fact: 'the engine gives no WebAssembly memory', cause });
    }
  }
}

function processors(): number {
  const os =
    typeof process === 'object' && typeof process.getBuiltinModule === 'function' ? process.getBuiltinModule('node:os') : undefined;
  return os ? os.availableParallelism() : (globalThis.navigator?.hardwareConcurrency ?? 1);
}
