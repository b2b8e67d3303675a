import { addCosts, costOf, input, leavesOf, sizeOf, topological, type Cost, type Value } from '@shoal/core';
import { conv2d } from '@shoal/conv';
import { averagePool2d, maxPool2dWithWinner, spaceToDepth } from '@shoal/pool';
import { SIZE, WINDOW } from './state.ts';

/** The four ways to halve a picture, in the order they are shown. */
export const operatorNames = ['max', 'average', 'convolution', 'spaceToDepth'] as const;
export type OperatorName = (typeof operatorNames)[number];

export interface Built {
  readonly output: Value;
  /** The cell that won each window, where there is such a thing. */
  readonly winner?: Value;
}

/** Builds each operator on an image [1, 4, 4, 1] and a filter [2, 2, 1, 1]. */
export const operators: Readonly<Record<OperatorName, (image: Value, filter: Value) => Built>> = {
  max: (image) => maxPool2dWithWinner(image, { window: WINDOW }),
  average: (image) => ({ output: averagePool2d(image, { window: WINDOW }) }),
  convolution: (image, filter) => ({ output: conv2d(image, filter, { stride: WINDOW }) }),
  spaceToDepth: (image) => ({ output: spaceToDepth(image, { block: WINDOW }) }),
};

export const imageInput = (): Value => input('image', [1, SIZE, SIZE, 1]);
export const filterInput = (): Value => input('filter', [WINDOW, WINDOW, 1, 1]);

/** What one application costs, as the cost model of the core counts it, and how many numbers there are to learn. */
export interface OperatorCost extends Cost {
  readonly parameters: number;
}

export function operatorCost(name: OperatorName): OperatorCost {
  const filter = filterInput();
  const { output } = operators[name](imageInput(), filter);
  const parameters = leavesOf([output]).includes(filter) ? sizeOf(filter.shape) : 0;
  return { parameters, ...addCosts(...topological([output]).map(costOf)) };
}
