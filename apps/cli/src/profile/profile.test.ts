import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkCount } from '@shoal/analyze';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../program.ts';
import { boxesOf } from './page.ts';
import { headline, working, type Profiled } from './tables.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-profile-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function shoal(...argv: readonly string[]): Promise<{ code: number; out: string; log: string }> {
  let [out, log] = ['', ''];
  const code = await runCommandLine(argv, { out: (text) => (out += text), log: (text) => (log += text), interactive: false });
  return { code, out, log };
}

describe.each(['fwd', 'step'] as const)('%s', (phase) => {
  let [report, text, page] = [{} as Profiled, '', ''];
  test('runs, and says where the page is', { timeout: 120_000 }, async () => {
    const [json, html] = [join(folder, `${phase}.json`), join(folder, `${phase}.html`)];
    const argv = ['profile', 'resnet-mini', '--phase', phase, '--input', '64x32', '--batch', '2', '--repeat', '3', '--threads', '1'];
    const { code, out, log } = await shoal(...argv, '--json', json, '--html', html);
    expect([code, log]).toEqual([0, expect.stringContaining(`Page with a plot: ${html}`)]);
    [report, text, page] = [JSON.parse(await readFile(json, 'utf8')) as Profiled, out, await readFile(html, 'utf8')];
  });

  test('machine output has a schema', async () => {
    const url = new URL('../../schemas/profile-1.schema.json', import.meta.url);
    const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
    ajv.validate(JSON.parse(await readFile(fileURLToPath(url), 'utf8')) as object, report);
    expect(ajv.errors ?? []).toEqual([]);
    expect(report).toMatchObject({ model: 'resnet-mini', phase, input: [2, 64, 32, 3], threads: 1, wide: false, precision: 'default' });
  });

  test('layers add up to all steps, run by run, and steps are as many as the layers say', () => {
    const { layers, stepwise, steps } = report;
    stepwise.samplesNs.forEach((sum, run) =>
      expect(layers.reduce((total, { samplesNs }) => total + samplesNs[run]!, 0)).toBeCloseTo(sum, 0),
    );
    expect(layers.flatMap(({ parts }) => parts).reduce((sum, part) => sum + part.steps, 0)).toBe(steps.length);
  });

  test('the table is in the order of the network, and says what stands as the floor', () => {
    const names = working(report).map(({ name }) => name);
    expect(text.split('\n').flatMap((line) => names.find((name) => line.startsWith(`│ ${name} `)) ?? [])).toEqual(
      expect.arrayContaining(names),
    );
    expect(text.indexOf('│ layer1.0.conv1 ')).toBeLessThan(text.indexOf('│ layer4.0.conv1 '));
    expect(text).toMatch(/The floor is the longer of arithmetic at [\d.]+ GFLOP\/s \(a (product|1x1 convolution) of [^)]+\) and moving/);
    expect(text.includes('│ backward │')).toBe(phase === 'step');
  });

  test('a device that chooses variants says how often each ran', () => {
    const kernel = { kernel: 'math/matmul', launches: 2, variant: '64x64 by 8x8', by: 'timing' as const };
    const tuned = [kernel, { ...kernel, kernel: 'conv/conv2d', launches: 5, variant: '32x32 by 4x4', by: 'estimate' as const }, kernel];
    expect(headline({ ...report, tuned }).at(-1)).toBe(
      'Launches by variant: 5 of 32x32 by 4x4, 4 of 64x64 by 8x8. Of 3 kernels 2 were chosen by timing.',
    );
  });

  test('the icicle nests, and covers the whole width', () => {
    const boxes = boxesOf(report);
    const total = boxes[0]!.x2;
    for (let depth = 1; depth <= (phase === 'step' ? 3 : 2); depth++) {
      const row = boxes.filter((box) => box.depth === depth).toSorted((a, b) => a.x1 - b.x1 || a.x2 - b.x2);
      expect(row.reduce((sum, { x1, x2 }) => sum + x2 - x1, 0)).toBeCloseTo(total, 6);
      row.forEach(({ x1 }, i) => expect(x1).toBeCloseTo(row[i - 1]?.x2 ?? 0, 6));
      const above = boxes.filter((box) => box.depth === depth - 1);
      for (const { x1, x2 } of row) expect(above.some((box) => box.x1 <= x1 + 1e-9 && x2 <= box.x2 + 1e-9)).toBe(true);
    }
    expect(boxes.filter(({ depth }) => depth === 1).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['layer1', 'layer2', 'layer3', 'layer4', 'head']),
    );
  });

  test('the page works offline', () => {
    expect(page.match(/<svg/g)?.length).toBe(1);
    expect(page.match(/<rect/g)!.length).toBeGreaterThanOrEqual(boxesOf(report).length);
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
  });
});

describe('counts', async () => {
  const gpu = await softwareBackend();
  if (typeof gpu === 'string') test.skip(`counts of WebGPU: ${gpu}`);
  else {
    test('of layers add up, are written as JSON and as Markdown, and nothing runs', async () => {
      const markdown = join(folder, 'count.md');
      const argv = ['profile', 'resnet18', '--count', '--backend', 'webgpu', '--phase', 'step', '--batch', '8', '--markdown', markdown];
      const { code, out } = await shoal(...argv, '--json', '-');
      const counted = JSON.parse(out) as NetworkCount;
      const url = new URL('../../schemas/count-1.schema.json', import.meta.url);
      const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
      ajv.validate(JSON.parse(await readFile(fileURLToPath(url), 'utf8')) as object, counted);
      expect([code, ajv.errors ?? []]).toEqual([0, []]);
      const { layers, kinds, total } = counted;
      for (const what of ['launches', 'productMacs', 'bytes', 'leastBytes'] as const) {
        for (const rows of [layers, kinds]) expect(rows.reduce((sum, row) => sum + row[what], 0)).toBe(total[what]);
      }
      // The first convolution has its forward product, and that of its weights, whose parts are added by a launch of their own.
      expect(layers[0]).toMatchObject({ name: 'conv1', kind: 'convolution', launches: 3, macs: 2 * 8 * 118_013_952 });
      expect(layers[0]!.productMacs).toBeGreaterThanOrEqual(layers[0]!.macs);
      expect(await readFile(markdown, 'utf8')).toMatch(
        /^\*\*resnet18, a training step, 8 images of 224x224, backend webgpu\*\*\n\n\| kind \|/,
      );
    });
  }
  test('are for backends that count', async () => {
    const { code, log } = await shoal('profile', 'all-cnn-c', '--count', '--threads', '1');
    expect([code, log]).toEqual([1, 'shoal: count: backend wasm does not count what its kernels do. Use webgpu.\n']);
  });
});

describe('wrong usage ends with 2 and says what would be right', () => {
  test.each<[string, readonly string[], string]>([
    ['an unknown model', ['resnet19'], "there is no network 'resnet19'. Did you mean resnet18"],
    ['no model', [], "missing required argument 'model'"],
    ['an unknown phase', ['resnet18', '--phase', 'bwd'], "Allowed choices are fwd, step"],
    ['a table of times', ['resnet18', '--markdown', 'table.md'], '--markdown is the table of --count'],
    ['a plot of counts', ['resnet18', '--count', '--html', 'page.html'], '--html is a plot of times, and --count has none'],
    ['a size that does not fit', ['fishnet-mini', '--input', '48x64'], 'not multiples of 32'],
    ['a page with nowhere to go', ['resnet18', '--html', 'no/such/folder/page.html'], 'cannot write no/such/folder/page.html'],
  ])('%s', async (_, argv, message) => {
    const { code, out, log } = await shoal('profile', ...argv);
    expect([code, out]).toEqual([2, '']);
    expect(log).toContain(message);
  }); // prettier-ignore
});
