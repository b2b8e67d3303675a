import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { networks } from '@shoal/zoo';
import { lastValueFrom } from 'rxjs';
import { expect, test } from 'vitest';
import { gradientFlow } from './gradient-flow.ts';

/**
 * Ranges over seeds 0 to 4 of the same quantities in PyTorch 1.13.1: torchvision's ResNet-50 and the FishNet authors' FishNet-99, batch 8,
 * 64x64, default initialisation. Other random numbers, so a run may fall outside a range of five: each is widened by its own width.
 */
const published = {
  resnet50: {
    ratio: [223.61, 251.56],
    deepest: [0.10134, 0.10233],
    shortcuts: { 'layer2.0': 0.867, 'layer3.0': 0.778, 'layer4.0': 0.67, 'layer1.0': 1.62 },
  },
  fishnet99: {
    ratio: [86.24, 107.03],
    deepest: [0.2044, 0.2117],
    shortcuts: { 'fish.fish.0.0.0': 1.119, 'fish.fish.1.0.0': 1.037, 'fish.fish.2.0.0': 1.113, 'fish.fish.3.2.0': 3.49 },
  },
} as const;

test.each(['resnet50', 'fishnet99'] as const)('%s passes what it passes in PyTorch', { timeout: 120_000 }, async (name) => {
  const runtime = await createRuntime(wasm({ threads: 1 }), [convWasm, mathWasm, poolWasm, residualWasm]);
  const last = await lastValueFrom(gradientFlow((seed) => networks[name]({ seed }), runtime, { input: [64, 64], seeds: 1 }));
  await runtime.dispose();
  if (last.kind !== 'report') throw new Error(`ended with ${last.kind}`);
  const { activations, shallowOverDeep, edges } = last.report;
  const within = (value: number, [low, high]: readonly [number, number]): void => {
    expect(value).toBeGreaterThan(2 * low - high);
    expect(value).toBeLessThan(2 * high - low);
  };
  within(shallowOverDeep.ratio.mean, published[name].ratio);
  within(activations.at(-1)!.l2.mean, published[name].deepest);
  for (const [block, gain] of Object.entries(published[name].shortcuts)) {
    const edge = edges.find((each) => each.kind === 'convolution-shortcut' && each.name === block);
    expect(Math.abs(edge!.gain.mean / gain - 1)).toBeLessThan(0.05);
  }
});
