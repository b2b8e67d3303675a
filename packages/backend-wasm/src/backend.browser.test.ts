import { createRuntime, expression as e, input, map, reduce, variable } from '@shoal/core';
import { expect, test } from 'vitest';
import { wasm } from './backend.ts';

test('an isolated page computes on as many threads as it asks for', async () => {
  const runtime = await createRuntime(wasm({ threads: 2 }));
  try {
    expect(runtime.info.threads).toBe(2);
    expect(runtime.info.notes).toEqual([]);
    const x = input('x', [300, 257]);
    const w = variable('w', [257], 1);
    const sums = reduce(
      map([x, w], (a, b) => e.mul(a, b)),
      { kind: 'sum', axes: [0] },
    );
    const executable = await runtime.compile({ outputs: { sums }, updates: [[w, map([w], (a) => e.mul(a, 2))]] });
    const feeds = { x: new Float32Array(300 * 257).fill(0.5) };
    expect((await executable.run(feeds))['sums']!.every((sum) => sum === 150)).toBe(true);
    expect((await executable.run(feeds))['sums']!.every((sum) => sum === 300)).toBe(true);
  } finally {
    await runtime.dispose();
  }
});
