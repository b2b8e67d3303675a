import { playwright } from '@vitest/browser-playwright';
import type { TestProjectConfiguration, UserWorkspaceConfig } from 'vitest/config';
import { defineConfig } from 'vitest/config';
import { chromiumFlags, findChromium } from './tools/chromium.ts';
import { externalCases } from './tools/vitest/external-cases.ts';
import { SummaryReporter } from './tools/vitest/summary-reporter.ts';

const chromium = findChromium();
/** Tests resolve the packages' sources, so that no build is needed and stack traces point at what was written. */
const resolve = { conditions: ['@shoal/source', 'module', 'browser', 'development|production'] };
const roots = '{packages,apps}/*/src';

const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** A project in real Chromium; without one, a Node project that reports each of its files as skipped, with the reason. */
const inChromium = (name: string, suffix: string, headers: Record<string, string>): UserWorkspaceConfig => {
  const include = [`${roots}/**/*.${suffix}.test.ts`, `tests/src/**/*.${suffix}.test.ts`];
  if (chromium === undefined) {
    return {
      test: { name: `${name} (no Chromium)`, include: ['tools/vitest/no-chromium.test.ts'], provide: { browserTestGlobs: include } },
    };
  }
  return {
    resolve,
    plugins: [externalCases()],
    server: { headers },
    cacheDir: `node_modules/.vite/${name}`,
    test: {
      name,
      include,
      testTimeout: 60_000,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath: chromium, args: [...chromiumFlags] } }),
        instances: [{ browser: 'chromium' }],
      },
    },
  };
};

const node: TestProjectConfiguration = {
  resolve: { conditions: ['@shoal/source', 'module', 'node', 'development|production'] },
  ssr: { resolve: { conditions: ['@shoal/source', 'module', 'node', 'development|production'] } },
  test: {
    name: 'node',
    environment: 'node',
    pool: 'forks',
    // Worker threads that a test starts load sources as well.
    execArgv: ['--conditions=@shoal/source'],
    include: [`${roots}/**/*.test.ts`, 'tests/src/**/*.test.ts', 'tools/{cuda,peers}/src/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts', '**/*.unisolated.test.ts', '**/node_modules/**', '**/dist/**'],
    testTimeout: 60_000,
  },
};

export default defineConfig({
  test: {
    projects: [node, inChromium('browser', 'browser', isolationHeaders), inChromium('unisolated', 'unisolated', {})],
    reporters: ['default', new SummaryReporter(process.env['SHOAL_TEST_REPORT'])],
  },
});
