import { chromium } from 'playwright';
import { build, preview, type Rollup } from 'vite';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { chromiumFlags, findChromium } from '../../../tools/chromium.ts';
import { pack, type Tarball } from '../../../tools/pack.ts';
import { onReference, readmeExample, replaced, seededRandom } from './readme.ts';
import { findSystemNode } from './system-node.ts';

const names = ['cache', 'core', 'math', 'conv', 'pool', 'residual', 'zoo', 'backend-wasm', 'backend-webgpu'].map(
  (name) => `@shoal/${name}`,
);
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const budgetFile = join(import.meta.dirname, '../../../tools/size-budget.json');
const budgets: Record<'readmeExampleGzipBytes' | 'resnet18WebgpuGzipBytes', number> = JSON.parse(readFileSync(budgetFile, 'utf8'));

const node = findSystemNode();
const chromiumPath = findChromium();
const example = readmeExample();
const lossesIn = (lines: readonly string[]): number[] => lines.map(Number).filter((value) => !Number.isNaN(value));

/** Inference with ResNet-18 on WebGPU: no other backend, no training. */
const resnetPage = `import { createRuntime, webgpu } from '@shoal/backend-webgpu';
import { convWebgpu } from '@shoal/conv/webgpu';
import { input } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { resnet18 } from '@shoal/zoo';

const runtime = await createRuntime(webgpu(), [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
const { output } = resnet18().build(input('image', [1, 224, 224, 3]), { train: false });
const network = await runtime.compile({ outputs: { output } });
console.log((await network.run({ image: new Float32Array(224 * 224 * 3) })).output);
`;

/** Kernels of inference alone. */
const inferencePage = `import { createRuntime, wasm } from '@shoal/backend-wasm';
import { inferenceConvWasm } from '@shoal/conv/wasm';
import { averagePoolWasm, maxPoolWasm } from '@shoal/pool/wasm';

console.log((await createRuntime(wasm(), [inferenceConvWasm, averagePoolWasm, maxPoolWasm])).info);
`;

interface Bundle {
  readonly modules: readonly string[];
  readonly gzipBytes: number;
}

/** What a browser downloads of the page that is `script` alone. */
async function bundled(folder: string, script: string, outDir: string): Promise<Bundle> {
  const page = `${outDir}.html`;
  writeFileSync(
    join(folder, page),
    `<!doctype html><title>Shoal</title><link rel="icon" href="data:,"><script type="module" src="./${script}"></script>`,
  );
  vi.stubEnv('NODE_ENV', 'production');
  const options = { outDir, emptyOutDir: true, rollupOptions: { input: join(folder, page) } };
  const { output } = (await build({ root: folder, configFile: false, logLevel: 'error', build: options })) as Rollup.RollupOutput;
  vi.unstubAllEnvs();
  const scripts = output.filter(({ fileName }) => fileName.endsWith('.js'));
  const sizes = scripts.map((file) => gzipSync(file.type === 'chunk' ? file.code : file.source, { level: 9 }).length);
  return {
    modules: output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : [])),
    gzipBytes: sizes.reduce((a, b) => a + b, 0),
  };
}

/** Largest relative difference. */
const apart = (a: readonly number[], b: readonly number[]): number => {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!) / Math.abs(b[i]!)));
};

const describeInstalled = typeof node === 'string' ? describe.skip : describe;

describeInstalled(`the packed packages${typeof node === 'string' ? ` skipped: ${node}` : ', installed in an empty folder'}`, () => {
  const system = node as Exclude<typeof node, string>;
  let folder: string;
  let tarballs: readonly Tarball[];
  /** Losses of the README's example: on the system's Node, and as the definition has them. */
  let onNode: number[];
  let defined: number[];

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'shoal-installed-'));
    tarballs = pack(join(folder, 'tarballs'), names);
    write('package.json', JSON.stringify({ name: 'somebody', private: true, type: 'module' }));
    // Offline: the tarballs satisfy each other, and nothing else is needed.
    system.run(`npm install --offline --no-audit --no-fund ${tarballs.map(({ path }) => `"${path}"`).join(' ')}`, folder);
    write('seeded.js', seededRandom);
    write('example.js', example);
    write('reference.js', onReference(example));
    const losses = (file: string): number[] => lossesIn(system.run(`node --import ./seeded.js ${file}`, folder).trim().split('\n'));
    onNode = losses('example.js');
    defined = losses('reference.js');
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test(`the README's example runs on the system's Node ${system.version}, with the numbers of the definition`, () => {
    expect(onNode).toHaveLength(20);
    expect(onNode.at(-1)).toBeLessThan(onNode[0]! / 2);
    expect(apart(onNode, defined)).toBeLessThan(1e-4);
  });

  test('every entry that needs no other backend can be imported', () => {
    const entries = tarballs.flatMap(({ name, entries }) => entries.map((entry) => name + entry.slice(1)));
    const here = entries.filter((entry) => !/\/(webgpu|cuda|tfjs)$/.test(entry));
    write('entries.js', here.map((entry) => `if (Object.keys(await import('${entry}')).length > 0) console.log('${entry}');`).join('\n'));
    const found = system.run('node entries.js', folder).trim().split('\n');
    expect(found).toEqual(here);
    expect(found).toEqual(expect.arrayContaining(['@shoal/core/reference', '@shoal/pool/wasm', '@shoal/residual']));
  });

  test('the types are those of the README', () => {
    write('example.ts', example);
    const tsc = join(import.meta.dirname, '../../../node_modules/typescript/bin/tsc');
    const options = '--noEmit --strict --module nodenext --target es2024 --lib es2024,dom --types "" --skipLibCheck false';
    expect(system.run(`node "${tsc}" ${options} example.ts`, folder)).toBe('');
  });

  describe('bundled by Vite', () => {
    const budget = budgets.readmeExampleGzipBytes;
    const forOthers = (others: string): RegExp => new RegExp(`/(reference|cuda|tfjs|${others})/|\\.cases\\.`);
    let readme: Bundle;

    beforeAll(async () => {
      write('page.js', replaced(example, 'await runtime.dispose();', 'globalThis.info = runtime.info;'));
      readme = await bundled(folder, 'page.js', 'readme');
    }, 60_000);

    test(`its size, gzipped, is at most ${budget} bytes, and nothing is in it that the page does not use`, () => {
      console.log(`the README's example, bundled: ${readme.gzipBytes} bytes gzipped, ${budget} allowed`);
      expect(readme.gzipBytes).toBeGreaterThan(5000);
      expect(readme.gzipBytes).toBeLessThanOrEqual(budget);
      expect(readme.modules.some((id) => id.includes('/pool/dist/wasm/'))).toBe(true);
      expect(readme.modules.filter((id) => forOthers('webgpu|backend-webgpu|residual').test(id))).toEqual([]);
      expect(readme.modules.filter((id) => /\/(winograd|depthwise|average-pool|max-unpool)/.test(id))).toEqual([]);
    });

    test(`ResNet-18 on WebGPU is at most ${budgets.resnet18WebgpuGzipBytes} bytes, and no WebAssembly is in it`, async () => {
      write('resnet18.js', resnetPage);
      const { modules, gzipBytes } = await bundled(folder, 'resnet18.js', 'resnet18');
      console.log(`ResNet-18 on WebGPU, bundled: ${gzipBytes} bytes gzipped, ${budgets.resnet18WebgpuGzipBytes} allowed`);
      expect(gzipBytes).toBeLessThanOrEqual(budgets.resnet18WebgpuGzipBytes);
      expect(modules.some((id) => id.includes('/conv/dist/webgpu/'))).toBe(true);
      expect(modules.filter((id) => forOthers('wasm|backend-wasm').test(id))).toEqual([]);
    });

    test('a page that names the kernels of inference has no weight gradient in it', async () => {
      write('inference.js', inferencePage);
      const { modules } = await bundled(folder, 'inference.js', 'inference');
      expect(modules.some((id) => id.includes('/conv/dist/wasm/winograd/convolution'))).toBe(true);
      expect(modules.filter((id) => /\/wasm\/.*gradient-weight|unpool/.test(id))).toEqual([]);
    });

    test('its threads start in Chromium, with the same numbers', async ({ onTestFinished, skip }) => {
      if (chromiumPath === undefined && !process.env['SHOAL_REQUIRE_BROWSER']) skip('Chromium not found (set SHOAL_CHROMIUM)');
      const server = await preview({
        root: folder,
        configFile: false,
        logLevel: 'error',
        build: { outDir: 'readme' },
        preview: { port: 0, headers: isolation },
      });
      onTestFinished(() => server.close());
      const browser = await chromium.launch({ ...(chromiumPath ? { executablePath: chromiumPath } : {}), args: [...chromiumFlags] });
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      const [lines, failures]: [string[], string[]] = [[], []];
      page.on('console', (message) => (message.type() === 'log' ? lines : failures).push(message.text()));
      page.on('pageerror', (error) => failures.push(error.message));
      page.on('response', (response) => {
        if (!response.ok()) failures.push(`${response.status()} ${response.url()}`);
      });
      // Machines with one processor would start one thread.
      await page.addInitScript(`${seededRandom}Object.defineProperty(navigator, 'hardwareConcurrency', { get: () => 2 });`);
      await page.goto(new URL('readme.html', server.resolvedUrls!.local[0]).href);
      await page
        .waitForFunction('globalThis.info !== undefined', undefined, { timeout: 20_000 })
        .catch((error: unknown) => failures.push(String(error)));
      expect(failures).toEqual([]);
      expect(await page.evaluate('[crossOriginIsolated, info.threads, info.notes]')).toEqual([true, 2, []]);
      expect(page.workers()).toHaveLength(2);
      expect(apart(lossesIn(lines), defined)).toBeLessThan(1e-4);
    });
  });
});
