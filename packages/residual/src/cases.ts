import type { CaseTable } from '@shoal/core';
import { batchNormCases } from './batch-norm.cases.ts';
import { blockCases } from './blocks/blocks.cases.ts';
import { channelGroupSumCases } from './channel-group-sum.cases.ts';
import { groupNormCases } from './group-norm.cases.ts';
import { upsampleCases } from './upsample.cases.ts';

/** What is true of this package's ops, compositions and blocks: read by conformance, gradient checks, benchmarks and docs. */
export const residualCases: readonly CaseTable[] = [
  ...batchNormCases,
  groupNormCases,
  ...upsampleCases,
  channelGroupSumCases,
  ...blockCases,
];
