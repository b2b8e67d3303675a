import type { CaseTable } from '@shoal/core';
import { convTranspose2dCases } from './conv-transpose2d.cases.ts';
import { conv2dGradientInputCases, conv2dGradientWeightCases } from './conv2d-gradients.cases.ts';
import { conv2dCases, depthwiseConv2dCases } from './conv2d.cases.ts';

export const convCases: readonly CaseTable[] = [
  conv2dCases,
  depthwiseConv2dCases,
  conv2dGradientInputCases,
  conv2dGradientWeightCases,
  convTranspose2dCases,
];
