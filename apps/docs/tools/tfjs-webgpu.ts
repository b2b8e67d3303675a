import { fileURLToPath } from 'node:url';
import type { Result } from '@shoal/conformance';
import { chromium } from 'playwright';
import { build, preview, type InlineConfig } from 'vite';
import { chromiumFlags, findChromium } from '../../../tools/chromium.ts';

/**
 * Runs the conformance tables on the webgpu engine of TensorFlow.js, which exists in browsers only: in Chromium, on a page made for it.
 *
 * @param names of the tables to run; all when left out
 * @returns the verdicts, or why there are none
 */
export async function measureTfjsWebgpu(names: readonly string[] | null = null): Promise<readonly Result[] | string> {
  const executablePath = findChromium();
  if (executablePath === undefined) return 'it runs in browsers only, and no Chromium was found (SHOAL_CHROMIUM names one)';
  const page: InlineConfig = {
    configFile: false,
    logLevel: 'warn',
    root: fileURLToPath(new URL('tfjs-webgpu', import.meta.url)),
    resolve: { conditions: ['@shoal/source', 'module', 'browser', 'development|production'] },
    build: { outDir: fileURLToPath(new URL('../dist/tfjs-webgpu', import.meta.url)), emptyOutDir: true, chunkSizeWarningLimit: Infinity },
    preview: { host: '127.0.0.1' },
  };
  await build(page);
  const server = await preview(page);
  const browser = await chromium.launch({ executablePath, args: [...chromiumFlags] });
  try {
    const tab = await browser.newPage();
    await tab.goto(server.resolvedUrls!.local[0]!);
    await tab.waitForFunction(() => 'measure' in globalThis);
    return await tab.evaluate((asked) => globalThis.measure(asked), names);
  } finally {
    await browser.close();
    await server.close();
  }
}
