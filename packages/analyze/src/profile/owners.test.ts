import { wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import {
  costOf,
  createRuntime,
  interfaceOf,
  sizeOf,
  topological,
  rootsOf,
  type Backend,
  type Device,
  type Kernel,
  type Schedule,
} from '@shoal/core';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { networkNames, networks, type NetworkName } from '@shoal/zoo';
import { afterAll, describe, expect, test } from 'vitest';
import { cost } from '../cost.ts';
import { ownersOf, type Direction } from './owners.ts';
import { macsOf, phaseProgram, type Phase, type PhaseProgram } from './program.ts';

/** A backend's kernels, with their fusion, and a device that takes programs and runs nothing: schedules of the largest networks cost no weights. */
function withoutDevice<K extends Kernel>(backend: Backend<K>): Backend<K> {
  const info = { backend: backend.name, device: 'none', threads: 1, clock: 'none', flags: {}, notes: [] };
  const memory = { arenaBytes: 0, livePeakBytes: 0, unsharedBytes: 0, placements: new Map(), rounds: [] };
  const idle: Device<K> = {
    info,
    compile: () => Promise.resolve({ memory, run: () => Promise.reject(new Error('runs nothing')), dispose: () => undefined }),
    read: () => Promise.reject(new Error('keeps nothing')),
    write: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
  };
  return { ...backend, open: () => Promise.resolve(idle) };
}

const runtime = await createRuntime(withoutDevice(wasm()), [convWasm, mathWasm, poolWasm, residualWasm]);
afterAll(() => runtime.dispose());

async function scheduleOf({ program }: PhaseProgram): Promise<Schedule> {
  for (const variable of interfaceOf(program).variables) await runtime.write(variable, new Float32Array(sizeOf(variable.shape)));
  return (await runtime.compile(program)).schedule;
}

/** Large enough for every network's last map, small enough for graphs to be what takes time. */
const workOf = (name: NetworkName, phase: Phase): PhaseProgram => {
  const network = networks[name]();
  return phaseProgram(network, phase, { input: network.input[0] > 64 ? [64, 96] : network.input.slice(0, 2) as [number, number], batch: 2 }); // prettier-ignore
};

describe.each(['fwd', 'step'] as const)('%s: every step has an owner, and every node', (phase) => {
  test.each(networkNames)('%s', { timeout: 120_000 }, async (name) => {
    const work = workOf(name, phase);
    const ownership = ownersOf(work);
    expect(topological(rootsOf(work.program)).filter((node) => !ownership.nodes.has(node))).toEqual([]);
    const { steps } = await scheduleOf(work);
    const owners = steps.map(ownership.of);
    const working = new Set(owners.map(([first]) => first.section));
    const taking = new Set(owners.flat().map(({ section }) => section));
    for (const section of ownership.sections) {
      if (['convolution', 'dense', 'max pooling', 'average pooling'].includes(section.kind)) expect(working).toContain(section);
      // A reshape moves nothing, and there is a rest only where dropout counts steps.
      if (section.kind !== 'reshape' && section.kind !== 'rest') expect(taking).toContain(section);
    }
    // Arithmetic is where its kind says that it is: no kernel counts for a neighbour.
    for (const [at, { node }] of steps.entries()) {
      if (costOf(node).multiplyAccumulates > 0) expect(owners[at]![0].section.kind).toMatch(/convolution|dense|batch norm|upsampling/);
    }
  });
});

describe('resnet-mini', () => {
  const directionsOf = async (phase: Phase): Promise<ReadonlyMap<string, ReadonlySet<Direction>>> => {
    const work = workOf('resnet-mini', phase);
    const { of } = ownersOf(work);
    const found = new Map<string, Set<Direction>>();
    for (const step of (await scheduleOf(work)).steps) {
      const [{ section, direction }] = of(step);
      found.set(section.name, (found.get(section.name) ?? new Set()).add(direction));
    }
    return found;
  };

  test('inference runs forward only, batch norm and ReLU inside the convolutions', async () => {
    const found = await directionsOf('fwd');
    expect([...found.values()].every((directions) => [...directions].join() === 'forward')).toBe(true);
    expect([...found.keys()].filter((name) => /bn|relu|add/.test(name))).toEqual([]);
    const work = workOf('resnet-mini', 'fwd');
    const { of } = ownersOf(work);
    const [first] = (await scheduleOf(work)).steps.map((step) => of(step)).filter(([owner]) => owner.section.name === 'layer1.0.conv3');
    expect(first!.map(({ section }) => section.name)).toEqual([
      'layer1.0.conv3', 'layer1.0.bn3', 'layer1.0.downsample.1', 'layer1.0.add', 'layer1.0.relu#3',
    ]); // prettier-ignore
  });

  test('a step runs convolutions and batch norms in both directions, then the optimizer', async () => {
    const found = await directionsOf('step');
    for (const name of ['conv1', 'layer2.1.conv2', 'layer2.0.downsample.0', 'layer2.0.downsample.1', 'bn1', 'fc', 'loss']) {
      expect([name, ...(found.get(name) ?? [])].toSorted()).toEqual(['backward', 'forward', name].toSorted());
    }
    expect([...found.get('optimizer')!]).toEqual(['update']);
  });

  test('running statistics belong to their batch norm, and gradients of parameters to the layer that has them', () => {
    const work = workOf('resnet-mini', 'step');
    const { nodes } = ownersOf(work);
    for (const [variable, value] of work.graph.updates)
      expect(`${nodes.get(value.node!)!.section.name}.`).toBe(variable.name.slice(0, variable.name.lastIndexOf('.') + 1));
    work.graph.parameters.forEach(({ name }, i) => {
      expect([name, nodes.get(work.gradients[i]!.node!)]).toMatchObject([name, { section: { name: name.slice(0, name.lastIndexOf('.')) }, direction: 'backward' }]); // prettier-ignore
    });
  });

  test('the products of a step are three times those of inference, but for the gradient to the image', () => {
    const network = networks['resnet-mini']();
    const size = { input: [64, 96], batch: 2 } as const;
    const { macs, layers } = cost(network, size);
    expect(macsOf(phaseProgram(network, 'fwd', size).program)).toBe(macs);
    const { program } = phaseProgram(network, 'step', size);
    const norms = topological(rootsOf(program)).filter(({ op }) => op.name.startsWith('residual/batch-norm'));
    const normMacs = norms.reduce((sum, node) => sum + costOf(node).multiplyAccumulates, 0);
    expect(macsOf(program)).toBe(3 * macs - layers[0]!.macs + normMacs);
  });
});
