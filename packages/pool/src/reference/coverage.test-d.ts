import type { KernelsOf, OpNames } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import { expectTypeOf, test } from 'vitest';
import type * as ops from '../ops.ts';
import type * as api from '../index.ts';
import { poolReference } from './index.ts';

type Needed = KernelsOf<typeof ops, ReferenceKernel>;

test('the reference covers every op of the package, and nothing else', () => {
  expectTypeOf<keyof typeof poolReference>().toEqualTypeOf<OpNames<typeof ops>>();
  expectTypeOf<OpNames<typeof api>>().toEqualTypeOf<OpNames<typeof ops>>();
});

test('a set without a kernel is not accepted', () => {
  const { maxPoolGather: _, ...rest } = poolReference;
  expectTypeOf(rest).not.toExtend<Needed>();
  expectTypeOf(poolReference).toExtend<Needed>();
});
