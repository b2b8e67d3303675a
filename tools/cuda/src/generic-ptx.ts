import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cudaFlags, printCuda, type KernelSource } from '@shoal/backend-cuda/testing';

export const ptxFile = join(import.meta.dirname, '../../../packages/backend-cuda/ptx/generic.ptx');

/** Another one may make other bytes. */
const nvccVersion = '13.0.88';
/** That of CUDA 12.0, the oldest driver. nvcc writes its own, and cannot be told another one. */
const instructionSet = '8.0';
/** The oldest device. */
const architecture = 'compute_75';

/** Why the PTX cannot be made here; undefined where it can. */
export function cannotMakePtx(): string | undefined {
  const { error, stdout } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
  if (error) return `nvcc ${nvccVersion} is not installed (CUDA toolkit)`;
  const found = /V([\d.]+)/.exec(stdout)?.[1];
  return found === nvccVersion ? undefined : `nvcc is ${found}, not ${nvccVersion}`;
}

const title = (flags: readonly string[]): string => `// Shoal's generic kernels, for machines that have an NVIDIA driver and no NVRTC.
// Made by "npx -y pnpm@12 ptx:cuda", with nvcc ${nvccVersion} ${flags.join(' ')}, and .version lowered to ${instructionSet}:
// no instruction is newer, or ptxas would not assemble it.
`;

/** PTX of kernels for every device and driver that the backend takes. */
export function genericPtx(kernels: readonly KernelSource[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-ptx-'));
  // 177: a name that a kernel does not use.
  const flags = [...cudaFlags, `-arch=${architecture}`, '-diag-suppress', '177'];
  try {
    const [source, made] = [join(folder, 'generic.cu'), join(folder, 'generic.ptx')];
    writeFileSync(source, printCuda(kernels));
    execFileSync('nvcc', ['-ptx', ...flags, '-o', made, source]);
    return title(flags) + readFileSync(made, 'utf8').replace(/^\.version .*$/m, `.version ${instructionSet}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
