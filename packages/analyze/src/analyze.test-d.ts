import type { Reads, Runtime, Value, Variable } from '@shoal/core';
import type { BlockResult, Network } from '@shoal/residual';
import { expectTypeOf, test } from 'vitest';
import {
  cost,
  costOn,
  layersOf,
  livenessPeak,
  plannedBytes,
  receptiveField,
  seenBy,
  type AxisField,
  type Layer,
  type LayerCost,
  type NetworkCost,
  type ReceptiveField,
} from './index.ts';

declare const network: Network;
declare const graph: BlockResult;
declare const value: Value;
declare const runtime: Runtime;

test('what is counted, and from what', () => {
  expectTypeOf(cost(network)).toEqualTypeOf<NetworkCost>();
  expectTypeOf(cost(network, { input: [224, 160], batch: 8, convention: 'fishnet', train: false }).layers).toEqualTypeOf<
    readonly LayerCost[]
  >();
  expectTypeOf(costOn(runtime, network)).resolves.toEqualTypeOf<NetworkCost>();
  expectTypeOf<NetworkCost['logicalBytes']>().toEqualTypeOf<{ readonly inference: number; readonly training: number | null }>();
  expectTypeOf<NetworkCost['plannedBytes']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<NetworkCost>().toExtend<{ schema: 'shoal.cost/1'; params: number; macs: number }>();
  // @ts-expect-error a size is height and width
  cost(network, { input: 224 });
  // @ts-expect-error there is no such convention
  cost(network, { convention: 'flops' });
});

test('layers, fields and memory', () => {
  expectTypeOf(layersOf(graph, value)).toEqualTypeOf<readonly Layer[]>();
  expectTypeOf(layersOf({ output: value, parameters: [], taps: [] }, value)[0]!.parameters).toEqualTypeOf<readonly Variable[]>();
  expectTypeOf(receptiveField(value)).toEqualTypeOf<ReceptiveField>();
  expectTypeOf<AxisField['size']>().toEqualTypeOf<number | 'whole image'>();
  expectTypeOf(seenBy(value, { row: 1, column: 2 }, { image: value }).rows).toEqualTypeOf<readonly [first: number, last: number] | null>();
  expectTypeOf(livenessPeak({ outputs: { value } })).toEqualTypeOf<number>();
  expectTypeOf(plannedBytes(runtime, { outputs: { value } })).resolves.toEqualTypeOf<number>();
  expectTypeOf<['all']>().toExtend<Reads[number]>();
  // @ts-expect-error an element has a row and a column
  seenBy(value, [1, 2]);
});
