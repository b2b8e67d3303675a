import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheFolder, keepFile } from './folder.ts';

test.each<[Record<string, string>, string, string | undefined]>([
  [{}, 'linux', '/home/me/.cache/shoal'],
  [{ XDG_CACHE_HOME: '/fast' }, 'linux', '/fast/shoal'],
  [{ XDG_CACHE_HOME: '' }, 'linux', '/home/me/.cache/shoal'],
  [{ LOCALAPPDATA: '/local' }, 'win32', '/local/shoal'],
  [{ XDG_CACHE_HOME: '/fast', SHOAL_CACHE: '/mine' }, 'linux', '/mine'],
  [{ SHOAL_CACHE: '' }, 'linux', undefined],
])('the folder of %j on %s', (variables, platform, folder) => {
  expect(cacheFolder(variables, platform, '/home/me')).toBe(folder);
});

test('a file is kept whole, and nothing else is left beside it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'));
  const path = join(folder, 'below', 'file');
  const texts = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(100_000));
  await Promise.all(texts.map((text) => keepFile(path, text)));
  expect(texts).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(join(folder, 'below'))).toEqual(['file']);
  writeFileSync(join(folder, 'nowhere'), '');
  await keepFile(join(folder, 'nowhere', 'file'), 'lost');
  rmSync(folder, { recursive: true });
});
