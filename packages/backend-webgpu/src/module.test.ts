import { input, type Value } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { emitCopy } from './emit.ts';
import { assemble, fold, type Place } from './module.ts';

describe('folding workgroups', () => {
  test.each<[number, readonly [number, number, number]]>([
    [1, [1, 1, 1]],
    [65535, [65535, 1, 1]],
    [65536, [32768, 2, 1]],
    [200_000, [50000, 4, 1]],
  ])('%d', (groups, folded) => {
    expect(fold(groups, 65535)).toEqual(folded);
  });
  test('a box always holds all of them, and no side is too long', () => {
    for (const groups of [9, 10, 17, 26, 27]) {
      const [x, y, z] = fold(groups, 3);
      expect(Math.max(x, y, z)).toBeLessThanOrEqual(3);
      expect(x * y * z).toBeGreaterThanOrEqual(groups);
    }
    expect(fold(10, 3)[2]).toBe(2);
  });
});

describe('bindings', () => {
  const [arena, weights] = [{ label: 'arena' } as GPUBuffer, { label: 'weights' } as GPUBuffer];
  const [x, y, w] = [input('x', [3]), input('y', [3]), input('w', [3])];
  const places = new Map<Value, Place>([
    [x, { buffer: arena, offset: 512, bytes: 12 }],
    [y, { buffer: arena, offset: 0, bytes: 12 }],
    [w, { buffer: weights, offset: 256, bytes: 12 }],
  ]);
  const shader = (from: Value, to: Value, storageBuffers: number) => {
    const { dispatches, accessors } = emitCopy(from, to);
    return assemble('copy', dispatches[0]!, accessors, (value) => places.get(value)!, { workgroupsPerDimension: 65535, storageBuffers });
  };

  test('a buffer that is only read is bound for reading', () => {
    expect(shader(w, y, 8).bindings).toEqual([
      { buffer: weights, offset: 256, bytes: 12, access: 'read' },
      { buffer: arena, offset: 0, bytes: 12, access: 'read_write' },
    ]);
  });
  test('a buffer that is written is bound for writing everywhere', () => {
    expect(shader(x, y, 8).bindings.map(({ access }) => access)).toEqual(['read_write', 'read_write']);
  });
  test('too many bindings share one, with bits reinterpreted', () => {
    const { source, bindings } = shader(x, y, 1);
    expect(bindings).toEqual([{ buffer: arena, offset: 0, bytes: 524, access: 'read_write' }]);
    expect(source).toContain('return bitcast<f32>(t0[128 + i]);');
    expect(source).toContain('t0[i] = bitcast<u32>(value);');
  });
  test('a device with too few bindings is an error that says so', () => {
    expect(() => shader(w, y, 1)).toThrow('copy: reads and writes 2 buffers in one dispatch, the device binds 1.');
  });
});
