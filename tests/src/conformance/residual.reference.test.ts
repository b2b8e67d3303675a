import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { describeCases } from '@shoal/conformance/vitest';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { poolReference } from '@shoal/pool/reference';
import { residualCases } from '@shoal/residual/cases';
import { residualReference } from '@shoal/residual/reference';

describeCases(residualCases, () => createRuntime(reference(), [mathReference, convReference, poolReference, residualReference]), {
  backend: 'reference',
});
