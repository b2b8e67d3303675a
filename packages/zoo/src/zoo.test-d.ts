import type { Runtime, Value } from '@shoal/core';
import type { BlockResult, Network } from '@shoal/residual';
import { expectTypeOf } from 'vitest';
import { verifyGolden, type Golden, type GoldenCheck } from './golden/index.ts';
import { allCnnC, fishnet99, loadStateDict, networkName, networks, resnet50, type NetworkName, type StateDict } from './index.ts';

declare const image: Value;
declare const runtime: Runtime;
declare const golden: Golden;

expectTypeOf(resnet50({ classes: 10, variant: 'd' })).toEqualTypeOf<Network>();
expectTypeOf(fishnet99().build(image, { train: true, dropout: false })).toEqualTypeOf<BlockResult>();
expectTypeOf(networkName('resnet50')).toEqualTypeOf<NetworkName>();
expectTypeOf<'squeezenet1_1' | 'all-cnn-c' | 'convpool-cnn-b' | 'resnet50d' | 'fishnet-mini'>().toExtend<NetworkName>();
expectTypeOf(networks['fishnet150']({ seed: 3 })).toEqualTypeOf<Network>();
expectTypeOf(loadStateDict).parameter(2).toEqualTypeOf<StateDict>();
expectTypeOf(verifyGolden(golden, runtime, { float64: true })).resolves.toEqualTypeOf<readonly GoldenCheck[]>();

// @ts-expect-error there is no such variant
resnet50({ variant: 'e' });
// @ts-expect-error the alignment of poolings is centred or ceil
allCnnC({ pooling: 'same' });
// @ts-expect-error a network takes a value of the graph, not a shape
resnet50().build([1, 224, 224, 3]);
// @ts-expect-error a tensor of a state dict says its shape
void loadStateDict(runtime, resnet50(), { 'fc.bias': new Float32Array(1000) });
