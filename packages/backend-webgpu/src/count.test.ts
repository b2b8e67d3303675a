import { constant, createRuntime, expression as e, input, map, reduce } from '@shoal/core';
import { describe, expect, test } from 'vitest';
import { workgroupBytes } from './count.ts';
import { softwareBackend } from './testing.ts';

describe('workgroup memory', () => {
  test.each<[string, number]>([
    ['var<workgroup> a: array<vec4<f32>, 256>;\nfn f() {}\nvar<workgroup> b: array<f32, 64>;', 4096 + 256],
    ['var<workgroup> a: array<vec3<f16>, 10>;', 80],
    ['var<workgroup> a: array<array<vec2<u32>, 4>, 3>;', 96],
    ['struct pair { sum: f32, rest: vec2<f32> }\nvar<workgroup> a: array<pair, 5>;', 80],
    ['fn f() -> f32 { return 0.0; }', 0],
  ])('%s', (declarations, bytes) => expect(workgroupBytes({ declarations })).toBe(bytes));
});

const backend = await softwareBackend();
if (typeof backend === 'string') test.skip(`counts of programs skipped: ${backend}`);
else {
  test('the dispatches of a program, each tensor once, and nothing that is computed once per version of the weights', async () => {
    const runtime = await createRuntime(backend);
    const x = input('x', [10_000]);
    const sum = reduce(
      map([x, constant(2, [])], (a, b) => e.mul(a, b)),
      { kind: 'sum' },
    );
    const { steps } = await runtime.count({ outputs: { sum } });
    expect(steps.map(({ step }) => step.node.op.name)).toEqual(['core/reduce']);
    // Three workgroups take 4096 terms each, with their rounding errors beside them: 256 pairs; one thread adds what they made.
    const none = { accumulators: 0, multiplyAccumulates: 0 };
    expect(steps[0]!.launches).toEqual([
      { ...none, workgroups: 3, threads: 256, workgroupBytes: 2048, bytes: 40_000 + 24 },
      { ...none, workgroups: 1, threads: 64, workgroupBytes: 0, bytes: 24 + 4 },
    ]);
    await runtime.dispose();
  });
}
