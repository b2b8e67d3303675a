import { apply1, type Op, type Value } from '../graph.ts';
import { readsSame } from '../reads.ts';
import { checkArity } from '../tensor.ts';

/**
 * `[x, token]` to `x`, for readers that must not run before `token` exists. Schedules make it no step: no backend ever sees it. What is computed
 * from it is not the same thing as what is computed from `x`, so the two are never merged: this is how a value comes to be computed again.
 */
export const afterOp: Op<object> = {
  name: 'core/after',
  infer(inputs) {
    checkArity('core/after', inputs, 2);
    return [{ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }];
  },
  vjp: ({ cotangents: [ct] }) => [ct, null],
  cost: () => ({ bytes: 0 }),
  reads: ({ inputs: [x, token] }) => [
    x!.shape.map((_, axis) => readsSame(axis)),
    token!.shape.map(() => ({ along: 0, repeat: { positions: 1, cells: 0 }, cells: () => [] })),
  ],
};

export const after = (x: Value, token: Value): Value => apply1(afterOp, [x, token], {});
