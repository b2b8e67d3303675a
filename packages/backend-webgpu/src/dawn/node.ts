import { existsSync } from 'node:fs';

/** What the npm package `webgpu` exports; it is an optional peer and may be missing. */
interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: object;
}

/** Where distributions put the manifest of SwiftShader, Vulkan on the CPU. */
const softwareDrivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib64/chromium-browser/vk_swiftshader_icd.json'];

/** Opens Dawn in Node; a text says why not. */
export async function openDawn({
  software,
  flags,
}: {
  readonly software: boolean;
  readonly flags: readonly string[];
}): Promise<GPU | string> {
  let dawn: Dawn;
  try {
    dawn = await import('webgpu');
  } catch (cause) {
    return `the package webgpu cannot be loaded (${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}); install it with: npm install webgpu`;
  }
  // Dawn refers to GPUBufferUsage and its like as globals.
  for (const [name, value] of Object.entries(Object.getOwnPropertyDescriptors(dawn.globals))) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, value);
  }
  if (software && process.platform === 'linux' && process.env['VK_DRIVER_FILES'] === undefined) {
    const manifest = softwareDrivers.find((path) => existsSync(path));
    if (manifest) process.env['VK_DRIVER_FILES'] = manifest;
  }
  const backend = software ? ['backend=vulkan'] : [];
  // Without quantization the timestamps resolve single dispatches; this process times nobody but itself.
  return dawn.create([...backend, 'disable-dawn-features=timestamp_quantization', ...flags]);
}

/** Timestamps of a device opened here count nanoseconds; elsewhere they are quantized. */
export const exactTimestamps = true;

/** What to do where no adapter is found. */
export const adapterHint =
  'Install a Vulkan, Metal or Direct3D 12 driver (on Linux also libvulkan.so.1); for the CPU pass { software: true } and set VK_DRIVER_FILES to the manifest of SwiftShader';
