import { availableParallelism } from 'node:os';
import { createRuntime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { convReference } from '@shoal/conv/reference';
import { mathReference } from '@shoal/math/reference';
import { poolReference } from '@shoal/pool/reference';
import { residualReference } from '@shoal/residual/reference';
import { openRuntime } from './engines/shoal.ts';
import { compileSubject } from './programs.ts';
import type { Subject, Work } from './works/index.ts';

export interface Expected {
  readonly results: readonly Float32Array[];
  /** `float64 reference`, `Shoal, strict`, or the name of an engine. */
  readonly by: string;
}

/** The reference backend is for reading, not for speed: work beyond this is checked against Shoal's strict results, which its tests check. */
const referenceLimit = { flop: 30e6, bytes: 20e6 };

/** What every engine has to find. */
export async function expectedResults({ amount }: Work, subject: Subject): Promise<Expected> {
  const small = amount.flop <= referenceLimit.flop && amount.bytes <= referenceLimit.bytes;
  const runtime = small
    ? await createRuntime(reference(), [convReference, mathReference, poolReference, residualReference])
    : await openRuntime(Math.min(16, availableParallelism()), 'strict');
  const { results } = await compileSubject(runtime, subject);
  const found = await results();
  await runtime.dispose();
  return { results: found, by: small ? 'float64 reference' : 'Shoal, strict' };
}
