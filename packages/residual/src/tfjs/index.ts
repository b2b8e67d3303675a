import type { TfjsKernel } from '@shoal/backend-tfjs';
import type { KernelsOf } from '@shoal/core';
import type * as ops from '../ops.ts';

/** On TensorFlow.js every op of this package is its expansion: maps, sums and slices, so there is no kernel to give. */
export const residualTfjs = {} satisfies Partial<KernelsOf<typeof ops, TfjsKernel>>;
