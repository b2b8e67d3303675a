import type { Runtime } from '@shoal/core';
import type { Network } from '@shoal/residual';
import type { Observable } from 'rxjs';
import { expectTypeOf } from 'vitest';
import { convolutionRoles, gradientFlow, type ConvolutionRoles, type FlowEvent, type FlowReport, type Summary } from '../index.ts';

declare const net: Network;
declare const runtime: Runtime;

expectTypeOf(gradientFlow(net, runtime)).toEqualTypeOf<Observable<FlowEvent>>();
expectTypeOf(gradientFlow).toBeCallableWith((seed: number) => (seed > 0 ? net : net), runtime, { input: [64, 64], seeds: [1, 2] });
expectTypeOf<Extract<FlowEvent, { kind: 'report' }>['report']>().toEqualTypeOf<FlowReport>();
expectTypeOf<FlowReport['activations'][number]['l2']>().toEqualTypeOf<Summary>();
expectTypeOf<Summary['interval']>().toEqualTypeOf<readonly [low: number, high: number] | null>();
expectTypeOf(convolutionRoles(net)).toEqualTypeOf<ConvolutionRoles>();
expectTypeOf<ConvolutionRoles['trunk'][number]['position']>().toEqualTypeOf<'stem' | 'between' | 'head' | 'plain'>();
// @ts-expect-error sizes are numbers
gradientFlow(net, runtime, { input: '64x64' });
// @ts-expect-error a network, not its name
gradientFlow('resnet50', runtime);
