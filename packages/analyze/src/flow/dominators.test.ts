import { concat, input, map, topological, type Value } from '@shoal/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dominators } from './dominators.ts';

/** Whether every way from the root to `value` leads through `gate`. */
function dominates(gate: Value, value: Value, root: Value): boolean {
  if (gate === value || gate === root) return true;
  const reached = new Set<Value>([root]);
  for (const node of topological([value])) {
    if (node.outputs[0] !== gate && node.inputs.some((each) => reached.has(each))) reached.add(node.outputs[0]!);
  }
  return !reached.has(value);
}

test('the nearest common dominator is the last value that cannot be gone around, on random graphs', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 2, maxLength: 14 }), fc.nat(), fc.nat(), (edges, left, right) => {
      const root = input('x', [1]);
      const values: Value[] = [root];
      // Each value reads two earlier ones, the same twice where the numbers meet.
      for (const [a, b] of edges) {
        const [p, q] = [values[a % values.length]!, values[b % values.length]!];
        values.push(p === q ? map([p], (x) => x) : map([concat([p, q], 0)], (x) => x));
      }
      const order = topological(values);
      const all = [root, ...order.map((node) => node.outputs[0]!)];
      const dominators = new Dominators(root, order);
      const pair = [all[left % all.length]!, all[right % all.length]!];
      const found = dominators.nearest(pair);
      const common = all.filter((gate) => pair.every((value) => dominates(gate, value, root)));
      expect(common).toContain(found);
      expect(common.every((gate) => dominates(gate, found, root))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('what the root does not reach has no place', () => {
  const [x, other] = [input('x', [1]), input('other', [1])];
  const [apart, sum] = [map([other], (a) => a), concat([x, other], 0)];
  const dominators = new Dominators(x, topological([apart, sum]));
  expect([x, other, apart, sum].map((value) => dominators.has(value))).toEqual([true, false, false, true]);
});
