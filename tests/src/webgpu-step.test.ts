import { feedsFor, phaseProgram } from '@shoal/analyze';
import { webgpu } from '@shoal/backend-webgpu';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { networks } from '@shoal/zoo';
import { describe, expect, test, vi } from 'vitest';
import { onWebgpu } from './webgpu.ts';

// Dawn's null backend compiles shaders and runs nothing: what is asked of a device is counted in seconds.
/** What a device is asked to do, in order. */
type Call = 'pass' | 'submit' | 'wait' | 'map' | 'mapped';

/** Writes down the calls, and how many bytes are copied to where the host can read them. */
function watch(device: GPUDevice): { readonly calls: Call[]; readonly copied: number[] } {
  const [calls, copied]: [Call[], number[]] = [[], []];
  const { queue } = device;
  const [submit, done] = [queue.submit.bind(queue), queue.onSubmittedWorkDone.bind(queue)];
  queue.submit = (commands) => (calls.push('submit'), submit(commands));
  queue.onSubmittedWorkDone = () => (calls.push('wait'), done());
  const createEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = createEncoder(descriptor);
    const [begin, copy] = [encoder.beginComputePass.bind(encoder), encoder.copyBufferToBuffer.bind(encoder)];
    encoder.beginComputePass = (pass) => (calls.push('pass'), begin(pass));
    const watched = (from: GPUBuffer, offset: number, to: GPUBuffer, at: number, bytes: number): void => {
      if (to.usage & GPUBufferUsage.MAP_READ) copied.push(bytes);
      copy(from, offset, to, at, bytes);
    };
    encoder.copyBufferToBuffer = watched as GPUCommandEncoder['copyBufferToBuffer'];
    return encoder;
  };
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const map = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = async (...range) => {
      calls.push('map');
      await map(...range);
      calls.push('mapped');
    };
    return buffer;
  };
  return { calls, copied };
}

await onWebgpu(() =>
  describe('a training step of ResNet-18', () => {
    test(
      'is one pass and one submit, reads back what was asked for, and does not wait for the one before',
      { timeout: 180_000 },
      async () => {
        const requested = vi.spyOn(GPUAdapter.prototype, 'requestDevice');
        const runtime = await createRuntime(webgpu({ dawnFlags: ['backend=null'] }), [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu]);
        const { calls, copied } = watch(await (requested.mock.results[0]!.value as Promise<GPUDevice>));
        requested.mockRestore();
        const work = phaseProgram(networks.resnet18(), 'step', { input: [32, 32], batch: 2 });
        const step = await runtime.compile(work.program);
        const feeds = feedsFor(work, step);
        const clear = (): void => [calls, copied].forEach((list) => list.splice(0));
        const timestamps = runtime.info.clock === 'timestamp-query' ? [16] : [];
        clear();
        await step.run(feeds);
        expect(calls).toEqual(['pass', 'submit', 'wait', 'map', 'mapped']);
        expect(copied).toEqual([...timestamps, 4]);
        clear();
        await step.run(feeds, { fetch: [] });
        expect(calls.filter((call) => call === 'pass' || call === 'submit')).toEqual(['pass', 'submit']);
        expect(copied).toEqual(timestamps);
        clear();
        const losses = await Promise.all([step.run(feeds), step.run(feeds)]);
        expect(calls.slice(0, 5).filter((call) => call !== 'wait')).toEqual(['pass', 'submit', 'pass', 'submit']);
        expect(losses.map(({ loss }) => loss!.length)).toEqual([1, 1]);
        await runtime.dispose();
      },
    );
  }),
);
