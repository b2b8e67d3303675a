import { cuda } from '@shoal/backend-cuda';
import { convCuda } from '@shoal/conv/cuda';
import { createRuntime, ShoalError } from '@shoal/core';
import { mathCuda } from '@shoal/math/cuda';
import { poolCuda } from '@shoal/pool/cuda';
import { residualCuda } from '@shoal/residual/cuda';
import { cudaVariants } from './cuda-variants.ts';
import { Unsupported, type Engine, type EngineOptions } from './engine.ts';
import { shoalVersion } from './shoal-node.ts';
import { shoalEngine } from './shoal.ts';

/** Shoal's CUDA backend. */
export async function open({ variant }: EngineOptions): Promise<Engine> {
  const backend = cuda(cudaVariants[variant!]);
  const openRuntime = () => createRuntime(backend, [convCuda, mathCuda, poolCuda, residualCuda]);
  return shoalEngine(openRuntime, shoalVersion()).catch((cause: unknown) => {
    throw cause instanceof ShoalError && cause.code === 'UNSUPPORTED' ? new Unsupported(cause.message) : cause;
  });
}
