import { wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { createRuntime } from '@shoal/core';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { networks, type NetworkName } from '@shoal/zoo';
import { filter, firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { floorOf, trafficCounter } from './floor.ts';
import { copySpeed, type Limits } from './limits.ts';
import { feedsFor, heldBytes, phaseProgram, type Phase } from './program.ts';
import { profileNetwork } from './profile.ts';
import { report, type ProfileReport } from './report.ts';

const openRuntime = (threads: number) => createRuntime(wasm({ threads }), [convWasm, mathWasm, poolWasm, residualWasm]);

const limits: Limits = {
  gflops: 10,
  fastest: 'a product of 256x256 matrices',
  copies: [
    { bytes: 1e6, gbps: 20 },
    { bytes: 1e7, gbps: 5 },
  ],
};

describe('floor', () => {
  test('the longer of arithmetic and traffic, at the speed of a copy that is no larger', () => {
    expect([1e3, 1e6, 9e6, 1e7, 1e9].map((bytes) => copySpeed(limits, bytes))).toEqual([20, 20, 20, 5, 5]);
    expect(floorOf({ macs: 5e6, bytes: 4e6 }, limits)).toEqual({ ms: 1, by: 'arithmetic' });
    expect(floorOf({ macs: 1, bytes: 4e7 }, limits)).toEqual({ ms: 8, by: 'memory' });
    expect(floorOf({ macs: 0, bytes: 0 }, limits)).toEqual({ ms: 0, by: null });
  });

  test('a layer reads its input and parameters once and writes its output once, whatever happens in between', async () => {
    const runtime = await openRuntime(1);
    const network = networks['all-cnn-c']();
    const work = phaseProgram(network, 'fwd', { input: [32, 32] });
    const executable = await runtime.compile(work.program);
    const { schedule } = executable;
    const first = schedule.steps.slice(0, 1 + schedule.steps.findIndex(({ node }) => node.op.name.startsWith('conv/')));
    const bytes = trafficCounter(schedule)(first);
    expect(bytes).toBe(4 * (32 * 32 * 3 + 9 * 3 * 96 + 96 + 32 * 32 * 96));
    await runtime.dispose();
  });
});

async function measured(name: NetworkName, phase: Phase, threads: number): Promise<{ found: ProfileReport; sums: readonly number[] }> {
  const runtime = await openRuntime(threads);
  const [height, width] = networks[name]().input;
  const work = phaseProgram(networks[name](), phase, { input: [Math.min(height, 64), Math.min(width, 64)], batch: 2 });
  const executable = await runtime.compile(work.program);
  const feeds = feedsFor(work, executable);
  await executable.run(feeds);
  const timed = [];
  for (let i = 0; i < 3; i++) timed.push(await executable.timed(feeds, { fetch: [], profile: true }));
  const found = report(work, runtime, {
    wholeNs: timed.map(({ nanoseconds }) => nanoseconds),
    runs: timed.map(({ steps }) => steps!),
    schedule: executable.schedule,
    tuned: executable.tuned,
    held: heldBytes(work, executable),
    limits,
  });
  await runtime.dispose();
  return { found, sums: timed.map(({ nanoseconds }) => nanoseconds) };
}

describe.each<[NetworkName, Phase, number]>([
  ['resnet-mini', 'fwd', 1],
  ['resnet-mini', 'step', 2],
  ['fishnet-mini', 'step', 1],
  ['squeezenet1_1', 'fwd', 2],
  ['all-cnn-c', 'step', 1],
])('%s, %s, %i threads', (name, phase, threads) => {
  test('the times of layers, of their parts and of kinds sum to the run', async () => {
    const { found, sums } = await measured(name, phase, threads);
    const { layers, kinds } = found;
    const summed = (rows: readonly { readonly samplesNs: readonly number[] }[]): readonly number[] =>
      sums.map((_, run) => rows.reduce((total, { samplesNs }) => total + samplesNs[run]!, 0));
    const exact = sums.map((sum) => expect.closeTo(sum, -1) as number); // nanoseconds are fractions on one thread
    expect(summed(layers)).toEqual(exact);
    expect(summed(layers.flatMap(({ parts }) => parts))).toEqual(exact);
    expect(summed(kinds)).toEqual(exact);
    expect(found.stepwise.samplesNs).toEqual(exact);
    expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(kinds.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(found.macs).toBe(layers.reduce((sum, { macs }) => sum + macs, 0));
    for (const { samplesNs, includes, within, parts, kind } of layers) {
      const worked = parts.some(({ steps }) => steps > 0);
      expect(samplesNs.every((ns) => (worked ? ns >= 0 : ns === 0))).toBe(true);
      if (!worked) expect([kind, includes.length, within.length > 0 || kind === 'reshape']).toEqual([kind, 0, true]);
    }
  });
});

test('events come in order, and the report last', { timeout: 120_000 }, async () => {
  const runtime = await openRuntime(1);
  const events = await lastValueFrom(profileNetwork(runtime, networks['all-cnn-c'](), { repeat: 2, input: [16, 24] }).pipe(toArray()));
  expect(events.map(({ kind }) => kind)).toEqual(['prepare', 'prepare', 'prepare', 'run', 'run', 'run', 'run', 'report']);
  const last = events.at(-1)!;
  const found = last.kind === 'report' ? last.report : null;
  expect(found).toMatchObject({ model: 'all-cnn-c', phase: 'fwd', input: [1, 16, 24, 3], threads: 1, backend: 'wasm' });
  expect(found!.whole.samplesNs.length).toBe(2);
  expect(found!.limits.gflops).toBeGreaterThan(0.1);
  expect(found!.limits.copies.map(({ bytes }) => bytes)).toEqual([2 ** 21, 2 ** 23, 2 ** 25, 2 ** 27]);
  expect(found!.held.variables).toBe(4 * 1_369_738);
  expect(found!.held.arena).toBeGreaterThan(0);
  await runtime.dispose();
});

test('unsubscribing stops it, and the runtime goes on', async () => {
  const runtime = await openRuntime(1);
  const events = profileNetwork(runtime, networks['all-cnn-c'](), { repeat: 1_000_000, input: [16, 16] });
  await firstValueFrom(events.pipe(filter(({ kind }) => kind === 'run')));
  await expect(lastValueFrom(profileNetwork(runtime, networks['all-cnn-c'](), { repeat: 0 }))).rejects.toThrow(
    'profile: repeat is 0. Give an integer of at least 1.',
  );
  await runtime.dispose();
});
