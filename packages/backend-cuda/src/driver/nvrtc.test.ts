import { ShoalError } from '@shoal/core';
import { expect, test } from 'vitest';
import { elements } from '../kernel.ts';
import { named, type KernelSource } from '../source.ts';
import { findNvrtc, nvrtcCandidates, type Nvrtc } from './nvrtc.ts';
import type { Environment } from './search.ts';

const environment = (given: Partial<Environment>): Environment => ({
  platform: 'linux',
  variables: {},
  home: '/home/me',
  glob: (pattern) => [pattern],
  ...given,
});

test('on Linux the loader comes first, and no version that is newer than the driver', () => {
  const found = nvrtcCandidates(12, environment({ variables: { CUDA_HOME: '/opt/cuda', CONDA_PREFIX: '/conda', VIRTUAL_ENV: '/venv' } }));
  expect(found.slice(0, 2)).toEqual(['libnvrtc.so.12', '/opt/cuda/lib64/libnvrtc.so.12']);
  expect(found.filter((path) => path.endsWith('.so.13'))).toEqual([]);
  expect(found).toContain('/conda/lib/libnvrtc.so.12');
  expect(found).toContain('/venv/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12');
  expect(found).toContain('/home/me/.local/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12');
  const newer = nvrtcCandidates(13, environment({}));
  expect(newer.slice(0, 2)).toEqual(['libnvrtc.so.13', 'libnvrtc.so.12']);
  expect(newer).toContain('/home/me/.local/lib/python3*/site-packages/nvidia/cu13/lib/libnvrtc.so.13');
});

test('on Windows it has other names and folders', () => {
  const found = nvrtcCandidates(13, environment({ platform: 'win32', variables: { CUDA_PATH: 'C:/CUDA', CONDA_PREFIX: 'C:/conda' } }));
  expect(found.slice(0, 3)).toEqual(['nvrtc64_130_0.dll', 'nvrtc64_120_0.dll', 'C:/CUDA/bin/nvrtc64_130_0.dll']);
  expect(found).toContain('C:/CUDA/bin/x64/nvrtc64_130_0.dll');
  expect(found).toContain('C:/conda/Library/bin/nvrtc64_120_0.dll');
  expect(found.some((path) => path.includes('.so'))).toBe(false);
});

test('only what is there is tried', () => {
  const glob = (pattern: string): readonly string[] => (pattern.startsWith('/usr/local/cuda-*') ? [pattern.replace('*', '12.4')] : []);
  expect(nvrtcCandidates(12, environment({ glob }))).toEqual(['libnvrtc.so.12', '/usr/local/cuda-12.4/lib64/libnvrtc.so.12']);
});

test('a path that is not NVRTC is said to be none', () => {
  expect(() => findNvrtc(12, '/nowhere/libnvrtc.so')).toThrow(
    'backend-cuda: NVRTC was not found at /nowhere/libnvrtc.so. Install that of CUDA 12',
  );
});

const installed = ((): Nvrtc | string => {
  try {
    return findNvrtc(13);
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'UNSUPPORTED') return error.message;
    throw error;
  }
})();

const kernel = (body: string): KernelSource =>
  named('test/double', { ...elements(1000, body), declarations: '', parameters: [{ dtype: 'f32', written: true, aliased: false }] });

test.skipIf(typeof installed === 'string')(
  `NVRTC compiles for an architecture it knows, makes PTX for a newer one, and says what it does not take${typeof installed === 'string' ? ` skipped: ${installed}` : ''}`,
  async () => {
    const nvrtc = installed as Nvrtc;
    const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);
    const double = kernel('SHOAL_AT(t0, 1000, i) = 2.0f * SHOAL_AT(t0, 1000, i);');
    expect(text(await nvrtc.compile([double], { capability: 90 })).slice(1, 4)).toBe('ELF');
    const portable = text(await nvrtc.compile([double], { capability: 999 }));
    expect(portable).toContain(`.entry ${double.name}`);
    await expect(nvrtc.compile([kernel('nonsense;')], { capability: 90 })).rejects.toMatchObject({
      code: 'KERNEL',
      message: expect.stringContaining('identifier "nonsense" is undefined'),
    });
  },
);
