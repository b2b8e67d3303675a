import { availableParallelism, cpus, totalmem } from 'node:os';
import { expression as e, input, map, type Runtime } from '@shoal/core';
import { conv2d } from '@shoal/conv';
import { kaimingNormal, parameter } from '@shoal/math';
import { backendNames, openRuntime, type BackendName } from './backends.ts';
import { version } from './bench/environment.ts';
import { checkTargets, exitCode, messageOf, writeJson, type Streams } from './output.ts';

/** What is the matter with one backend, or how well it does. */
export interface Finding {
  readonly backend: string;
  readonly runs: boolean;
  readonly device?: string;
  readonly threads?: number;
  readonly flags?: Readonly<Record<string, string | number | boolean>>;
  readonly notes?: readonly string[];
  /** A 3x3 convolution of 64 channels at 56x56, in 10^9 floating-point operations a second. */
  readonly convolutionGflops?: number;
  /** Adding two tensors of 16 MB, in 10^9 bytes read and written a second. */
  readonly additionGBps?: number;
  /** Copying a tensor of 64 MB, larger than most caches, in 10^9 bytes read and written a second. The copy is negated, as a plain one would be left out. */
  readonly copyGBps?: number;
  readonly reason?: string;
}

/** The rest of what people ask for, which is not a backend of this version. */
const absent: readonly Finding[] = [
  {
    backend: 'tfjs-node-gpu',
    runs: false,
    reason:
      'it was never run with Shoal, and this command does not try it: pass @tensorflow/tfjs-node-gpu to tfjs(). It needs Node 18 to 20, CUDA 11.2 and cuDNN 8.1',
  },
];

export async function doctor({ json }: { readonly json?: string }, streams: Streams): Promise<number> {
  await checkTargets({ json });
  const findings: Finding[] = [];
  for (const name of backendNames) {
    if (streams.interactive) streams.log(`examining ${name} ...\r`);
    findings.push(await examine(name));
  }
  findings.push(...absent);
  const machine = {
    shoal: version,
    node: process.versions.node,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
  };
  if (json) await writeJson(json, { schema: 'shoal.doctor/1', machine, findings }, streams);
  if (json !== '-') {
    streams.out(`Shoal ${machine.shoal}, Node ${machine.node}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB\n\n`);
    findings.forEach((finding) => streams.out(asText(finding)));
  }
  return findings.some(({ backend, runs }) => backend === 'wasm' && runs) ? exitCode.fine : exitCode.bad;
}

async function examine(name: BackendName): Promise<Finding> {
  let runtime: Runtime | undefined;
  try {
    runtime = await openRuntime(name);
    const { device, threads, flags, notes } = runtime.info;
    const found = { backend: name, runs: true, device, threads, flags, notes };
    return name === 'reference' ? found : { ...found, ...(await speeds(runtime)) };
  } catch (error) {
    return { backend: name, runs: false, reason: messageOf(error) };
  } finally {
    await runtime?.dispose();
  }
}

async function speeds(runtime: Runtime): Promise<Pick<Finding, 'convolutionGflops' | 'additionGBps' | 'copyGBps'>> {
  const x = input('x', [1, 56, 56, 64]);
  const y = conv2d(x, parameter('w', [3, 3, 64, 64], kaimingNormal({ seed: 1 })), { padding: 1 });
  const [a, b] = [input('a', [4 << 20]), input('b', [4 << 20])];
  const sum = map([a, b], (p, q) => e.add(p, q));
  const convolution = await fastest(runtime, y, { x: new Float32Array(56 * 56 * 64).fill(0.5) });
  const addition = await fastest(runtime, sum, { a: new Float32Array(4 << 20), b: new Float32Array(4 << 20) });
  const large = input('large', [16 << 20]);
  const copy = map([large], (value) => e.neg(value));
  const copying = await fastest(runtime, copy, { large: new Float32Array(16 << 20).fill(1) });
  return {
    convolutionGflops: Number(((2 * 56 * 56 * 64 * 64 * 9) / convolution).toFixed(1)),
    additionGBps: Number(((3 * (16 << 20)) / addition).toFixed(1)),
    copyGBps: Number(((2 * (64 << 20)) / copying).toFixed(1)),
  };
}

async function fastest(runtime: Runtime, y: Parameters<typeof map>[0][number], feeds: Record<string, Float32Array>): Promise<number> {
  const executable = await runtime.compile({ outputs: { y } });
  let best = Infinity;
  // Twice at least, as the first run may compile; a slow engine is not asked for more than half a second of it.
  const until = performance.now() + 500;
  for (let i = 0; i < 2 || (i < 20 && performance.now() < until); i++) {
    best = Math.min(best, (await executable.timed(feeds, { fetch: [] })).nanoseconds);
  }
  executable.dispose();
  return best;
}

const nameWidth = 14;
/** Longer ones have a line of their own. */
const mostFactLength = 40;

function asText({ backend, runs, device, threads, flags, notes = [], convolutionGflops, additionGBps, copyGBps, reason }: Finding): string {
  const name = backend.padEnd(nameWidth);
  if (!runs) return `${name}does not run: ${reason}\n`;
  const speed =
    convolutionGflops === undefined
      ? ''
      : `, convolution ${convolutionGflops} GFLOP/s, addition ${additionGBps} GB/s, copy ${copyGBps} GB/s`;
  const facts = Object.entries(flags ?? {}).map(([key, value]) => `${key}=${value}`);
  const short = facts.filter((fact) => fact.length <= mostFactLength);
  const long = facts.filter((fact) => fact.length > mostFactLength).map((fact) => fact.replace('=', ': '));
  const more = [...(short.length > 0 ? [short.join(' ')] : []), ...long, ...notes];
  const first = `${name}runs: ${device}, ${threads} thread${threads === 1 ? '' : 's'}${speed}`;
  return `${[first, ...more.map((line) => ''.padEnd(nameWidth) + line)].join('\n')}\n`;
}
