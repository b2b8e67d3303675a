import { inferenceProgram, livenessPeak } from '@shoal/analyze';
import { wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { createRuntime, gradients, input, type MemoryPlan, type Program, type Runtime } from '@shoal/core';
import { sgd, softmaxCrossEntropy } from '@shoal/math';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import type { Network } from '@shoal/residual';
import { residualWasm } from '@shoal/residual/wasm';
import { networkNames, networks } from '@shoal/zoo';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let runtime: Runtime;
const rows: string[] = [];
beforeAll(async () => {
  runtime = await createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm, residualWasm]);
});
afterAll(async () => {
  await runtime.dispose();
  console.log(['MiB: arena, live peak (ratio), logical peak (ratio)', ...rows].join('\n'));
});

/** A step of stochastic gradient descent with momentum: loss, gradients, new parameters, velocities and statistics. */
function trainingStep(network: Network): Program {
  const { output, parameters, updates } = network.build(input('image', [1, ...network.input]), { train: true });
  const loss = softmaxCrossEntropy(output, input('label', [1], 'i32'));
  const step = sgd({ parameters, gradients: gradients(loss, parameters), learningRate: 0.1, momentum: 0.9 });
  return { outputs: { loss }, updates: [...step.updates, ...updates] };
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function report(what: string, { arenaBytes, livePeakBytes }: MemoryPlan, logical: number): void {
  const [live, written] = [arenaBytes / livePeakBytes, arenaBytes / logical];
  rows.push(
    `${what}: ${mebibytes(arenaBytes)}, ${mebibytes(livePeakBytes)} (${live.toFixed(3)}), ${mebibytes(logical)} (${written.toFixed(3)})`,
  );
}

/**
 * The most that the arena may be of what the graph needs as it is written. Scratch is in it. On maps of 32 by 32 cells a convolution of 192
 * channels has 36 numbers transformed for 16 cells, all of them at once, and products beside: more than twice its input.
 */
const mostOfLogical = ([height]: Network['input']): number => (height > 32 ? 1.5 : 2.4);

/** Nothing runs, and no variable is made: the kernels say what they want, and it is placed. */
describe.each(networkNames)('%s at its own size, planned on WASM', (name) => {
  const network = networks[name]();
  test.each([
    ['inference', () => inferenceProgram(network)],
    ['training step', () => trainingStep(network)],
  ])('%s: near the least memory, and near what the graph needs as it is written', async (what, program) => {
    const plan = await runtime.plan(program());
    const logical = livenessPeak(program());
    report(`${name}, ${what}`, plan, logical);
    expect(plan.arenaBytes / plan.livePeakBytes).toBeLessThanOrEqual(1.05);
    expect(plan.arenaBytes / logical).toBeLessThanOrEqual(mostOfLogical(network.input));
  });
});

test('the same program is planned in the same way', async () => {
  const places = async (): Promise<readonly number[]> => {
    const { placements } = await runtime.plan(trainingStep(networks['fishnet-mini']()));
    return [...placements.values()].flatMap(({ offset, bytes, first, last }) => [offset, bytes, first, last]);
  };
  expect(await places()).toEqual(await places());
});
