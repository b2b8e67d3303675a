import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { engineDefects } from '@shoal/backend-tfjs/defects';
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { chromiumFlags, findChromium } from '../../../tools/chromium.ts';

const site = new URL('../dist/site/', import.meta.url);
const executable = findChromium();
const required = process.env['SHOAL_REQUIRE_BROWSER'] === '1';
/** Far from the root of the server, as on a page of a code host. */
const prefix = '/some/where/else/';
/** First load of the explorer's page, everything it fetches, gzipped. */
const budget = 150_000;

/** Pages are drawn on machines that are busy. */
const patiently = { timeout: 10_000 };

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Serves the folder under the prefix, and nothing anywhere else. */
function serve(): Server {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = new URL(pathname.replace(prefix, '').replace(/^$|\/$/, '$&index.html'), site);
    if (!pathname.startsWith(prefix)) {
      response.writeHead(404).end();
      return;
    }
    readFile(file).then(
      (body) => response.writeHead(200, { 'content-type': types[extname(file.pathname)] ?? 'application/octet-stream' }).end(body),
      () => response.writeHead(404).end(),
    );
  });
}

if (!existsSync(fileURLToPath(site))) {
  test.skip('the built site is not tested: it was not built (npx -y pnpm@12 site:build)');
} else if (executable === undefined && !required) {
  test.skip('the built site is not tested: no Chromium was found (SHOAL_CHROMIUM names one)');
} else {
  describe('the built site, from a sub-path', () => {
    let server: Server;
    let browser: Browser;
    let page: Page;
    let origin: string;
    const complaints: string[] = [];
    const transferred = new Map<string, number>();

    beforeAll(async () => {
      if (executable === undefined) throw new Error('no Chromium was found, and SHOAL_REQUIRE_BROWSER is 1');
      server = serve();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      browser = await chromium.launch({ executablePath: executable, args: [...chromiumFlags] });
      page = await browser.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
      });
      page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
      page.on('request', (request) => {
        const url = request.url();
        if (!url.startsWith(origin) && !/^(data|blob|about):/.test(url)) complaints.push(`asked elsewhere: ${url}`);
      });
      page.on('response', (response) => {
        if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
        void response.body().then(
          (body) => transferred.set(response.url(), gzipSync(body).length),
          () => undefined,
        );
      });
    });

    afterAll(async () => {
      await browser?.close();
      await new Promise((resolve) => server?.close(resolve));
    });

    afterEach(() => {
      const found = complaints.splice(0);
      if (found.length > 0) throw new Error(`the page complained:\n${found.join('\n')}`);
    });

    const open = (path: string): Promise<unknown> => page.goto(`${origin}${prefix}${path}`);

    test('opens with the explorer on its first page', async () => {
      await open('');
      const frame = page.frameLocator('#storybook-preview-iframe');
      await frame.locator('shoal-downsampling-explorer .card').nth(3).waitFor();
      expect(await frame.locator('[data-operator=max] text.output').allTextContents()).toEqual(['4', '2', '2', '5']);
      expect(await frame.locator('#storybook-docs table td').allTextContents()).toContain('9.74');
    });

    test('every page and story opens', async () => {
      const { entries } = (await (await fetch(`${origin}${prefix}index.json`)).json()) as {
        entries: Record<string, { id: string; type: 'docs' | 'story' }>;
      };
      const all = Object.values(entries);
      expect(all.filter(({ type }) => type === 'docs').length).toBeGreaterThanOrEqual(5);
      expect(all.filter(({ type }) => type === 'story').length).toBeGreaterThanOrEqual(6);
      for (const { id, type } of all) {
        await open(`iframe.html?id=${id}&viewMode=${type}`);
        await page.locator(type === 'docs' ? '#storybook-docs h1' : 'shoal-downsampling-explorer .card >> nth=3').waitFor();
      }
    });

    test('the support matrix is there', async () => {
      await open('iframe.html?id=support-matrix--docs&viewMode=docs');
      const row = page.locator('shoal-support-matrix tbody tr', { hasText: 'pool/max' }).first();
      await row.waitFor();
      expect((await row.locator('td.cell').allTextContents()).slice(0, 3)).toEqual(['✓', '✓', '✓']);
      // Measured or not, each column is accounted for.
      const columns = await page.locator('shoal-support-matrix thead th[colspan]').allTextContents();
      const notMeasured = await page.locator('shoal-support-matrix p strong').allTextContents();
      expect([...columns, ...notMeasured].toSorted()).toEqual([
        'cuda',
        'cuda-cudnn',
        'reference',
        'tfjs-cpu',
        'tfjs-wasm',
        'tfjs-webgpu',
        'wasm',
        'webgpu',
      ]);
    });

    test('what the engines of TensorFlow.js get wrong is there', async () => {
      await open('iframe.html?id=support-matrix--docs&viewMode=docs');
      const rows = page.locator('shoal-engine-defects tbody tr');
      await rows.first().waitFor();
      expect(await rows.count()).toBe(Object.keys(engineDefects).length);
      const lost = rows.filter({ hasText: 'no gradient to a window whose maximum is not positive' });
      expect(await lost.locator('td').first().textContent()).toBe('wasm');
    });

    const frame = (): FrameLocator => page.frameLocator('#storybook-preview-iframe');
    const firstCell = (): Locator => frame().locator('shoal-downsampling-explorer:visible [data-grid=image] input').first();
    const query = (): URLSearchParams => new URL(page.url()).searchParams;

    test.each(['docs/pool-or-stride--docs', 'story/explorer--ties'])(
      'the address of /%s holds the state of its explorer, and brings it back',
      async (path) => {
        await open(`?path=/${path}`);
        await frame().locator('shoal-downsampling-explorer .card').nth(3).waitFor();
        expect([...query().keys()]).toEqual(['path']);
        await firstCell().fill('-7.5');
        await firstCell().press('Enter');
        await frame().locator('shoal-downsampling-explorer input[value=zero]').click();
        await frame().locator('shoal-downsampling-explorer input[type=range]').first().fill('2');
        await frame().locator('shoal-downsampling-explorer .language select').selectOption('pt-BR');
        await expect.poll(() => Object.fromEntries(query()), patiently).toMatchObject({ path: `/${path}`, s: '2_0_zero', l: 'pt-BR' });
        expect(query().get('i')).toMatch(/^-7\.5_/);
        const address = page.url();

        await page.goto('about:blank');
        await page.goto(address);
        await expect.poll(() => firstCell().inputValue(), patiently).toBe('−7,5');
        expect(await frame().locator('shoal-downsampling-explorer input[type=range]').first().inputValue()).toBe('2');
        expect(await frame().locator('shoal-downsampling-explorer input[value=zero]').isChecked()).toBe(true);
        expect(page.url()).toBe(address);

        // An address says nothing of the page that was left.
        await page.locator('#embed-the-explorer--docs').click();
        await expect.poll(() => [...query().entries()], patiently).toEqual([['path', '/docs/embed-the-explorer--docs']]);
        await page.locator('#pool-or-stride--docs').click();
        await expect.poll(() => firstCell().inputValue(), patiently).toBe('1');
        expect([...query().entries()]).toEqual([['path', '/docs/pool-or-stride--docs']]);
      },
    );

    test('a broken address is said to be, on the page that it leads to', async () => {
      await open('?path=/docs/pool-or-stride--docs&shoal=1&i=1_2_3');
      await expect
        .poll(() => frame().locator('shoal-downsampling-explorer .problem').textContent(), patiently)
        .toContain('could not be read');
    });

    test('a link leads to the page of the explorer alone, which is small', async () => {
      await open('iframe.html?id=pool-or-stride--docs&viewMode=docs');
      const explorer = page.locator('shoal-downsampling-explorer');
      await explorer.locator('[data-preset=tie]').click();
      const link = await explorer.evaluate((element) => (element as HTMLElement & { link: string }).link);
      expect(link).toMatch(`${origin}${prefix}explorer/index.html#shoal=1&`);
      transferred.clear();
      await page.goto('about:blank');
      await page.goto(link, { waitUntil: 'networkidle' });
      const arrows = explorer.locator('[data-operator=max] .arrow');
      await arrows.first().waitFor();
      const cells = await arrows.evaluateAll((all) => all.map((arrow) => Number((arrow as SVGElement).dataset['cell'])));
      expect(cells.toSorted((a, b) => a - b)).toEqual([0, 2, 8, 10]);
      const bytes = [...transferred.values()].reduce((sum, each) => sum + each, 0);
      console.log(`first load of the explorer's page: ${(bytes / 1000).toFixed(1)} kB gzipped in ${transferred.size} files`);
      expect(transferred.size).toBeGreaterThanOrEqual(3);
      expect(bytes).toBeLessThan(budget);
    });

    /** What gives the code of a backend away, minified or not. */
    const marks = { wasm: /WebAssembly\.[A-Z]/, webgpu: /requestAdapter/ };
    test.each(['reference', 'wasm', 'webgpu'] as const)('an explorer that computes with %s downloads no other backend', async (backend) => {
      const own = await browser.newPage();
      const code: Promise<string>[] = [];
      own.on('response', (response) => code.push(response.text().catch(() => '')));
      await own.goto(`${origin}${prefix}explorer/index.html`);
      const explorer = own.locator('shoal-downsampling-explorer');
      await explorer.locator('[data-control=backend]').selectOption(backend);
      await own.waitForLoadState('networkidle');
      await explorer.locator('[data-operator=max] .arrow').first().waitFor();
      expect(await explorer.getAttribute('backend')).toBe(backend);
      const texts = await Promise.all(code);
      const loaded = Object.entries(marks).flatMap(([name, mark]) => (texts.some((text) => mark.test(text)) ? [name] : []));
      expect(loaded).toEqual(backend === 'reference' ? [] : [backend]);
      await own.close();
    });
  });
}
