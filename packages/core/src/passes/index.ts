export { attributeKey, expandMissing, foldConstants, lowerKernels, shareCommon, stripStopGradients } from './simplify.ts';
export { foldScales } from './fold-scale.ts';
export { fuseMaps } from './fuse-maps.ts';
export { masksFromResults } from './masks.ts';
export { rewriteProgram } from './rewrite.ts';
export { planMemory, type MemoryPlan, type MemoryRequest, type Placement, type Round } from './memory.ts';
export { schedule, type FusedExpression, type Schedule, type Step } from './schedule.ts';
