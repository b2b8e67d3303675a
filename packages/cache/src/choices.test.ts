import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { memoryStore, openChoices, version } from './choices.ts';
import { folderStore } from './store-node.ts';

const variants = ['64x64', '32x32'];

test('the version is that of the package', () => expect(version).toBe(manifest.version));

describe('choices', () => {
  test('are found by the next that opens the same scope, and by no other', async () => {
    const store = memoryStore();
    const first = await openChoices(['webgpu', 'adapter'], store);
    first.set('matmul 7x5', '32x32');
    expect(first.find('matmul 7x5', variants)).toBe('32x32');
    expect((await openChoices(['webgpu', 'adapter'], store)).find('matmul 7x5', variants)).toBeUndefined();
    await first.save();
    const next = await openChoices(['webgpu', 'adapter'], store);
    expect(next.find('matmul 7x5', variants)).toBe('32x32');
    expect(next.find('matmul 7x6', variants)).toBeUndefined();
    expect((await openChoices(['webgpu', 'other'], store)).find('matmul 7x5', variants)).toBeUndefined();
  });
  test('that are not offered any more are none', async () => {
    const choices = await openChoices(['webgpu'], memoryStore());
    choices.set('matmul', '128x128');
    expect(choices.find('matmul', variants)).toBeUndefined();
  });
});

describe('in a folder', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'shoal-choices-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const choose = async (key: string, variant: string, at = folder): Promise<void> => {
    const choices = await openChoices(['wasm', 'V8'], folderStore(at));
    choices.set(key, variant);
    await choices.save();
  };
  const found = async (key: string): Promise<string | undefined> =>
    (await openChoices(['wasm', 'V8'], folderStore(folder))).find(key, variants);

  test('they outlive who made them, and others are added to them', async () => {
    await choose('a', '64x64');
    await choose('b', '32x32');
    await choose('a', '32x32');
    expect([await found('a'), await found('b')]).toEqual(['32x32', '32x32']);
    expect(readdirSync(folder)).toHaveLength(1);
  });
  test('many that write at once leave a whole file', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key) => choose(key, '64x64')));
    expect(await Promise.all(keys.map(found))).toContain('64x64');
    expect(readdirSync(folder)).toHaveLength(1);
  });
  test.each<[string, (text: string) => string]>([
    ['cut off', (text) => text.slice(0, -3)],
    ['empty', () => ''],
    ['null', () => 'null'],
    ['of another scope', (text) => text.replace('V8', 'V9')],
    ['of another shape', (text) => text.replace('"64x64"', '[1]')],
    ['a list', (text) => text.replace(/\{\s*"a": "64x64"\s*\}/, 'null')],
  ])('a file that is %s holds none, and is repaired', async (_, damage) => {
    await choose('a', '64x64');
    const path = join(folder, readdirSync(folder)[0]!);
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    expect(await found('a')).toBeUndefined();
    await choose('a', '32x32');
    expect(await found('a')).toBe('32x32');
  });
  test('where nothing can be written they are lost, and nobody is told', async () => {
    writeFileSync(join(folder, 'file'), '');
    await choose('a', '64x64', join(folder, 'file', 'below'));
    expect(readdirSync(folder)).toEqual(['file']);
  });
});
