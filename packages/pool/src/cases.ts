import type { CaseTable } from '@shoal/core';
import { adaptivePoolCases } from './adaptive-pool.cases.ts';
import { averagePoolCases, averagePoolGradientCases } from './average-pool.cases.ts';
import { globalPoolCases } from './global-pool.cases.ts';
import { globalLpPoolCases, lpPoolCases } from './lp-pool.cases.ts';
import { maxPoolCases, maxPoolGatherCases, maxPoolGradientCases } from './max-pool.cases.ts';
import { maxUnpoolCases } from './max-unpool.cases.ts';
import { spaceToDepthCases } from './space-to-depth.cases.ts';

/** Every case of this package, op by op. */
export const poolCases: readonly CaseTable[] = [
  maxPoolCases,
  maxPoolGradientCases,
  maxPoolGatherCases,
  averagePoolCases,
  averagePoolGradientCases,
  lpPoolCases,
  ...globalPoolCases,
  globalLpPoolCases,
  ...adaptivePoolCases,
  ...maxUnpoolCases,
  ...spaceToDepthCases,
];
