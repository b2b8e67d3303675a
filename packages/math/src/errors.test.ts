import { input } from '@shoal/core';
import { expect, test } from 'vitest';
import { softmaxCrossEntropy } from './cross-entropy.ts';
import { dropout } from './dropout.ts';
import { clamp, leakyRelu } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { mean } from './mean.ts';
import { softmax } from './softmax.ts';

const f32 = (...shape: readonly number[]) => input('x', shape);
const i32 = (...shape: readonly number[]) => input('target', shape, 'i32');
/** What a caller without types may pass. */
const untyped = (options: object): never => options as never;

test.each([
  [
    () => matmul(f32(6, 8), f32(7, 6)),
    'math/matmul: inner sizes 8 and 7 differ: [6,8] times [7,6]. Make them equal, or transpose one side.',
  ],
  [
    () => matmul(f32(6, 8), f32(7, 6), { transposeA: true }),
    'math/matmul: inner sizes 6 and 7 differ: [6,8] transposed times [7,6]. Make them equal, or transpose one side.',
  ],
  [() => matmul(f32(6), f32(6, 7)), 'math/matmul: a is [6], not a matrix. Reshape it to two axes or more.'],
  [() => matmul(f32(2, 3), i32(3, 2)), "math/matmul: b is i32 where f32 is needed. Cast it with cast(value, 'f32')."],
  [
    () => matmul(f32(2, 3, 4), f32(3, 4, 5)),
    'math/matmul: shapes [2], [3] do not broadcast. Make sizes equal or 1, aligned at the last axis.',
  ],
  [
    () => matmul(f32(2, 3), f32(3, 4), { bias: f32(7, 2, 4) }),
    'math/matmul: bias [7,2,4] does not broadcast to [2,4]. Give it one number per column.',
  ],
  [
    () => matmul(f32(2, 3), f32(3, 4), untyped({ transposeC: true })),
    'math/matmul: unknown option transposeC. Known options: transposeA, transposeB, bias.',
  ],
  [() => softmax(f32(2, 3), { axis: 2 }), 'math/softmax: axis 2 is not an axis of [2,3]. Use -2 to 1.'],
  [() => mean(f32(2, 3), { axes: [-3] }), 'math/mean: axis -3 is not an axis of [2,3]. Use -2 to 1.'],
  [() => softmaxCrossEntropy(f32(2, 3), i32(3)), 'math/softmax-cross-entropy: index target [3] does not fit logits [2,3]. Give i32 [2].'],
  [
    () => softmaxCrossEntropy(f32(2, 3), f32(2)),
    'math/softmax-cross-entropy: probability target [2] does not fit logits [2,3]. Give f32 [2,3].',
  ],
  [() => softmaxCrossEntropy(f32(2, 0), i32(2)), 'math/softmax-cross-entropy: logits [2,0] have no classes. Give [..., classes].'],
  [
    () => softmaxCrossEntropy(f32(2, 3), f32(2, 3), { ignoreIndex: 1 }),
    'math/softmax-cross-entropy: ignoreIndex was given with probability targets. Leave it out, or zero those rows.',
  ],
  [
    () => softmaxCrossEntropy(f32(2, 3), i32(2), { classWeights: f32(2) }),
    'math/softmax-cross-entropy: class weights [2] for 3 classes. Give one factor per class.',
  ],
  [
    () => softmaxCrossEntropy(f32(2, 3), i32(2), { labelSmoothing: 1.5 }),
    'math/softmax-cross-entropy: label smoothing 1.5 is outside [0, 1]. Use a value such as 0.1.',
  ],
  [
    () => softmaxCrossEntropy(f32(2, 3), i32(2), untyped({ reduction: 'max' })),
    "math/softmax-cross-entropy: unknown reduction 'max'. Use mean, sum or none.",
  ],
  [
    () => dropout(f32(2), { rate: 1, step: input('step', [], 'u32'), stream: 0 }),
    'math/dropout: rate 1 is outside [0, 1). Give the share to drop.',
  ],
  [() => clamp(f32(2), { min: 2, max: 1 }), 'math/clamp: min 2 is above max 1. Swap them.'],
  [() => leakyRelu(f32(2), untyped({ alpha: 0.1 })), 'math/leaky-relu: unknown option alpha. Known options: slope.'],
])('wrong input is a typed error %#', (build, message) => {
  expect(build).toThrow(message);
});
