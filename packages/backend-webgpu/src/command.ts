import type { Value } from '@shoal/core';
import type { Accessor } from './emit.ts';
import type { Gpu } from './gpu.ts';
import type { Dispatch } from './kernel.ts';
import { assemble, type Place, type ShaderModule } from './module.ts';

/** A dispatch that is ready to be encoded. */
export interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}

/** A dispatch as a whole shader within the limits of a device. */
export function assembleFor(
  { device: { limits } }: Gpu,
  op: string,
  dispatch: Dispatch,
  accessors: readonly Accessor[],
  placeOf: (value: Value) => Place,
): ShaderModule {
  return assemble(op, dispatch, accessors, placeOf, {
    workgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    storageBuffers: limits.maxStorageBuffersPerShaderStage,
  });
}

/** @param user who needs the pipeline, until it is released */
export async function prepareCommand(gpu: Gpu, op: string, shader: ShaderModule, user: object): Promise<Command> {
  const { pipeline, layout } = await gpu.pipeline(op, shader, user);
  const bindGroup = await gpu.validated(op, () =>
    gpu.device.createBindGroup({
      layout,
      entries: shader.bindings.map(({ buffer, offset, bytes }, binding) => ({ binding, resource: { buffer, offset, size: bytes } })),
    }),
  );
  return { pipeline, bindGroup, groups: shader.groups };
}
