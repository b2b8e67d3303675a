import { expect, test } from 'vitest';
import { cudnnCandidates } from './cudnn.ts';
import type { Environment } from './search.ts';

const environment = (given: Partial<Environment>): Environment => ({
  platform: 'linux',
  variables: {},
  home: '/home/me',
  glob: (pattern) => [pattern],
  ...given,
});

test('on Linux the loader comes first, then its own folder, toolkits and the wheels of pip', () => {
  const { paths, folders } = cudnnCandidates(
    environment({ variables: { CUDNN_PATH: '/opt/cudnn', CUDA_HOME: '/opt/cuda', VIRTUAL_ENV: '/venv' } }),
  );
  expect(paths.slice(0, 4)).toEqual([
    'libcudnn.so.9',
    '/opt/cudnn/lib/libcudnn.so.9',
    '/opt/cudnn/lib64/libcudnn.so.9',
    '/opt/cuda/lib64/libcudnn.so.9',
  ]);
  expect(paths).toContain('/venv/lib/python3*/site-packages/nvidia/cudnn/lib/libcudnn.so.9');
  expect(paths).toContain('/home/me/.local/lib/python3*/site-packages/nvidia/cudnn/lib/libcudnn.so.9');
  expect(paths).toHaveLength(folders.length + 1);
});

test('on Windows it has another name', () => {
  const { paths } = cudnnCandidates(environment({ platform: 'win32', variables: { CUDNN_PATH: 'C:/cuDNN', VIRTUAL_ENV: 'C:/venv' } }));
  expect(paths).toEqual([
    'cudnn64_9.dll',
    'C:/cuDNN/bin/cudnn64_9.dll',
    'C:/cuDNN/bin/*/cudnn64_9.dll',
    'C:/venv/Lib/site-packages/nvidia/cudnn/bin/cudnn64_9.dll',
  ]);
});

test('only what is there is tried', () => {
  expect(cudnnCandidates(environment({ glob: () => [] })).paths).toEqual(['libcudnn.so.9']);
});
