import { createRuntime, gradients, input, reduce } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { expect, test } from 'vitest';
import { lpPool2d } from './index.ts';
import { poolReference } from './reference/index.ts';

test.each([1.5, 2, 2.5, 3])('second derivatives of the %s-norm of zeros are 0, not NaN', async (p) => {
  const x = input('x', [1, 1, 4, 1]);
  const [slope] = gradients(reduce(lpPool2d(x, { p, window: { height: 1, width: 2 } }), { kind: 'sum' }), [x]);
  const [curvature] = gradients(reduce(slope!, { kind: 'sum' }), [x]);
  const runtime = await createRuntime(reference(), [poolReference]);
  const { found } = await (await runtime.compile({ outputs: { found: curvature! } })).run({ x: [0, 0, 0, 2] });
  // The 2-norm of (0, 2) is curved along its zero, by 1 / 2; the 1.5-norm is infinitely so, where 0 is the convention.
  expect([...found!]).toEqual([0, 0, p === 2 ? 0.5 : 0, expect.closeTo(0)]);
  await runtime.dispose();
});
