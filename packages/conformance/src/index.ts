export { difference, magnitude, relativeTo, type Difference, type Tolerance } from './compare.ts';
export { centralDifferences, type DirectionalDerivative, type Sampled } from './differences.ts';
export {
  buildCase,
  checksOf,
  evaluate,
  evaluateTables,
  type CaseGraph,
  type Check,
  type EvaluateOptions,
  type Result,
  type SkipKind,
} from './evaluate.ts';
export { fillCase, fillInput, upstreamWeights } from './fill.ts';
export {
  matrixMarkdown,
  measureSupport,
  supportMatrix,
  type MeasuredBackend,
  type NotMeasured,
  type SupportCell,
  type SupportMatrix,
  type SupportRow,
} from './matrix.ts';
