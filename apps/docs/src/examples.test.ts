import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const run = async (name: string): Promise<string> => {
  const file = fileURLToPath(new URL(`examples/${name}.ts`, import.meta.url));
  return (await promisify(execFile)(process.execPath, ['--conditions=@shoal/source', file])).stdout;
};

describe('the examples of the site run as they are shown', () => {
  test('pooling and stride, with gradients', async () => {
    expect(await run('first')).toBe(
      [
        'pooled 4 2 2 5',
        'strided -1 1 0 2',
        'throughPool 0 0 1 0 1 0 0 0 0 0 1 0 1 0 0 0',
        'throughStride 1 0 1 0 0 -1 0 -1 1 0 1 0 0 -1 0 -1',
        '',
      ].join('\n'),
    );
  });

  test('training: the loss falls', async () => {
    const losses = [...(await run('train')).matchAll(/^step \d+: loss (\d+\.\d{3})$/gm)].map(([, loss]) => Number(loss));
    expect(losses.length).toBe(4);
    expect(losses.toSorted((a, b) => b - a)).toEqual(losses);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });
});
