import { createRuntime, webgpu } from '@shoal/backend-webgpu';
import { convWebgpu } from '@shoal/conv/webgpu';
import { firstRuntime, type Runtime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import type { Engine, EngineInfo } from './engine.ts';
import { shoalEngine } from './shoal.ts';

const kernels = [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu];

/** On a GPU, or on the software adapter where there is none. */
const openRuntime = (): Promise<Runtime> =>
  firstRuntime([false, true].map((software) => () => createRuntime(webgpu({ software }), kernels)));

/** Features and limits are many, and change neither speed nor bits. */
const telling = ({ vendor = '', architecture = '', software = false, winograd = false }: EngineInfo['flags']): EngineInfo['flags'] => ({
  vendor,
  architecture,
  software,
  winograd,
});

/** Shoal's WebGPU backend, in Node or in a page. */
export const openShoalWebgpu = (version: string): Promise<Engine> => shoalEngine(openRuntime, version, telling);
