import { apply1, type Op, type Value } from '../graph.ts';
import { readsSame } from '../reads.ts';
import { checkArity } from '../tensor.ts';

/** Its input, unchanged, as a constant to differentiation. Compiling removes it. */
export const stopGradientOp: Op<object> = {
  name: 'core/stop-gradient',
  infer(inputs) {
    checkArity('core/stop-gradient', inputs, 1);
    return [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }];
  },
  vjp: () => [null],
  cost: () => ({ bytes: 0 }),
  reads: ({ inputs: [x] }) => [x!.shape.map((_, axis) => readsSame(axis))],
};

/** `x`, treated as a constant by `gradients`. */
export const stopGradient = (x: Value): Value => apply1(stopGradientOp, [x], {});
