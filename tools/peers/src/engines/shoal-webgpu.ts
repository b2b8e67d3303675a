import { createRuntime, webgpu } from '@shoal/backend-webgpu';
import { convWebgpu } from '@shoal/conv/webgpu';
import { firstRuntime, type Runtime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { Unsupported, type Engine, type EngineInfo } from './engine.ts';
import { shoalEngine } from './shoal.ts';

const kernels = [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu];

const runtimeOn = (software: boolean) => (): Promise<Runtime> => createRuntime(webgpu({ software }), kernels);

/** On a GPU, or on the software adapter where there is none. */
const openRuntime = (): Promise<Runtime> => firstRuntime([runtimeOn(false), runtimeOn(true)]);

/** On a GPU alone: what takes it a second takes software an hour. */
async function openHardware(): Promise<Runtime> {
  const runtime = await runtimeOn(false)().catch((cause: unknown) => {
    throw new Unsupported(cause instanceof Error ? cause.message : String(cause));
  });
  if (runtime.info.flags['software'] !== true) return runtime;
  await runtime.dispose();
  throw new Unsupported(`WebGPU has no GPU here: ${runtime.info.device} computes on the CPU`);
}

/** Features and limits are many, and change neither speed nor bits. */
const telling = ({ vendor = '', architecture = '', software = false, winograd = false }: EngineInfo['flags']): EngineInfo['flags'] => ({
  vendor,
  architecture,
  software,
  winograd,
});

/** Shoal's WebGPU backend, in Node or in a page. */
export const openShoalWebgpu = (version: string, hardware = false): Promise<Engine> =>
  shoalEngine(hardware ? openHardware : openRuntime, version, telling);
