import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, test } from 'vitest';

test('a browser bundle of the WebGPU backend holds nothing of Node and no Dawn', async () => {
  const entry = fileURLToPath(new URL('../../packages/backend-webgpu/src/index.ts', import.meta.url));
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    root: fileURLToPath(new URL('..', import.meta.url)),
    resolve: { conditions: ['@shoal/source', 'module', 'browser', 'development|production'] },
    build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'bundle' } },
  });
  const chunks = (Array.isArray(result) ? result : []).flatMap(({ output }) => output);
  const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n');
  expect(code.includes('requestAdapter')).toBe(true);
  expect(/["']node:\w+|["']webgpu["']\)|vk_swiftshader/.exec(code)?.[0]).toBeUndefined();
});
