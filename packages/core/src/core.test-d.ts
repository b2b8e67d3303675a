import { expectTypeOf } from 'vitest';
import {
  gradients,
  input,
  map,
  type AnyOp,
  type Executable,
  type HostArray,
  type KernelsOf,
  type RunOptions,
  type Value,
} from './index.ts';
import * as ops from './ops/index.ts';
import type { ReferenceKernel } from './reference/index.ts';
import { structuralReference } from './reference/index.ts';

expectTypeOf(structuralReference).toExtend<KernelsOf<typeof ops, ReferenceKernel>>();
expectTypeOf<keyof KernelsOf<typeof ops, ReferenceKernel>>().toEqualTypeOf<
  'concatOp' | 'fillOp' | 'mapOp' | 'padOp' | 'randomOp' | 'reduceOp' | 'reshapeOp' | 'sliceOp' | 'stopGradientOp' | 'transposeOp'
>();
expectTypeOf(ops.padOp).toExtend<AnyOp>();
expectTypeOf(gradients(input('x', []), [])).toEqualTypeOf<readonly Value[]>();
// @ts-expect-error shapes are numbers
input('x', ['3']);
// @ts-expect-error a variable or graph value, not a number, is what maps read
map([1], (a) => a);
expectTypeOf<ReturnType<Executable['view']>>().toEqualTypeOf<HostArray>();
expectTypeOf<{ into: { y: HostArray } }>().toExtend<RunOptions>();
// @ts-expect-error outputs are copied into arrays of numbers that can be written
const _: RunOptions = { into: { y: [0] } };
