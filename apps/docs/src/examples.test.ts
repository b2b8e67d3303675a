import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { softwareBackend } from '@shoal/backend-webgpu/testing';
import { describe, expect, test } from 'vitest';

const run = async (name: string, ...options: readonly string[]): Promise<string> => {
  const file = fileURLToPath(new URL(`examples/${name}.ts`, import.meta.url));
  return (await promisify(execFile)(process.execPath, ['--conditions=@shoal/source', file, ...options])).stdout;
};

describe('the examples of the site run as they are shown', async () => {
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

  test('a network from blocks, and what it costs', async () => {
    const lines = (await run('cost')).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^conv +convolution +1x32x32x16 +2408448$/);
    expect(lines.find((line) => line.startsWith('block2.downsample.0'))).toMatch(/convolution +1x8x8x32 +32768$/);
    expect(lines.slice(-3)).toEqual([
      '21914 parameters, 4505920 multiply-accumulates, 59920 comparisons',
      'activations: 131072 bytes to run, 404652 to train',
      'one cell of block2.relu#2 sees 51 pixels',
    ]);
  });

  test('where its gradients go', async () => {
    const lines = (await run('flow')).trimEnd().split('\n');
    expect(lines.slice(0, 4).map((line) => line.split(' ')[0])).toEqual(['input', 'stem', 'block1', 'block2']);
    expect(lines[4]).toBe('no identity beside block2.downsample.0, which is strided');
    expect(lines[5]).toMatch(/^stem sends gradient to 1\d\.\d % of its inputs$/);
    expect(lines[6]).toBe('block2.downsample.0 sends gradient to 25.0 % of its inputs, exactly');
  });

  test('two stems: costs, time, and both learn', async () => {
    const lines = (await run('stems')).trimEnd().split('\n');
    expect(lines.filter((_, i) => i % 2 === 0)).toEqual([
      'pooled: 21914 parameters, 4505920 multiply-accumulates, field 51',
      'strided: 24666 parameters, 3719488 multiply-accumulates, field 55',
    ]);
    for (const line of [lines[1]!, lines[3]!]) {
      const [, first, last] = /^\w+: loss (\d\.\d\d) to (\d\.\d\d) in 30 steps of \d+\.\d ms$/.exec(line)!;
      expect(Number(last)).toBeLessThan(Number(first) / 4);
    }
  });

  test('the first runtime that can be had', async () => {
    const [first, ...notes] = (await run('fallback')).trimEnd().split('\n');
    expect(first).toMatch(/^(webgpu|wasm) 4 2 2 8$/);
    // A machine with a GPU has nothing to explain.
    expect(first!.startsWith('webgpu') || notes.some((note) => /WebGPU is not available|adapter/.test(note))).toBe(true);
  });

  test('kernels for the CPU, as their definitions have it', async () => {
    const [numbers, bits] = (await run('wasm-kernel')).trimEnd().split('\n');
    expect(Number(/^27392 numbers, at most (\S+) from the definition$/.exec(numbers!)![1])).toBeLessThan(5e-6);
    expect(bits).toBe('three threads: the same bits');
  });

  const gpu = await softwareBackend();
  if (typeof gpu === 'string') test.skip(`kernels in WGSL: ${gpu}`);
  else {
    test('kernels for a GPU, as their definitions have it', async () => {
      const [, apart] = /^28563 numbers, at most (\S+) from the definition, in 2 steps\n$/.exec(await run('wgsl-kernel', '--software'))!;
      expect(Number(apart)).toBeLessThan(5e-6);
    });
  }

  test('parameters by name', async () => {
    expect(await run('weights')).toBe('0.5\n102 64x64x3x3\ntrue\n');
  });
});
