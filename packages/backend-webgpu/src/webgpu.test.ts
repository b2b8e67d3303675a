import { createRuntime, type Runtime, type ShoalError } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { webgpu } from './webgpu.ts';

const refusal = (open: Promise<Runtime>): Promise<ShoalError> =>
  open.then(
    () => expect.fail('it opened'),
    (error: ShoalError) => error,
  );

describe('opening', () => {
  test('an unknown option is refused', () => {
    expect(() => webgpu({ fast: true } as object)).toThrow(
      'backend-webgpu: unknown option fast. Known options: gpu, precision, storage, software, powerPreference, autotune, dawnFlags.',
    );
  });
  test('without an adapter it is UNSUPPORTED', async () => {
    const gpu = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
    const error = await refusal(createRuntime(webgpu({ gpu })));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toMatch(/^backend-webgpu: WebGPU has no adapter\. /);
  });
  test('an adapter that gives no device is UNSUPPORTED, with its words', async () => {
    const adapter = { features: new Set(), limits: {}, info: {}, requestDevice: () => Promise.reject(new Error('out of handles')) };
    const gpu = { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
    const error = await refusal(createRuntime(webgpu({ gpu })));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('out of handles') });
  });
});
