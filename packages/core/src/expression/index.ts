export * from './expression.ts';
export * from './analyze.ts';
export * from './linearize.ts';
export { evaluate, evaluator, roundHalfEven, type Evaluator } from './evaluate.ts';
export { differentiate } from './differentiate.ts';
export { simplify } from './simplify.ts';
