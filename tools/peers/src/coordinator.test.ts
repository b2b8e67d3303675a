import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { findChromium } from '../../chromium.ts';
import { measure } from './coordinator.ts';
import { engines, nodeEngine, peersInstalled, type EngineEntry } from './engines/registry.ts';
import { isMeasured, type Measured, type Measurement, type PeersRecord } from './record.ts';
import { markdownReport } from './report.ts';
import { workNamed, type Work } from './works/index.ts';

const entry = (name: string): EngineEntry => engines.find((each) => each.name === name)!;
const fixture = (name: string): EngineEntry => ({
  name,
  title: name,
  kind: 'peer',
  installed: false,
  command: nodeEngine(`../testing/${name}.ts`),
});

/** A run of a second or two: whatever it finds is held against the schema. */
async function record(names: readonly EngineEntry[], works: readonly (string | Work)[], threads = 1): Promise<PeersRecord> {
  const found = await measure({
    works: works.map((work) => (typeof work === 'string' ? workNamed(work) : work)),
    engines: names,
    phases: ['fwd'],
    threads: [threads],
    repeat: 3,
    log: () => undefined,
  });
  const schema = JSON.parse(await readFile(fileURLToPath(new URL('../schemas/peers-1.schema.json', import.meta.url)), 'utf8')) as object;
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, strictRequired: false });
  ajv.validate(schema, JSON.parse(JSON.stringify(found)));
  expect(ajv.errors ?? []).toEqual([]);
  return found;
}

const measuredBy = ({ rows }: PeersRecord, engine: string): readonly Measurement[] =>
  rows.map(({ measurements }) => measurements.find((measurement) => measurement.engine === engine)!);

const small = ['AllCNN 8 fwd', 'AllCNN 8 bwd-data', 'AllCNN 8 bwd-weights', 'sampler fwd', 'tiny batch 4 step'] as const;
type Small = (typeof small)[number];

/** What each peer can do of it, which is what was found; a peer that gains or loses something changes this table. */
const abilities: Readonly<Record<string, readonly Small[]>> = {
  'tfjs-wasm': ['AllCNN 8 fwd', 'AllCNN 8 bwd-data', 'sampler fwd'],
  'tfjs-wasm-chromium': ['AllCNN 8 fwd', 'AllCNN 8 bwd-data', 'sampler fwd'],
  'tfjs-cpu': small,
  'tfjs-webgpu': small,
  'ort-web': ['AllCNN 8 fwd', 'sampler fwd'],
  'ort-web-chromium': ['AllCNN 8 fwd', 'sampler fwd'],
  'ort-webgpu': ['AllCNN 8 fwd', 'sampler fwd'],
  'ort-node': ['AllCNN 8 fwd', 'sampler fwd'],
  'jax-js': ['AllCNN 8 fwd', 'AllCNN 8 bwd-data', 'AllCNN 8 bwd-weights'],
  'jax-webgpu': ['AllCNN 8 fwd', 'AllCNN 8 bwd-data', 'AllCNN 8 bwd-weights'],
  pytorch: small,
};

const inChromium = (name: string): boolean => /-(chromium|webgpu)$/.test(name);
const missing = 'peers not installed: run bench:peers once';

describe('a peer agrees with the float64 reference, is timed, and has ratios', () => {
  for (const [name, abilitiesOfIt] of Object.entries(abilities)) {
    const absent = entry(name).installed && !peersInstalled();
    test.skipIf(absent)(absent ? `${name} (${missing})` : name, { timeout: 240_000 }, async (context) => {
      const found = await record([entry('shoal'), entry(name)], small);
      const reason = found.engines.find((engine) => engine.name === name)?.reason;
      const mayBeAbsent = name === 'pytorch' || inChromium(name);
      if (reason !== undefined && mayBeAbsent) context.skip(`${name} does not start: ${reason}`);
      const measurements = measuredBy(found, name);
      // What a machine's BLAS is too slow for is no finding about PyTorch.
      const refused = small.filter((_, i) => 'reason' in measurements[i]! && measurements[i].reason.includes('install libopenblas0'));
      const able = abilitiesOfIt.filter((work) => !refused.includes(work));
      expect(able).toContain('AllCNN 8 fwd');
      expect(small.filter((_, i) => isMeasured(measurements[i]!))).toEqual(able);
      for (const { ratios, expected, work } of found.rows) {
        expect(expected).toBe('float64 reference');
        expect(ratios.map(({ shoal, peer, clock }) => [shoal, peer, clock])).toEqual(
          able.includes(work as Small)
            ? [
                ['shoal', name, 'call'],
                ['shoal', name, 'device'],
              ]
            : [],
        );
        for (const { ratio, low, high } of ratios) expect([low <= ratio, ratio <= high]).toEqual([true, true]);
      }
    });
  }
});

const absent = !peersInstalled();
const chromium = findChromium();
test.skipIf(absent)(
  `ONNX Runtime takes part on two threads, and TensorFlow.js has two in pages and says that it has one in Node${absent ? ` (${missing})` : ''}`,
  { timeout: 120_000 },
  async () => {
    const pages = chromium === undefined ? [] : ['ort-web-chromium', 'tfjs-wasm-chromium'];
    const names = ['ort-web', 'ort-node', 'tfjs-wasm', ...pages];
    const found = await record(names.map(entry), ['AllCNN 8 fwd'], 2);
    expect(found.rows[0]!.measurements.map(isMeasured)).toEqual(names.map(() => true));
    expect(found.engines.flatMap(({ info }) => info?.threads ?? [])).toEqual([2, 2, 1, ...pages.map(() => 2)]);
  },
);

describe("Shoal's own engines", () => {
  test('default, wide and strict find the same, on two threads as well', { timeout: 120_000 }, async () => {
    const names = ['shoal', 'shoal-wide', 'shoal-strict'];
    const { rows, engines: records } = await record(names.map(entry), ['AllCNN 8 fwd', 'tiny batch 4 step'], 2);
    expect(rows.flatMap(({ measurements }) => measurements.map((each) => [each.engine, isMeasured(each)]))).toEqual(
      rows.flatMap(() => names.map((name) => [name, true])),
    );
    const infos = records.flatMap(({ info }) => info ?? []);
    expect(infos.map(({ flags, threads }) => [flags['strict'], threads])).toEqual([
      [false, 2],
      [false, 2],
      [true, 2],
    ]);
  });

  test.skipIf(chromium === undefined)(
    `a cross-origin isolated page${chromium === undefined ? ' (Chromium not found: set SHOAL_CHROMIUM)' : ''}`,
    { timeout: 120_000 },
    async () => {
      const found = await record([entry('shoal-chromium')], ['AllCNN 8 fwd', 'tiny batch 4 step'], 2);
      expect(measuredBy(found, 'shoal-chromium').map(isMeasured)).toEqual([true, true]);
      expect(found.engines[0]?.info?.flags['crossOriginIsolated']).toBe(true);
      expect(found.engines[0]?.info?.threads).toBe(2);
    },
  );

  test('WebGPU, in Node and in a page, and a software adapter is called so in the tables', { timeout: 120_000 }, async (context) => {
    const names = ['shoal-webgpu', 'shoal-webgpu-chromium'];
    const found = await record(names.map(entry), ['AllCNN 8 fwd', 'tiny batch 4 step']);
    for (const name of names) {
      const { info, reason } = found.engines.find((engine) => engine.name === name)!;
      if (reason !== undefined) context.skip(`${name} does not start: ${reason}`);
      expect(measuredBy(found, name).map(isMeasured)).toEqual([true, true]);
      expect(markdownReport(found).includes(` ${name} (software) |`)).toBe(info!.flags['software']);
    }
  });
});

test('engines on CUDA take part, or say what they lack', { timeout: 120_000 }, async () => {
  const onCuda = engines.filter(({ name }) => name.includes('cuda'));
  const found = await record(onCuda, ['AllCNN 8 fwd']);
  expect(onCuda.map(({ name }) => name)).toEqual(expect.arrayContaining(['shoal-cuda-cudnn', 'pytorch-cuda-graph-tf32', 'ort-cuda']));
  const reasons = found.rows[0]!.measurements.flatMap((measurement) => (isMeasured(measurement) ? [] : [measurement.reason]));
  const known = /NVIDIA driver|without CUDA|finds no GPU|pip install|cuDNN|NVRTC|CUDA provider/;
  expect(reasons.filter((reason) => !known.test(reason))).toEqual([]);
});

test(
  'where nothing else can say what is expected, engines are compared with the first; TF32 excuses no wrong result',
  { timeout: 60_000 },
  async () => {
    const work = { ...workNamed('AllCNN 8 fwd'), comparedWithFirst: true };
    const wrong = { ...fixture('wrong-engine'), rounds: true };
    const found = await record([entry('shoal'), entry('shoal-strict'), wrong], [work]);
    expect(found.rows[0]!.expected).toBe('shoal');
    expect(measuredBy(found, 'shoal-strict').map(isMeasured)).toEqual([true]);
    expect(measuredBy(found, 'wrong-engine')).toEqual([
      { engine: 'wrong-engine', reason: expect.stringMatching(/^disagrees with the shoal: largest difference \d/) },
    ]);
  },
);

describe('engines that are wrong, or end', () => {
  test('a wrong answer has no time and no ratio, but a reason', { timeout: 60_000 }, async () => {
    const found = await record([entry('shoal'), fixture('wrong-engine')], ['AllCNN 8 fwd']);
    const [wrong] = measuredBy(found, 'wrong-engine');
    expect(wrong).toEqual({
      engine: 'wrong-engine',
      reason: expect.stringMatching(/^disagrees with the float64 reference: largest difference \d/),
    });
    expect(found.rows[0]!.ratios).toEqual([]);
    expect(markdownReport(found)).toContain('- wrong-engine: disagrees with the float64 reference');
  });

  test('one that computes nothing any more while it is timed is found out', { timeout: 60_000 }, async () => {
    const found = await record([entry('shoal'), fixture('tiring-engine')], ['AllCNN 8 fwd']);
    expect(measuredBy(found, 'tiring-engine')).toEqual([
      { engine: 'tiring-engine', reason: expect.stringMatching(/^after its samples, disagrees with the float64 reference: largest/) },
    ]);
    expect(measuredBy(found, 'shoal').map(isMeasured)).toEqual([true]);
    expect(found.rows[0]!.ratios).toEqual([]);
  });

  test('a process that ends is a reason for this work, and is started again for the next', { timeout: 60_000 }, async () => {
    const found = await record([fixture('dying-engine'), entry('shoal')], ['AllCNN 8 fwd', 'AllCNN 9 fwd']);
    expect(measuredBy(found, 'dying-engine')).toEqual([
      { engine: 'dying-engine', reason: 'the process ended with code 7' },
      { engine: 'dying-engine', reason: 'the process ended with code 7' },
    ]);
    expect(measuredBy(found, 'shoal').map(isMeasured)).toEqual([true, true]);
  });

  test('an engine that does not start is listed with what it said', { timeout: 60_000 }, async () => {
    const absent: EngineEntry = {
      ...fixture('absent-engine'),
      command: () => [process.execPath, '--eval', "process.stderr.write('no such engine'); process.exit(3)"],
    };
    const found = await record([absent, entry('shoal')], ['AllCNN 8 fwd']);
    expect(found.engines.find(({ name }) => name === 'absent-engine')?.reason).toBe('the process ended with code 3: no such engine');
    expect(measuredBy(found, 'absent-engine').map(isMeasured)).toEqual([false]);
  });
});

test(
  'the floor copies as many bytes on each number of threads, and takes part only where bytes are what costs',
  { timeout: 120_000 },
  async () => {
    const found = await record([entry('shoal'), entry('copy')], ['max-pool 2x2 64@112 batch 1 fwd', 'AllCNN 8 fwd'], 2);
    const [pool, convolution] = measuredBy(found, 'copy') as readonly [Measured, Measurement];
    expect(pool.bestNs).toBeGreaterThan(found.rows[0]!.bytes / 2 / 500); // 500 GB/s: no memory is that fast
    expect(convolution).toEqual({ engine: 'copy', reason: 'only for work that moves data' });
  },
);
