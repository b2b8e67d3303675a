import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { collectKernels, cudaFlags, printCuda, type KernelSource } from '@shoal/backend-cuda/testing';
import type { Runtime } from '@shoal/core';
import { expect, test } from 'vitest';
import { products, programOf } from '../cuda-products.ts';
import { allCases, compileCases, cudaPlugins } from '../cuda.ts';
import { trainingStep } from '../training-step.ts';

const execute = promisify(execFile);
const missing = spawnSync('nvcc', ['--version']).status === 0 ? '' : ' skipped: nvcc is not installed (CUDA toolkit)';

/** One front end for both architectures, and little else of a translation unit's fixed costs: one for each core of a small machine. */
const units = 2;
const architectures = ['sm_80', 'sm_90'] as const;

/** What a kernel takes of a multiprocessor: 65536 registers and 48 KiB of static shared memory for a block. */
interface Resources {
  readonly architecture: string;
  readonly name: string;
  readonly registers: number;
  readonly sharedBytes: number;
  readonly spillBytes: number;
}

/** Two blocks of 256 threads fit on a multiprocessor. */
const mostRegisters = 128;
const mostSharedBytes = 48 * 1024;
/** ptxas spills a word or two where it finds that cheaper than another register. */
const mostSpillBytes = 16;
/** A generic kernel holds its sizes, and puts some of those away that an inner loop does not need. */
const mostGenericSpillBytes = 160;

function resourcesIn(log: string): readonly Resources[] {
  const entries = log.split(/Compiling entry function /).slice(1);
  return entries.map((entry) => {
    const [, name, architecture] = /^'(\w+)' for '(\w+)'/.exec(entry)!;
    const number = (pattern: RegExp): number => Number(pattern.exec(entry)?.[1] ?? 0);
    return {
      architecture: architecture!,
      name: name!,
      registers: number(/Used (\d+) registers/),
      sharedBytes: number(/(\d+) bytes smem/),
      spillBytes: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
    };
  });
}

async function compileWithNvcc(kernels: readonly KernelSource[]): Promise<readonly Resources[]> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-nvcc-'));
  const architecture = architectures.flatMap((each) => ['-gencode', `arch=compute_80,code=${each}`]);
  try {
    const logs = await Promise.all(
      Array.from({ length: units }, async (_, unit) => {
        const source = join(folder, `kernels${unit}.cu`);
        writeFileSync(source, printCuda(kernels.filter((_kernel, i) => i % units === unit)));
        // 177: a name that a fused expression does not use.
        const quiet = ['-diag-suppress', '177', '-Xptxas', '-v'];
        return execute('nvcc', [...cudaFlags, ...architecture, ...quiet, '-fatbin', '-o', `${source}.fatbin`, source], {
          maxBuffer: 2 ** 26,
        });
      }),
    );
    return logs.flatMap(({ stderr }) => resourcesIn(stderr));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.skipIf(missing !== '')(
  `every kernel compiles for ${architectures.join(' and ')} within its budget${missing}`,
  async () => {
    const compileProducts = async (runtime: Runtime): Promise<void> => {
      for (const product of products) await runtime.compile(programOf(product));
    };
    const compileAll = async (runtime: Runtime): Promise<void> => {
      await compileCases(allCases)(runtime);
      await runtime.compile(trainingStep().program);
      await compileProducts(runtime);
    };
    const plain = await collectKernels(cudaPlugins, compileAll);
    const rounded = await collectKernels(cudaPlugins, compileProducts, { precision: 'tf32' });
    const tensor = rounded.filter(({ body }) => body.includes('SHOAL_MMA'));
    expect(tensor.length).toBeGreaterThan(1);
    const generic = await collectKernels(cudaPlugins, compileAll, { generic: true });
    const kernels = [...plain, ...tensor, ...generic];
    const found = await compileWithNvcc(kernels);
    const names = kernels.map(({ name }) => name).toSorted();
    for (const architecture of architectures) {
      const own = found.filter((each) => each.architecture === architecture);
      expect(own.map(({ name }) => name).toSorted()).toEqual(names);
      const most = (key: 'registers' | 'sharedBytes' | 'spillBytes'): Resources => own.reduce((a, b) => (b[key] > a[key] ? b : a));
      expect(most('registers').registers).toBeLessThanOrEqual(mostRegisters);
      expect(most('sharedBytes').sharedBytes).toBeLessThanOrEqual(mostSharedBytes);
      const generics = new Set(generic.map(({ name }) => name));
      const spilling = own.filter(({ name, spillBytes }) => spillBytes > (generics.has(name) ? mostGenericSpillBytes : mostSpillBytes));
      expect(spilling).toEqual([]);
      const report = (['registers', 'sharedBytes', 'spillBytes'] as const).map((key) => `${most(key)[key]} ${key} (${most(key).name})`);
      console.log(`${architecture}: ${own.length} kernels; at most ${report.join(', ')}`);
    }
  },
  600_000,
);
