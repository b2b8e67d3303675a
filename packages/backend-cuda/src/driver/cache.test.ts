import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { elements } from '../kernel.ts';
import { named } from '../source.ts';
import { withCache } from './cache.ts';
import type { KernelCompiler } from './compiler.ts';

describe('compiled kernels', () => {
  const kernel = (body: string) => named('test/one', { ...elements(8, body), declarations: '', parameters: [] });
  const [one, other] = [kernel('one;'), kernel('other;')];
  let folder: string;
  let compiled: number;
  const compiler = (name = 'NVRTC 12.4'): KernelCompiler => ({
    name,
    generic: false,
    compile: async ([first], { capability }) => {
      compiled++;
      return new TextEncoder().encode(`${first!.name} for ${capability} by ${name}`);
    },
  });
  const compile = async (kernels = [one], capability = 90, name = 'NVRTC 12.4'): Promise<string> =>
    new TextDecoder().decode(await withCache(compiler(name), folder).compile(kernels, { capability }));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'));
    compiled = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('are compiled once for each text, architecture and compiler', async () => {
    const asked = () => [compile(), compile([other]), compile([one], 80), compile([one], 90, 'NVRTC 13.0')];
    const first = await Promise.all(asked());
    expect(new Set(first).size).toBe(4);
    expect(compiled).toBe(4);
    expect(await Promise.all(asked())).toEqual(first);
    expect(compiled).toBe(4);
    expect(readdirSync(folder)).toHaveLength(4);
  });
  test.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['cut off', (bytes) => bytes.subarray(0, -1)],
    ['empty', () => new Uint8Array()],
    ['changed', (bytes) => bytes.with(40, bytes[40]! ^ 1)],
  ])('that were %s are compiled again, and repaired', async (_, damage) => {
    const expected = await compile();
    const path = join(folder, readdirSync(folder)[0]!);
    writeFileSync(path, damage(readFileSync(path)));
    expect(await compile()).toBe(expected);
    expect(await compile()).toBe(expected);
    expect(compiled).toBe(2);
  });
  test('that cannot be kept are compiled each time', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const nowhere = withCache(compiler(), join(file, 'below'));
    const expected = await compile();
    for (let i = 0; i < 2; i++) expect(new TextDecoder().decode(await nowhere.compile([one], { capability: 90 }))).toBe(expected);
    expect(compiled).toBe(3);
  });
});
