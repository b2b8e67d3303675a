import type { KernelsOf } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import { expectTypeOf, test } from 'vitest';
import type * as index from '../index.ts';
import type * as ops from '../ops.ts';
import { convReference } from './index.ts';

test('the reference covers every op that the package exports, and no other', () => {
  expectTypeOf<keyof typeof convReference>().toEqualTypeOf<keyof KernelsOf<typeof ops, ReferenceKernel>>();
  expectTypeOf<keyof KernelsOf<typeof index, ReferenceKernel>>().toEqualTypeOf<keyof typeof convReference>();
});

test('a set without one of them is an error', () => {
  const { conv2dGradientWeight: _, ...incomplete } = convReference;
  expectTypeOf(incomplete).not.toExtend<KernelsOf<typeof ops, ReferenceKernel>>();
});
