import { createReadStream, existsSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright';
import { createServer, defaultClientConditions, type Connect } from 'vite';
import { chromiumFlags, findChromium } from '../../../chromium.ts';
import { Unsupported, type OpenEngine } from './engine.ts';
import type { Answer, PageEngine } from './page/page.ts';
import { shoalVersion } from './shoal-node.ts';
import { thirdParty } from './third-party.ts';

declare const pageEngine: PageEngine;

const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const folder = fileURLToPath(new URL('./page/', import.meta.url));

/** Packages are read as this process reads them: from their sources in tests, built otherwise. */
const conditions = process.execArgv.flatMap((flag) => (flag.startsWith('--conditions=') ? [flag.slice('--conditions='.length)] : []));

/** As in tests, but a GPU goes before the software adapter. */
const flags = chromiumFlags.filter((flag) => !flag.startsWith('--use-webgpu-adapter'));

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.bin': 'application/octet-stream',
};

/** Files as they are: Vite would rewrite the peers' code, their workers among it. */
const filesFrom =
  (pathOf: (url: string) => string): Connect.NextHandleFunction =>
  ({ url = '/' }, response) => {
    const path = pathOf(normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname)));
    const type = types[extname(path)];
    response.writeHead(type && existsSync(path) ? 200 : 404, { ...isolation, 'Content-Type': type ?? 'text/plain' });
    if (response.statusCode === 200) createReadStream(path).pipe(response);
    else response.end();
  };

/** An engine in a cross-origin isolated page of headless Chromium: the samples are taken in the page. */
export const open: OpenEngine = async ({ threads, variant: name }) => {
  if (name === undefined) throw new Error('no page was named');
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Unsupported('Chromium not found (set SHOAL_CHROMIUM)');
  let work: string | undefined;
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite', import.meta.url)),
    resolve: { conditions: [...conditions, ...defaultClientConditions] },
    server: { headers: isolation, fs: { strict: false }, hmr: false, ws: false, watch: null },
    // Packages in CommonJS.
    optimizeDeps: { noDiscovery: true, include: ['onnx-proto'] },
    plugins: [
      {
        name: 'files of peers and works',
        configureServer({ middlewares }) {
          middlewares.use(
            '/third-party',
            filesFrom((url) => join(thirdParty, 'node_modules', url)),
          );
          for (const end of ['.json', '.bin'])
            middlewares.use(
              `/work${end}`,
              filesFrom(() => `${work}${end}`),
            );
        },
      },
    ],
  });
  await server.listen();
  const browser = await chromium.launch({ executablePath, args: flags });
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on('pageerror', (error) => failures.push(error.message));
  await page.goto(`${server.resolvedUrls!.local[0]}page.html`);
  await page
    .waitForFunction(() => 'pageEngine' in globalThis)
    .catch((error: unknown) => {
      throw new Error(failures.join('; ') || String(error));
    });
  const info = valueOf(
    await page.evaluate(([engine, options]) => pageEngine.open(engine, options), [
      name,
      { threads, shoalVersion: shoalVersion() },
    ] as const),
  );
  return {
    info: { ...info, flags: { ...info.flags, chromium: browser.version() } },
    async prepare({ id, amount, file, reason }) {
      work = file;
      const order = { id, amount, ...(file === undefined ? {} : { file }), ...(reason === undefined ? {} : { reason }) };
      const { note } = valueOf(await page.evaluate((ordered) => pageEngine.prepare(ordered), order));
      return {
        ...(note === undefined ? {} : { note }),
        results: async () => valueOf(await page.evaluate(() => pageEngine.results()))?.map(fromBase64) ?? null,
        sample: async (runs) => valueOf(await page.evaluate((count) => pageEngine.sample(count), runs)),
        release: async () => valueOf(await page.evaluate(() => pageEngine.release())),
      };
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
};

function valueOf<T>(answer: Answer<T>): T {
  if ('value' in answer) return answer.value;
  throw answer.unsupported ? new Unsupported(answer.error) : new Error(answer.error);
}

function fromBase64(text: string): Float32Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
