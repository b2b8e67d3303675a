import type { CaseTable } from './case.ts';
import { mapCases } from './ops/map.cases.ts';
import { concatCases, fillCases, padCases, reshapeCases, sliceCases, transposeCases } from './ops/movement.cases.ts';
import { randomCases } from './ops/random.cases.ts';
import { reduceCases } from './ops/reduce.cases.ts';

/** The cases of the structural ops. */
export const coreCases: readonly CaseTable[] = [
  mapCases,
  reduceCases,
  fillCases,
  randomCases,
  reshapeCases,
  transposeCases,
  sliceCases,
  padCases,
  concatCases,
];
