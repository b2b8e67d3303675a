import type { Pack } from '@shoal/backend-wasm';
import type { FunctionBuilder, Local, V128 } from '@shoal/backend-wasm/encoder';
import { defined } from '@shoal/core';
import type { Arithmetic } from '../../winograd/transforms.ts';

/** Factors in every lane, by their number: set before the loop that uses them. */
export type Constants = ReadonlyMap<number, Local<'v128'>>;

export const constantsFor = (f: FunctionBuilder, factors: readonly number[]): Constants =>
  new Map(factors.map((value) => [value, f.local.v128(f.f32x4.splat(value))]));

/** Arithmetic on packs. */
export function packed(f: FunctionBuilder, constants: Constants): Arithmetic<Pack> {
  const { f32x4 } = f;
  const each = (x: Pack, compute: (value: Local<'v128'>, i: number) => V128): Pack => x.map((value, i) => f.let(compute(value, i)));
  const factor = (value: number): Local<'v128'> => defined(constants.get(value), `the factor ${value}`);
  return {
    add: (x, y) => each(x, (value, i) => f32x4.add(value, y[i]!)),
    subtract: (x, y) => each(x, (value, i) => f32x4.sub(value, y[i]!)),
    scale: (x, by) => each(x, (value) => f32x4.mul(value, factor(by))),
    plus: (x, by, y) => each(x, (value, i) => f32x4.madd(y[i]!, factor(by), value)),
    minus: (x, by, y) => each(x, (value, i) => f32x4.nmadd(y[i]!, factor(by), value)),
  };
}
