import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import koffi from 'koffi';

/** The stand-in for the driver, compiled for this process. */
export interface StubDriver {
  readonly path: string;
  /** As new; what is alive stays alive. */
  reset(): void;
  /** Lets the `at`th call from now on fail with `code`. */
  fail(at: number, code: number): void;
  /** The driver's version, the number of its devices, and how often an event is asked for before it has happened. */
  set(version: number, devices: number, queries: number): void;
  /** The library whose kernels the entries of PTX stand for. */
  ptx(library: string): void;
  /** Leaves the context, as other code of the thread may. */
  leave(): void;
  calls(): number;
  launches(): number;
  graphLaunches(): number;
  /** What was called wrongly first; empty where nothing was. */
  misuse(): string;
  /** The function that was made to fail. */
  failed(): string;
  /** Kinds of handles that are alive: the first, and how many there are. */
  live(): { readonly count: number; readonly first: string };
}

/** The stand-in for cuDNN, above the driver's: whose `fail` and `misuse` are its own, too. */
export interface StubCudnn {
  readonly path: string;
  reset(): void;
  /** The versions of the library and of its CUDA; and whether it knows no way to compute (1), or none with the same bits on every run (2). */
  set(version: number, cuda: number, refuses: 0 | 1 | 2): void;
  /** How many convolutions were computed. */
  convolutions(): number;
  /** The math type of the last one. */
  math(): number;
  live(): { readonly count: number; readonly first: string };
}

type NoArguments<T> = () => T;

const counted = (live: (name: Uint8Array) => number) => (): { readonly count: number; readonly first: string } => {
  const name = new Uint8Array(64);
  const count = live(name);
  return { count, first: new TextDecoder().decode(name.subarray(0, name.indexOf(0))) };
};

export function compileStub(): StubDriver {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cuda-stub-'));
  const path = join(folder, 'libcuda-stub.so');
  execFileSync('g++', ['-x', 'c', '-shared', '-fPIC', '-w', '-o', path, join(import.meta.dirname, 'stub-driver.c'), '-ldl']);
  const library = koffi.load(path);
  const number = (name: string) => library.func(name, 'int', []) as NoArguments<number>;
  const text = (name: string) => library.func(name, 'str', []) as NoArguments<string>;
  const live = library.func('stub_live', 'int', ['void *']) as (name: Uint8Array) => number;
  return {
    path,
    reset: library.func('stub_reset', 'void', []) as StubDriver['reset'],
    fail: library.func('stub_fail', 'void', ['int', 'int']) as StubDriver['fail'],
    set: library.func('stub_set', 'void', ['int', 'int', 'int']) as StubDriver['set'],
    ptx: library.func('stub_ptx', 'void', ['str']) as StubDriver['ptx'],
    leave: () => void (library.func('cuCtxSetCurrent', 'int', ['void *']) as (context: null) => number)(null),
    calls: number('stub_calls'),
    launches: number('stub_launches'),
    graphLaunches: number('stub_graph_launches'),
    misuse: text('stub_misuse'),
    failed: text('stub_failed'),
    live: counted(live),
  };
}

export function compileStubCudnn(driver: StubDriver): StubCudnn {
  const path = join(dirname(driver.path), 'libcudnn-stub.so');
  const source = join(import.meta.dirname, 'stub-cudnn.c');
  execFileSync('g++', ['-x', 'c', '-O1', '-shared', '-fPIC', '-w', '-o', path, source, '-x', 'none', driver.path]);
  const library = koffi.load(path);
  return {
    path,
    reset: library.func('stub_cudnn_reset', 'void', []) as StubCudnn['reset'],
    set: library.func('stub_cudnn_set', 'void', ['int', 'int', 'int']) as StubCudnn['set'],
    convolutions: library.func('stub_cudnn_convolutions', 'int', []) as NoArguments<number>,
    math: library.func('stub_cudnn_math', 'int', []) as NoArguments<number>,
    live: counted(library.func('stub_cudnn_live', 'int', ['void *']) as (name: Uint8Array) => number),
  };
}
