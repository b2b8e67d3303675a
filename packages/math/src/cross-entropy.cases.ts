import type { Case, CaseTable } from '@shoal/core';
import { softmaxCrossEntropy, type CrossEntropyOptions } from './cross-entropy.ts';

const logits = { shape: [3, 4], data: [1, 2, 3, 0, 0, 0, 0, 0, -1, 1, 0.5, 2] };
const probabilities = { shape: [3, 4], data: [0.5, 0.25, 0.25, 0, 0, 0, 0, 1, 0.25, 0.25, 0.25, 0.25] };
const weights = { shape: [4], data: [0.5, 1, 2, 0.25] };
const labels = (...data: readonly number[]) => ({ shape: [data.length], dtype: 'i32', data }) as const;

/** A row of the table, the class weights being the third input where there is one. */
function row(name: string, inputs: Case['inputs'], options: CrossEntropyOptions, rest: Partial<Case>): Case {
  return {
    name,
    inputs,
    build: (x, target, w) => softmaxCrossEntropy(x, target, { ...options, ...(inputs.length > 2 ? { classWeights: w } : {}) }),
    ...rest,
  };
}

export const crossEntropyCases: CaseTable = {
  name: 'math/softmax-cross-entropy',
  op: null,
  cases: [
    row(
      'sum, the third row ignored',
      [logits, labels(2, 0, -100)],
      { reduction: 'sum' },
      {
        expect: [[1.826484059681086]],
        gradient: {
          expect: [
            [0.08714431874203257, 0.23688281808991016, -0.35608574011202765, 0.03205860328008499, -0.75, 0.25, 0.25, 0.25, 0, 0, 0, 0],
            null,
          ],
        },
      },
    ),
    row('a mean divides by the rows that count', [logits, labels(2, 0, -100)], {}, { expect: [[0.9132420298405429]], secondOrder: true }),
    row(
      'one loss per row',
      [logits, labels(2, 0, 3)],
      { reduction: 'none', ignoreIndex: 0 },
      { expect: [[0.44018969856119533, 0, 0.49518189808585605]] },
    ),
    row('an ignored index among the classes', [logits, labels(2, 0, 3)], { ignoreIndex: 0 }, { expect: [[0.4676857983235257]] }),
    row(
      'label smoothing',
      [logits, labels(2, 0, -100)],
      { labelSmoothing: 0.1, reduction: 'none' },
      { expect: [[0.5901896985611953, 1.3862943611198906, 0]], secondOrder: true },
    ),
    row(
      'a weighted mean divides by the weights of the targets',
      [logits, labels(2, 0, -100), weights],
      { labelSmoothing: 0.1 },
      { expect: [[0.6624627202036816]], secondOrder: true },
    ),
    row('probabilities', [logits, probabilities], {}, { expect: [[1.6488886525889808]], secondOrder: true }),
    row(
      'probabilities, smoothed and weighted, by the number of rows',
      [logits, probabilities, weights],
      { labelSmoothing: 0.2 },
      { expect: [[1.1828698072395427]] },
    ),
    row(
      'large logits do not overflow',
      [{ shape: [1, 2], data: [0, 1000] }, labels(0)],
      {},
      { expect: [[1000]], gradient: { expect: [[-1, 1], null] } },
    ),
    row(
      'a map of classes',
      [{ shape: [2, 3, 2, 5] }, { shape: [2, 3, 2], data: { labels: 5 } }],
      { labelSmoothing: 0.05 },
      { secondOrder: true },
    ),
  ],
};
