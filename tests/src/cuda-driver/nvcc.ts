import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cudaFlags, printCuda, type KernelSource } from '@shoal/backend-cuda/testing';

const execute = promisify(execFile);

/** One front end for both architectures, and little else of a translation unit's fixed costs: one for each core of a small machine. */
const units = 2;
export const architectures = ['sm_80', 'sm_90'] as const;
export type Architecture = (typeof architectures)[number];

/** What a kernel takes of a multiprocessor. */
export interface Resources {
  readonly architecture: Architecture;
  readonly name: string;
  readonly registers: number;
  readonly sharedBytes: number;
  readonly spillBytes: number;
}

function resourcesIn(log: string): readonly Resources[] {
  const entries = log.split(/Compiling entry function /).slice(1);
  return entries.map((entry) => {
    const [, name, architecture] = /^'(\w+)' for '(\w+)'/.exec(entry)!;
    const number = (pattern: RegExp): number => Number(pattern.exec(entry)?.[1] ?? 0);
    return {
      architecture: architecture as Architecture,
      name: name!,
      registers: number(/Used (\d+) registers/),
      sharedBytes: number(/(\d+) bytes smem/),
      spillBytes: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
    };
  });
}

/** 177: a name that a fused expression does not use. */
const quiet = ['-diag-suppress', '177'];

async function inUnits<T>(kernels: readonly KernelSource[], compile: (source: string) => Promise<T>): Promise<readonly T[]> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-nvcc-'));
  try {
    return await Promise.all(
      Array.from({ length: units }, (_, unit) => {
        const source = join(folder, `kernels${unit}.cu`);
        writeFileSync(source, printCuda(kernels.filter((_kernel, i) => i % units === unit)));
        return compile(source);
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the kernels take on each architecture. */
export async function compileWithNvcc(kernels: readonly KernelSource[]): Promise<readonly Resources[]> {
  const targets = architectures.flatMap((each) => ['-gencode', `arch=compute_80,code=${each}`]);
  const logs = await inUnits(kernels, (source) =>
    execute('nvcc', [...cudaFlags, ...targets, ...quiet, '-Xptxas', '-v', '-fatbin', '-o', `${source}.fatbin`, source], {
      maxBuffer: 2 ** 26,
    }),
  );
  return logs.flatMap(({ stderr }) => resourcesIn(stderr));
}

/** The PTX of each kernel, by its name. */
export async function ptxOf(kernels: readonly KernelSource[]): Promise<ReadonlyMap<string, string>> {
  const texts = await inUnits(kernels, async (source) => {
    await execute('nvcc', [...cudaFlags, '-arch=compute_80', ...quiet, '-ptx', '-o', `${source}.ptx`, source]);
    return readFileSync(`${source}.ptx`, 'utf8');
  });
  return new Map(
    texts.flatMap((text) =>
      text
        .split('.visible .entry ')
        .slice(1)
        .map((entry) => [/^\w+/.exec(entry)![0], entry] as const),
    ),
  );
}
