import type { CaseTable } from '@shoal/core';
import { crossEntropyCases } from './cross-entropy.cases.ts';
import { dropoutCases } from './dropout.cases.ts';
import { elementwiseCases } from './elementwise.cases.ts';
import { matmulCases } from './matmul.cases.ts';
import { meanCases } from './mean.cases.ts';
import { softmaxCases } from './softmax.cases.ts';

/** What is true of this package's functions: read by conformance, gradient checks, benchmarks and docs. */
export const mathCases: readonly CaseTable[] = [
  ...elementwiseCases,
  ...meanCases,
  matmulCases,
  ...softmaxCases,
  crossEntropyCases,
  dropoutCases,
];
