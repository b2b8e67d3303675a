import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ShoalError } from '@shoal/core';
import koffi from 'koffi';
import { printEmulated, type KernelSource } from '../source.ts';

const execute = promisify(execFile);

const flags = ['-std=c++17', '-ffp-contract=off', '-shared', '-fPIC', '-w'];

/** Kernels of one translation unit: its fixed costs are small beside theirs, and cores may share the rest. */
const batchSize = 96;

/** A compiled kernel: runs so many blocks on the arguments; returns 1 after an index outside a tensor, described in `found`. */
export type EmulatedFunction = (blocks: number, parameters: BigUint64Array, found: Int32Array) => number;

/** Why there is no C++ compiler here; undefined where there is one. */
export function missingCompiler(): string | undefined {
  const { error, status } = spawnSync('g++', ['--version']);
  return error || status !== 0 ? 'g++ is not installed (Debian: apt-get install g++)' : undefined;
}

/** Compiles kernels for the CPU, many at a time, and keeps the libraries in a folder under the digest of their text. */
export class EmulatedCompiler {
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #functions = new Map<string, EmulatedFunction>();

  /** @param optimize whether kernels will run long enough to be worth twice the time to compile */
  constructor(folder: string, optimize: boolean) {
    this.#folder = folder;
    this.#flags = [...flags, optimize ? '-Og' : '-O0'];
  }

  /** The path of the library that holds a batch of kernels, compiled if it is not there. */
  async library(kernels: readonly KernelSource[]): Promise<string> {
    const text = printEmulated(kernels);
    const digest = createHash('sha256').update(this.#flags.join(' ')).update(text).digest('hex').slice(0, 24);
    const target = join(this.#folder, `${digest}.so`);
    if (existsSync(target)) return target;
    await mkdir(this.#folder, { recursive: true });
    // Other processes may be at the same one: each writes files of its own, and the last to finish puts the same bytes in place.
    const own = join(this.#folder, `${digest}.${process.pid}`);
    await writeFile(`${own}.cpp`, text);
    try {
      await execute('g++', [...this.#flags, '-o', `${own}.so`, `${own}.cpp`]);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message.split('\n').slice(0, 12).join('\n') : String(cause);
      throw new ShoalError('KERNEL', { op: 'backend-cuda', fact: `g++ does not take the kernels: ${said}`, cause });
    }
    await rename(`${own}.so`, target);
    return target;
  }

  async build(kernels: readonly KernelSource[]): Promise<void> {
    const missing = [...new Map(kernels.map((kernel) => [kernel.name, kernel])).values()].filter(({ name }) => !this.#functions.has(name));
    const batches = Array.from({ length: Math.ceil(missing.length / batchSize) }, (_, i) =>
      missing.slice(i * batchSize, (i + 1) * batchSize),
    );
    const next = batches.values();
    const worker = async (): Promise<void> => {
      for (const batch of next) {
        const library = koffi.load(await this.library(batch));
        for (const { name } of batch) this.#functions.set(name, library.func(name, 'int', ['int', 'void *', 'void *']) as EmulatedFunction);
      }
    };
    await Promise.all(Array.from({ length: Math.min(batches.length, availableParallelism()) }, worker));
  }

  function(name: string): EmulatedFunction {
    return this.#functions.get(name)!;
  }
}
