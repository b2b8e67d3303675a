import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright';
import { createServer, defaultClientConditions } from 'vite';
import { chromiumFlags, findChromium } from '../../../chromium.ts';
import { Unsupported, type OpenEngine } from './engine.ts';
import type { PageEngine } from './page.ts';
import { shoalVersion } from './shoal-node.ts';

declare const pageEngine: PageEngine;

const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const folder = fileURLToPath(new URL('.', import.meta.url));

/** Packages are read as this process reads them: from their sources in tests, built otherwise. */
const conditions = process.execArgv.flatMap((flag) => (flag.startsWith('--conditions=') ? [flag.slice('--conditions='.length)] : []));

/** Shoal in a cross-origin isolated page of headless Chromium: the samples are taken in the page. */
export const open: OpenEngine = async ({ threads }) => {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Unsupported('Chromium not found (set SHOAL_CHROMIUM)');
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite', import.meta.url)),
    resolve: { conditions: [...conditions, ...defaultClientConditions] },
    server: { headers: isolation, fs: { strict: false }, hmr: false, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
  });
  await server.listen();
  const browser = await chromium.launch({ executablePath, args: [...chromiumFlags] });
  const page: Page = await browser.newPage();
  const failures: string[] = [];
  page.on('pageerror', (error) => failures.push(error.message));
  await page.goto(`${server.resolvedUrls!.local[0]}page.html`);
  await page
    .waitForFunction(() => 'pageEngine' in globalThis)
    .catch((error: unknown) => {
      throw new Error(failures.join('; ') || String(error));
    });
  const info = await page.evaluate(([count, version]) => pageEngine.open(count, version), [threads, shoalVersion()] as const);
  return {
    info: { ...info, flags: { ...info.flags, chromium: browser.version() } },
    async prepare({ id }) {
      await page.evaluate((name) => pageEngine.prepare(name), id);
      return {
        results: async () => (await page.evaluate(() => pageEngine.results())).map(fromBase64),
        sample: (runs) => page.evaluate((count) => pageEngine.sample(count), runs),
        release: () => page.evaluate(() => pageEngine.release()),
      };
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
};

function fromBase64(text: string): Float32Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
