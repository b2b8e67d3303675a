import { createRuntime, type Runtime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { poolReference } from '@shoal/pool/reference';
import { residualReference } from '@shoal/residual/reference';

/** A runtime with the definition of every op. */
export const makeOracle = (): Promise<Runtime> =>
  createRuntime(reference(), [mathReference, convReference, poolReference, residualReference]);
