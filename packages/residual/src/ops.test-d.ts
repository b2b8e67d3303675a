import type { KernelsOf, OpNames } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import { expectTypeOf, test } from 'vitest';
import type * as ops from './ops.ts';
import type { residualReference } from './reference/index.ts';

test('every op has a reference kernel, and nothing else has one', () => {
  expectTypeOf<keyof typeof residualReference>().toEqualTypeOf<OpNames<typeof ops>>();
  expectTypeOf<typeof residualReference>().toExtend<KernelsOf<typeof ops, ReferenceKernel>>();
});
