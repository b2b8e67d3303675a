import { convCases } from '@shoal/conv/cases';
import type { CaseTable } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { mathCases } from '@shoal/math/cases';
import { poolCases } from '@shoal/pool/cases';
import { residualCases } from '@shoal/residual/cases';

/** The rows of the support matrix. */
export const tables: readonly CaseTable[] = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];
