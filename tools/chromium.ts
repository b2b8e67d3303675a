import { existsSync } from 'node:fs';

/** Flags for headless Chromium: WebGPU on the software adapter, and none of its traffic in the background. */
export const chromiumFlags: readonly string[] = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The Chromium that browser tests run in: `SHOAL_CHROMIUM`, or the first of the usual places; `undefined` when there is none. */
export const findChromium = (): string | undefined => {
  const named = process.env['SHOAL_CHROMIUM'];
  return named === undefined ? usualPlaces.find((path) => existsSync(path)) : existsSync(named) ? named : undefined;
};
