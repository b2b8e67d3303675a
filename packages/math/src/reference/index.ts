import type { KernelsOf } from '@shoal/core';
import type { ReferenceKernel } from '@shoal/core/reference';
import type * as ops from '../ops.ts';
import { matmulReference } from './matmul.ts';

/** The ops of this package, written out. */
export const mathReference = { matmulOp: matmulReference } satisfies KernelsOf<typeof ops, ReferenceKernel>;
