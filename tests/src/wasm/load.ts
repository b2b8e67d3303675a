/**
 * Measures in this process, which nothing else runs in, by processor time: what other programs do on the machine hardly changes that.
 * With `start` as its argument how long SqueezeNet 1.1 takes to its first result, with `load` what a small network takes with as many threads
 * as processors and with four times as many, while other processes compete for them and while none does. Writes JSON.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { input, interfaceOf, sizeOf, type Executable, type Feeds } from '@shoal/core';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import type { Network } from '@shoal/residual';
import { residualWasm } from '@shoal/residual/wasm';
import { allCnnC, squeezenet1_1 } from '@shoal/zoo';
import { noise } from './noise.ts';

const processors = availableParallelism();
/** More threads or rivals than so many would measure how they start. */
const most = 32;

/** Milliseconds of processor time that all threads of this process spend. */
async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** `draw` makes weights and images: drawing random numbers takes as long as much else here. */
function inference(network: Network, side: number, draw: (length: number) => Float32Array) {
  const image = input('image', [1, side, side, 3]);
  const { output } = network.build(image, { train: false });
  const program = { outputs: { output } };
  const variables = [...interfaceOf(program).variables].map((variable) => [variable, draw(sizeOf(variable.shape))] as const);
  const open = async (threads: number): Promise<Executable> => {
    const runtime = await createRuntime(wasm({ threads }), [convWasm, mathWasm, poolWasm, residualWasm]);
    for (const [variable, data] of variables) await runtime.write(variable, data);
    return runtime.compile(program);
  };
  return { open, feeds: { image: draw(sizeOf(image.shape)) } };
}

async function start(): Promise<unknown> {
  const begin = performance.now();
  const processorTime = await processorMs(async () => {
    const { open, feeds } = inference(squeezenet1_1(), 224, (length) => new Float32Array(length).fill(0.01));
    const executable = await open(Math.min(2, processors));
    await executable.run(feeds);
  });
  return { processorMs: processorTime, wallMs: performance.now() - begin };
}

/** Computes, and ends by itself even where nobody ends it. */
const rival = 'for (const end = Date.now() + 30_000; Date.now() < end;);';

interface Team {
  readonly threads: number;
  readonly executable: Executable;
}

/** Milliseconds of processor time that a run takes. */
async function perRun({ executable }: Team, feeds: Feeds): Promise<number> {
  const runs = 20;
  const spent = await processorMs(async () => {
    for (let run = 0; run < runs; run++) await executable.run(feeds);
  });
  return spent / runs;
}

async function load(): Promise<unknown> {
  const { open, feeds } = inference(allCnnC(), 32, noise);
  const teams: Team[] = [];
  const hashes: string[] = [];
  for (const threads of [1, processors, 4 * processors].map((count) => Math.min(count, most))) {
    const executable = await open(threads);
    // Hot code is compiled on other threads of this process.
    for (let run = 0; run < 40; run++) await executable.run(feeds);
    const { output } = await executable.run(feeds);
    hashes.push(createHash('sha256').update(output!).digest('hex'));
    teams.push({ threads, executable });
  }
  await setTimeout(100);
  const alone: number[] = [];
  for (const team of teams) alone.push(await perRun(team, feeds));

  const own = process.threadCpuUsage();
  const all = await processorMs(() => perRun(teams[1]!, feeds));
  const { user, system } = process.threadCpuUsage(own);

  const rivals = Array.from({ length: Math.min(2 * processors, most) }, () =>
    spawn(process.execPath, ['--eval', rival], { stdio: 'ignore' }),
  );
  const contested: number[] = [];
  for (const team of teams) contested.push(await perRun(team, feeds));
  rivals.forEach((each) => each.kill());

  const idleMs = 300;
  const idle = await processorMs(() => setTimeout(idleMs));
  return { hashes, alone, contested, callerShare: (user + system) / 1000 / all, idleShare: idle / idleMs };
}

process.stdout.write(JSON.stringify(await (process.argv[2] === 'start' ? start() : load())));
process.exit();
