import { defineConfig } from 'vite';

/** The explorer on a page of its own: what shared links lead to, small enough for a phone. The site serves it under `explorer/`. */
export default defineConfig({
  root: 'explorer',
  base: './',
  resolve: { conditions: ['@shoal/source', 'module', 'browser', 'development|production'] },
  build: { outDir: '../dist/explorer', emptyOutDir: true, target: 'es2022', reportCompressedSize: true },
});
