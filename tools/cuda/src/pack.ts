/**
 * Packs the check for a machine that has an NVIDIA driver and no network: `npx -y pnpm@12 pack:cuda FOLDER`. The folder holds this
 * Node, the built packages, the fixtures, the benchmark of peers (which takes PyTorch and ONNX Runtime from the machine's Python) and `run.sh`,
 * and runs on the same operating system and processor.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/** Each of the ways to run; a machine without NVRTC has the shipped kernels alone. */
const runs: readonly (readonly [name: string, options: string])[] = [
  ['float32', ''],
  ['tf32', '--precision tf32'],
  ['shipped', '--kernels shipped'],
];

const script = `#!/bin/sh
# Runs everything, and writes a report for each way to run. Options go to all: ./run.sh --only conformance,torch
# SHOAL_PYTHON=/path/to/python3 names the Python that has PyTorch and ONNX Runtime.
cd "$(dirname "$0")" || exit 2
bad=0
${runs
  .map(
    ([name, options]) =>
      `echo "${name}:"\n./node cuda/src/main.ts --fixtures fixtures --json report-${name}.json ${options} "$@" || bad=1\n`,
  )
  .join('')}exit $bad
`;

const [given] = process.argv.slice(2);
if (given === undefined) throw new Error('pack:cuda: no folder was given. Usage: npx -y pnpm@12 pack:cuda FOLDER.');
const folder = resolve(given);
if (existsSync(folder)) throw new Error(`pack:cuda: ${folder} is there already. Give a folder that is not.`);
for (const [name, place] of [
  ['@shoal/cuda-check', 'cuda'],
  ['@shoal/peers', 'peers'],
] as const) {
  const command = `npx -y pnpm@12 --filter ${name} deploy --legacy --prod "${join(folder, place)}"`;
  const { status } = spawnSync(command, { shell: true, cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`pack:cuda: ${command} failed`);
}
for (const name of ['golden', 'torch']) cpSync(join(root, 'tests/fixtures', name), join(folder, 'fixtures', name), { recursive: true });
copyFileSync(process.execPath, join(folder, 'node'));
writeFileSync(join(folder, 'run.sh'), script);
for (const name of ['node', 'run.sh']) chmodSync(join(folder, name), 0o755);
console.log(`${folder}: tar it, and run ./run.sh there`);
