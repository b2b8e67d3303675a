import { expect, test } from 'vitest';
import { loadDriver } from './library.ts';

test('where CUDA cannot be, the reason is said', () => {
  expect(() => loadDriver(undefined, 'darwin')).toThrow(
    'backend-cuda: macOS has no CUDA: NVIDIA dropped it after CUDA 10.2. Use the WebGPU backend.',
  );
  expect(() => loadDriver(undefined, 'win32')).toThrow('no NVIDIA driver here: nvcuda.dll is not installed');
  expect(() => loadDriver(undefined, 'freebsd')).toThrow('CUDA is not known on freebsd');
  expect(() => loadDriver('/nowhere/libcuda.so.1')).toThrow('no NVIDIA driver here: /nowhere/libcuda.so.1 is not installed');
});
