/**
 * Makes the PTX of the generic kernels, which the CUDA backend runs where there is no NVRTC: `npx -y pnpm@12 ptx:cuda`. It needs nvcc;
 * `generic-ptx.ts` has the version.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { genericKernels } from './generic-kernels.ts';
import { genericPtx, ptxFile } from './generic-ptx.ts';

const text = genericPtx(await genericKernels());
mkdirSync(dirname(ptxFile), { recursive: true });
writeFileSync(ptxFile, text);
console.log(`${ptxFile}: ${text.match(/^\.visible \.entry /gm)!.length} kernels`);
