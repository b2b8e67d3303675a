import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { collectKernels, ShippedKernels } from '@shoal/backend-cuda/testing';
import { allCnnC, resnet18, resnetMini } from '@shoal/zoo';
import { expect, test } from 'vitest';
import { genericKernels } from '../../../tools/cuda/src/generic-kernels.ts';
import { cannotMakePtx, genericPtx, ptxFile } from '../../../tools/cuda/src/generic-ptx.ts';
import { trainingOf } from '../../../tools/cuda/src/training.ts';
import { cudaPlugins } from '../cuda.ts';
import { products, programOf } from '../cuda-products.ts';

const execute = promisify(execFile);

test('the kernels that are shipped are the generic ones of today', async () => {
  const kernels = await genericKernels();
  expect(new ShippedKernels().names.toSorted()).toEqual(kernels.map(({ name }) => name));
});

test('networks in training need no other', async () => {
  const needed = await collectKernels(
    cudaPlugins,
    async (runtime) => {
      for (const network of [resnetMini, resnet18, allCnnC]) {
        for (const batch of [1, 64]) await runtime.compile(trainingOf(network({ seed: 1 }), batch, 10).program);
      }
      for (const product of products) await runtime.compile(programOf(product));
    },
    { generic: true },
  );
  const shipped = new Set(new ShippedKernels().names);
  expect(needed.length).toBeGreaterThan(20);
  expect(needed.filter(({ name }) => !shipped.has(name))).toEqual([]);
});

test('a kernel that is not shipped is said to be none', async () => {
  const [kernel] = await genericKernels();
  await expect(new ShippedKernels().compile([{ ...kernel!, name: 'other' }])).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('other is not among the kernels that were compiled before. Install NVRTC'),
  });
});

const missing = cannotMakePtx();

test.skipIf(missing !== undefined)(
  `making the PTX again gives the same bytes${missing === undefined ? '' : ` skipped: ${missing}`}`,
  async () => {
    expect(genericPtx(await genericKernels()) === readFileSync(ptxFile, 'utf8')).toBe(true);
  },
);

test.skipIf(missing !== undefined)(
  `what is shipped has no instruction that CUDA 12.0 does not know${missing === undefined ? '' : ` skipped: ${missing}`}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-ptxas-'));
    const assemble = (path: string, architecture: string) =>
      execute('ptxas', [`-arch=${architecture}`, '-o', `${path}.${architecture}`, path]);
    try {
      expect(readFileSync(ptxFile, 'utf8')).toMatch(/^\.version 8\.0$/m);
      await Promise.all(['sm_80', 'sm_90'].map((each) => execute('ptxas', [`-arch=${each}`, '-o', join(folder, each), ptxFile])));
      // That the assembler would say so.
      const newer = join(folder, 'newer.ptx');
      const fence = 'fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster;';
      writeFileSync(newer, `.version 8.0\n.target sm_90\n.address_size 64\n.visible .entry newer() { ${fence} ret; }\n`);
      await expect(assemble(newer, 'sm_90')).rejects.toThrow('requires PTX ISA .version 8.');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  120_000,
);
