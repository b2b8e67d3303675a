import type { Command } from '../command.ts';
import type { Gpu } from '../gpu.ts';
import { mapForReading } from '../memory.ts';
import { Timer } from '../timer.ts';

/** A dispatch to be timed, so many times in a row. */
export interface Lap {
  readonly variant: string;
  readonly command: Command;
  readonly repeats: number;
}

/** Runs dispatches on a device and times them. */
export interface Stopwatch {
  /** Nanoseconds below which times say little. */
  readonly resolution: number;
  /** Nanoseconds of each lap, run one after the other. */
  readonly time: (op: string, laps: readonly Lap[]) => Promise<readonly number[]>;
}

/** What the host's clock adds to a submit is not known: laps are to be longer than it by far. */
const hostResolution = 100_000;

/** Timestamps of the device where it has them, else the host's clock around submits of their own. */
export function stopwatchOf(gpu: Gpu, resolution = gpu.opened.timestampResolution): Stopwatch {
  return resolution === null ? hostStopwatch(gpu) : timestampStopwatch(gpu, resolution);
}

const run = (pass: GPUComputePassEncoder, { command: { pipeline, bindGroup, groups }, repeats }: Lap): void => {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...groups);
  pass.end();
};

function timestampStopwatch(gpu: Gpu, resolution: number): Stopwatch {
  return {
    resolution,
    async time(op, laps) {
      const timer = await Timer.create(gpu, laps.length, resolution);
      let staging: GPUBuffer | null = null;
      try {
        const target = await gpu.createBuffer('staging', op, timer.bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
        staging = target;
        await gpu.validated(op, () => {
          const encoder = gpu.device.createCommandEncoder();
          laps.forEach((lap, i) => run(encoder.beginComputePass({ timestampWrites: timer.writes(i) }), lap));
          timer.resolve(encoder, target);
          gpu.device.queue.submit([encoder.finish()]);
        });
        await mapForReading(gpu, op, target, timer.bytes);
        return timer.read(target);
      } finally {
        if (staging) gpu.destroy(staging);
        timer.dispose();
      }
    },
  };
}

function hostStopwatch(gpu: Gpu): Stopwatch {
  return {
    resolution: hostResolution,
    async time(op, laps) {
      const times: number[] = [];
      for (const lap of laps) {
        const started = performance.now();
        await gpu.validated(op, () => {
          const encoder = gpu.device.createCommandEncoder();
          run(encoder.beginComputePass(), lap);
          gpu.device.queue.submit([encoder.finish()]);
        });
        await gpu.device.queue.onSubmittedWorkDone();
        times.push(Math.max(hostResolution, (performance.now() - started) * 1e6));
      }
      return times;
    },
  };
}
