import { cost, costOn, inferenceProgram, trainingProgram } from '@shoal/analyze';
import { wasm } from '@shoal/backend-wasm';
import { convReference } from '@shoal/conv/reference';
import { convWasm } from '@shoal/conv/wasm';
import { createRuntime, input, sizeOf, type Program, type Runtime } from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { mathReference } from '@shoal/math/reference';
import { mathWasm } from '@shoal/math/wasm';
import { poolReference } from '@shoal/pool/reference';
import { poolWasm } from '@shoal/pool/wasm';
import { residualReference } from '@shoal/residual/reference';
import { residualWasm } from '@shoal/residual/wasm';
import { networks, type NetworkName } from '@shoal/zoo';
import { describe, expect, test } from 'vitest';

const runtimes: Readonly<Record<string, () => Promise<Runtime>>> = {
  reference: () => createRuntime(reference(), [convReference, mathReference, poolReference, residualReference]),
  wasm: () => createRuntime(wasm({ threads: 2 }), [convWasm, mathWasm, poolWasm, residualWasm]),
};

// What `arenaBytes` says is what the device holds: backend-wasm's own tests watch its allocator.
describe.each(Object.entries(runtimes))('planned bytes on %s', (_, open) => {
  test('are the arena of the program that then runs', { timeout: 60_000 }, async () => {
    const runtime = await open();
    const net = networks['fishnet-mini']();
    const options = { input: [32, 64], batch: 2 } as const;
    const { plannedBytes, input: shape } = await costOn(runtime, net, { ...options, train: false });
    const executable = await runtime.compile(inferenceProgram(net, options));
    const { output } = await executable.run({ image: new Float32Array(sizeOf(shape)).fill(0.1) });
    expect([shape, output!.length]).toEqual([[2, 32, 64, 3], 20]);
    const { arenaBytes, placements } = executable.memory;
    expect(plannedBytes).toBe(arenaBytes);
    expect(Math.max(...[...placements.values()].map(({ offset, bytes }) => offset + bytes))).toBe(arenaBytes);
    await runtime.dispose();
  });
});

/**
 * The logical peak is that of the graph as it is written, where a batch norm and a ReLU are tensors beside the convolution's. Compiled,
 * they are done within the convolution: less is alive at once, but at best half, since a convolution still reads one map and writes
 * another. Alignment and the gaps of a placement add a little. So does the scratch of kernels, which beside maps as small as these is as large as
 * they are: the transformed tiles of a Winograd convolution. In training nearly all that is alive is kept for the gradients: of the convolution,
 * the batch norm and the ReLU one behind the other only the first and the last.
 */
test.each(['resnet-mini', 'squeezenet1_1', 'fishnet-mini', 'all-cnn-c', 'model-c'] as const satisfies readonly NetworkName[])(
  '%s on WASM: planned and logical bytes are of one size',
  { timeout: 120_000 },
  async (name) => {
    const runtime = await runtimes['wasm']!();
    const net = networks[name]();
    const size: readonly [number, number] = net.input[0] > 64 ? [64, 96] : [32, 32];
    const { logicalBytes } = cost(net, { input: size, batch: 2 });
    const peaks = async (program: Program, logical: number) => {
      const { memory } = await runtime.compile(program);
      expect(memory.arenaBytes).toBeGreaterThanOrEqual(memory.livePeakBytes);
      return { live: memory.livePeakBytes / logical, arena: memory.arenaBytes / logical };
    };
    const inference = await peaks(inferenceProgram(net, { input: size, batch: 2 }), logicalBytes.inference);
    expect(inference.live).toBeGreaterThan(0.5);
    expect(inference.arena).toBeLessThan(1.4);
    const training = await peaks(trainingProgram(net, input('image', [2, ...size, 3])), logicalBytes.training!);
    expect(training.live).toBeGreaterThan(0.5);
    expect(training.arena).toBeLessThan(1.1);
    await runtime.dispose();
  },
);
