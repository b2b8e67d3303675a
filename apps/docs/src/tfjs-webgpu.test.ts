import { afterEach, expect, test, vi } from 'vitest';
import { findChromium } from '../../../tools/chromium.ts';
import { measureTfjsWebgpu } from '../tools/tfjs-webgpu.ts';

afterEach(() => vi.unstubAllEnvs());

const required = process.env['SHOAL_REQUIRE_BROWSER'] === '1';
const name = 'the webgpu engine of TensorFlow.js is measured in Chromium';
if (findChromium() === undefined && !required) test.skip(`${name}: no Chromium was found (SHOAL_CHROMIUM names one)`);
else {
  test(name, async () => {
    const results = await measureTfjsWebgpu(['pool/max']);
    if (typeof results === 'string') throw new Error(results);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.filter(({ skipped }) => skipped === null).length).toBeGreaterThan(50);
  });
}

test('without Chromium there is a reason', async () => {
  vi.stubEnv('SHOAL_CHROMIUM', '/no/such/browser');
  expect(await measureTfjsWebgpu()).toContain('no Chromium was found');
});
