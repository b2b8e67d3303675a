import { conv2d } from '@shoal/conv';
import { gradients, input, reshape, variable, type Program, type Variable } from '@shoal/core';
import { matmul, relu, sgd, softmaxCrossEntropy } from '@shoal/math';
import { maxPool2d } from '@shoal/pool';
import { batchNorm } from '@shoal/residual';

/** Numbers between -scale and scale that look random. */
export const spread = (count: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => scale * ((((i + 1) * 7919) % 2003) / 1001.5 - 1));

/** A small network with everything a training step needs: convolution, batch norm, max pooling, a classifier, momentum. */
export function trainingStep(): { program: Program; variables: readonly Variable[] } {
  const x = input('x', [3, 9, 8, 2]);
  const labels = input('labels', [3], 'i32');
  const filter = variable('filter', [3, 3, 2, 10], spread(180, 0.3));
  const [gamma, beta, mean, variance] = [
    variable('gamma', [10], 1),
    variable('beta', [10]),
    variable('mean', [10]),
    variable('variance', [10], 1),
  ];
  const dense = variable('dense', [160, 5], spread(800, 0.2));
  const normal = batchNorm(conv2d(x, filter, { padding: 'same' }), { gamma, beta, mean, variance }, { train: true });
  const pooled = maxPool2d(relu(normal.output), { window: 2 });
  const loss = softmaxCrossEntropy(matmul(reshape(pooled, [3, 160]), dense), labels, { reduction: 'mean' });
  const parameters = [filter, gamma, beta, dense];
  const { updates, state } = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.05, momentum: 0.9 });
  return { program: { outputs: { loss }, updates: [...updates, ...normal.updates] }, variables: [...parameters, mean, variance, ...state] };
}
