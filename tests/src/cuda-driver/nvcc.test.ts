import { spawnSync } from 'node:child_process';
import { collectKernels } from '@shoal/backend-cuda/testing';
import type { Runtime } from '@shoal/core';
import { expect, test } from 'vitest';
import { products, programOf } from '../cuda-products.ts';
import { allCases, compileCases, cudaPlugins } from '../cuda.ts';
import { trainingStep } from '../training-step.ts';
import { architectures, compileWithNvcc, type Resources } from './nvcc.ts';

const missing = spawnSync('nvcc', ['--version']).status === 0 ? '' : ' skipped: nvcc is not installed (CUDA toolkit)';

/** Two blocks of 256 threads fit on a multiprocessor. */
const mostRegisters = 128;
const mostSharedBytes = 48 * 1024;
/** ptxas puts some words away where a multiprocessor can then hold one block more. */
const mostSpillBytes = 64;
/** A generic kernel holds its sizes, and puts some of those away that an inner loop does not need. */
const mostGenericSpillBytes = 160;

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
    const generic = await collectKernels(cudaPlugins, compileAll, { generic: true });
    const kernels = [...plain, ...generic];
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
