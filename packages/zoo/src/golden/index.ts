export type { Golden } from './format.ts';
export { parseGolden } from './format.ts';
export { goldenNetwork, verifyGolden, type GoldenCheck, type GoldenOptions } from './verify.ts';
export { formulaStateDict, formulaTensor, type TensorKind } from './weights.ts';
