import { ShapeError } from '../errors.ts';
import * as e from '../expression/index.ts';
import { apply1, type Op, type Value } from '../graph.ts';
import { checkArity, checkDtype, checkShape, formatShape, type Shape } from '../tensor.ts';
import { map } from './map.ts';

export interface RandomAttributes {
  /** Tells apart random nodes of one program: nodes with different ids draw independently. */
  readonly stream: number;
  readonly seed: number;
  readonly shape: Shape;
}

/**
 * Random bits: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Input: the step counter, u32 of shape `[]`. Element i is word `i mod 4` of the block with counter
 * `(floor(i / 4), 0, step, 0)` and key `(seed, stream)`: the same bits on every backend, whatever the number of threads.
 * Random nodes are never merged with each other; backward reads the value that forward drew.
 */
export const randomOp: Op<RandomAttributes> = {
  name: 'core/random',
  infer(inputs, { shape }) {
    checkArity('core/random', inputs, 1);
    checkShape('core/random', shape);
    checkDtype('core/random', 'the step counter', inputs[0]!.dtype, 'u32');
    if (inputs[0]!.shape.length > 0) {
      throw new ShapeError({
        op: 'core/random',
        fact: `the step counter has shape ${formatShape(inputs[0]!.shape)}`,
        next: 'Pass a scalar',
      });
    }
    return [{ shape, dtype: 'u32' }];
  },
  vjp: () => [null],
  cost: () => ({}),
};

/** Random u32 words; `step` is a scalar u32 value, usually a variable that the program increments. */
export function randomBits(step: Value, attributes: RandomAttributes): Value {
  return apply1(randomOp, [step], { ...attributes, shape: [...attributes.shape] });
}

/** Uniform numbers in [0, 1): the upper 24 bits, so that float32 holds them exactly. */
export function randomUniform(step: Value, attributes: RandomAttributes): Value {
  return map([randomBits(step, attributes)], (bits) => e.mul(e.cast(e.shiftRight(bits, 8), 'f32'), 2 ** -24));
}
