import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { NetworkCost } from '@shoal/analyze';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import type { CostGroup } from './cost.ts';
import { runCommandLine } from './program.ts';

async function shoal(...argv: readonly string[]): Promise<{ code: number; out: string; log: string }> {
  let [out, log] = ['', ''];
  const code = await runCommandLine(argv, { out: (text) => (out += text), log: (text) => (log += text), interactive: false });
  return { code, out, log };
}

interface Written extends NetworkCost {
  readonly backend?: string;
  readonly groups?: readonly CostGroup[];
}

/** Runs the command for its machine output and holds that against the schema. */
async function written(...argv: readonly string[]): Promise<Written> {
  const { code, out } = await shoal('cost', ...argv, '--json', '-');
  expect(code).toBe(0);
  const value = JSON.parse(out) as Written;
  const schema = JSON.parse(await readFile(fileURLToPath(new URL('../schemas/cost-1.schema.json', import.meta.url)), 'utf8')) as object;
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
  ajv.validate(schema, value);
  expect(ajv.errors ?? []).toEqual([]);
  return value;
}

describe('machine output', () => {
  test('has a schema, and exact numbers', async () => {
    const { model, input, params, macs, layers, plannedBytes, groups } = await written('resnet18');
    expect({ model, input, params, macs }).toEqual({ model: 'resnet18', input: [1, 224, 224, 3], params: 11689512, macs: 1814073344 });
    expect(layers.length).toBe(69);
    expect([plannedBytes, groups]).toEqual([undefined, undefined]);
  });

  test('size and batch', async () => {
    const { input, macs } = await written('all-cnn-c', '--input', '48x32', '--batch', '2');
    expect(input).toEqual([2, 48, 32, 3]);
    expect(macs).toBeGreaterThan(2 * 270798336);
    expect((await written('all-cnn-c', '--input', '32')).macs).toBe(270798336);
  });

  test.each(['stage', 'kind'] as const)('by %s: sums of the layers', async (by) => {
    const { layers, groups, macs, bytes } = await written('resnet-mini', '--by', by);
    expect(groups!.map(({ name }) => name)).toEqual([...new Set(layers.map((layer) => layer[by]))]);
    expect(groups!.reduce((sum, group) => sum + group.layers, 0)).toBe(layers.length);
    expect(groups!.reduce((sum, group) => sum + group.macs, 0)).toBe(macs);
    expect(groups!.reduce((sum, group) => sum + group.bytes, 0)).toBe(bytes);
  });

  test("FishNet's convention", async () => {
    const { operations, convention, receptiveField } = await written('fishnet99', '--convention', 'fishnet');
    expect([convention, (operations! / 1e9).toFixed(2)]).toEqual(['fishnet', '4.31']);
    expect(receptiveField.height).toMatchObject({ size: 'whole image', local: 731 });
  });

  test('with a backend: what it allocates', { timeout: 60_000 }, async () => {
    const { backend, plannedBytes, logicalBytes } = await written('fishnet-mini', '--backend', 'cpu', '--threads', '1');
    expect(backend).toBe('wasm');
    expect(plannedBytes! / logicalBytes.inference).toBeGreaterThan(0.5);
    expect(plannedBytes! / logicalBytes.inference).toBeLessThan(1.2);
  });
});

describe('for people', () => {
  test('layers, totals and what they count', async () => {
    const { code, out } = await shoal('cost', 'resnet18');
    expect(code).toBe(0);
    expect(out).toMatch(/│ layer2\.0\.downsample\.0 +│ convolution +│ +28x28x128 │ +8,192 │ +6\.4 M │ .*│ +43 │ +8 │ +0 │/);
    expect(out).toContain('resnet18, 224x224, 1 image\n');
    expect(out).toMatch(/multiply-accumulates +1,814,073,344 \(1\.8 G\)/);
    expect(out).toMatch(/field of layer4\.1\.relu#2 +435 x 435, jump 32 x 32/);
    expect(out).toContain('[1] The largest sum of tensors alive at one step');
    expect(out).not.toContain('arena');
  });

  test('paths that are apart, fields of the whole image, and what cannot be trained', async () => {
    const { out } = await shoal('cost', 'fishnet-mini', '--input', '32x64', '--by', 'stage', '--convention', 'fishnet');
    expect(out).toContain('image (643) x image (643), jump 32 x 32');
    expect(out).toContain('look at places up to 16 pixels apart');
    expect(out).toMatch(/operations, FishNet's way +[\d,]+ an image/);
    const small = await shoal('cost', 'resnet18', '--input', '32x32', '--by', 'kind');
    expect(small.out).toContain('none: see below');
    expect(small.out).toContain('fewer than two values per channel');
  });
});

test.each<[readonly string[], string]>([
  [['resnet51'], "shoal: there is no network 'resnet51'. Did you mean resnet50, resnet18, resnet34, resnet101? All networks: resnet18, "],
  [['AllCNN-C'], "shoal: there is no network 'AllCNN-C'. Did you mean all-cnn-c, "],
  [['x'], "shoal: there is no network 'x'. All networks: resnet18, "],
  [['fishnet99', '--input', '100x64'], 'shoal: fishnet99: image [1,100,64,3] is 100x64, not multiples of 32. Crop or pad it to 96x64.'],
  [['all-cnn-c', '--input', '3x3'], 'shoal: all-cnn-c: cannot take an image [1,3,3,3]'],
  [['resnet18', '--input', '224x'], 'shoal: --input 224x is no size. Give height and width, such as 224x160'],
  [['resnet18', '--input', '0x4'], 'shoal: --input 0x4 is no size.'],
  [['resnet18', '--batch', '0'], 'shoal: --batch 0 is not a whole number of at least 1'],
  [['resnet18', '--by', 'row'], "argument 'row' is invalid. Allowed choices are layer, stage, kind."],
  [['resnet18', '--backend', 'gpu'], "shoal: unknown backend 'gpu'. Known backends: cpu, "],
  [[], "missing required argument 'model'"],
])('wrong usage ends with 2 and says what would be right: %j', async (argv, message) => {
  const { code, out, log } = await shoal('cost', ...argv);
  expect([code, out]).toEqual([2, '']);
  expect(log).toContain(message);
});

test('--help has examples', async () => {
  const { code, out } = await shoal('cost', '--help');
  expect(code).toBe(0);
  expect(out).toContain('Examples:\n  shoal cost resnet50 --by stage');
});
